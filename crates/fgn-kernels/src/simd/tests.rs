//! The functions of `math.rs` on every instruction set of the machine, against `f64`.

use fgn_core::Lane;

use crate::simd::isa::Isa;
use crate::simd::math::MAX_ULP;
use crate::simd::vector::{Simd, Task};

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    LogSigmoid,
    Sigmoid,
    Tanh,
}
use Function::*;

impl Function {
    #[inline(always)]
    fn of<L: Lane>(self, x: L) -> L {
        match self {
            Exp => x.exp(),
            LogSigmoid => x.log_sigmoid(),
            Sigmoid => x.sigmoid(),
            Tanh => x.tanh(),
        }
    }
}

/// Applies a function to numbers, a register at a time.
struct Map<'a> {
    function: Function,
    numbers: &'a mut [f32],
}

impl Task<f32> for Map<'_> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        for part in self.numbers.chunks_mut(S::WIDTH) {
            // SAFETY: both reach over `part` alone.
            unsafe {
                let x = S::load_first(part.as_ptr(), part.len());
                let y = self.function.of(x);
                y.store_first(part.as_mut_ptr(), part.len());
            }
        }
    }
}

/// The worst error in units in the last place of the exact result, and where it is.
fn worst(isa: Isa, function: Function, inputs: &[f32]) -> (f64, f32) {
    let mut outputs = inputs.to_vec();
    isa.run(Map { function, numbers: &mut outputs });
    let error = |x: f32, found: f32| {
        let exact = function.of(f64::from(x));
        let nearest = exact as f32;
        // Below the normal numbers the step no longer shrinks.
        let ulp = f64::from(nearest.abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
        let ulp = 2f64.powf((ulp / f64::from(f32::EPSILON)).log2().floor() - 23.0);
        (f64::from(found) - exact).abs() / ulp
    };
    let errors = inputs.iter().zip(&outputs).map(|(&x, &y)| (error(x, y), x));
    errors.fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
}

fn sweep(step: usize) {
    for isa in Isa::available() {
        for function in [Exp, LogSigmoid, Sigmoid, Tanh] {
            let mut worst_of_all = (0.0, 0.0);
            // All finite floats, both signs; those with an exponential where it is a normal number.
            let last = match function {
                Tanh => f32::MAX,
                _ => 87.0,
            };
            let last = last.to_bits() as usize;
            let mut bits = 0;
            while bits <= last {
                let part: Vec<f32> = (bits..=last)
                    .step_by(step)
                    .take(1 << 16)
                    .flat_map(|b| [f32::from_bits(b as u32), -f32::from_bits(b as u32)])
                    .collect();
                bits += step << 16;
                let found = worst(isa, function, &part);
                if found.0 > worst_of_all.0 {
                    worst_of_all = found;
                }
            }
            let (ulp, x) = worst_of_all;
            println!("{} {function:?}: at most {ulp:.2} ulp, at {x:e}", isa.name());
            assert!(ulp <= MAX_ULP, "{} {function:?}({x:e}) is {ulp} ulp off", isa.name());
        }
    }
}

#[test]
fn errors_stay_below_the_bound_over_a_sweep() {
    sweep(997);
}

#[test]
#[ignore = "minutes: cargo test --release -p fgn-kernels --lib all_floats -- --ignored"]
fn errors_stay_below_the_bound_over_all_floats() {
    sweep(1);
}

#[test]
fn limits_and_no_numbers_are_kept() {
    for isa in Isa::available() {
        let mut numbers = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0, -0.0];
        isa.run(Map { function: Tanh, numbers: &mut numbers });
        assert_eq!(numbers[..2], [1.0, -1.0]);
        assert!(numbers[2].is_nan());
        assert_eq!(numbers[4].to_bits(), (-0.0_f32).to_bits());

        let mut numbers = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0];
        isa.run(Map { function: Sigmoid, numbers: &mut numbers });
        assert_eq!(numbers[0], 1.0);
        assert!(numbers[1] < 1e-37);
        assert!(numbers[2].is_nan());
        assert_eq!(numbers[3], 0.5);

        let mut numbers = [1e30, -1e30, f32::NAN, 0.0];
        isa.run(Map { function: LogSigmoid, numbers: &mut numbers });
        assert!(numbers[0].abs() < 1e-37);
        assert_eq!(numbers[1], -1e30);
        assert!(numbers[2].is_nan());
        assert_eq!(numbers[3], -std::f32::consts::LN_2);

        let mut numbers = [f32::NEG_INFINITY, f32::NAN, 0.0];
        isa.run(Map { function: Exp, numbers: &mut numbers });
        assert!((0.0..1e-37).contains(&numbers[0]));
        assert!(numbers[1].is_nan());
        assert_eq!(numbers[2], 1.0);
    }
}

/// Applies the binary gate to a few numbers.
struct Gate<'a>(&'a mut [f32]);

impl Task<f32> for Gate<'_> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        for number in self.0 {
            // SAFETY: both reach over `number` alone.
            unsafe { S::load_first(number, 1).binary().store_first(number, 1) };
        }
    }
}

#[test]
fn a_binary_gate_is_open_from_zero_on_and_shut_for_no_number() {
    for isa in Isa::available() {
        let mut numbers = [f32::INFINITY, 1e-45, 0.0, -0.0, -1e-45, -2.0, f32::NAN];
        isa.run(Gate(&mut numbers));
        assert_eq!(numbers, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0], "{}", isa.name());
    }
}
