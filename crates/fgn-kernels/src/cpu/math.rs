//! `exp`, `tanh`, `sigmoid` and its logarithm for registers of `f32`.
//!
//! All but the tangent rest on the exponential: `exp(x) = 2^n · e^r` with `n = round(x / ln 2)` and a
//! polynomial of degree 6 for `e^r` (relative error 4e-9, minimax by least squares on Chebyshev nodes, as is
//! the one for the logarithm). A register that can look up 8 or 16 powers at once has `n` in eighths or
//! sixteenths: `r` is as much smaller, and degree 3 as exact. The tests hold all to [`MAX_ULP`] over a sweep of all
//! magnitudes.

use fgn_core::Lane;

/// The largest error of these functions, in units in the last place.
#[cfg(test)]
const MAX_ULP: f64 = 3.5;

/// What the functions here need beside a lane's arithmetic.
pub(super) trait F32Lanes: Lane {
    fn f32(value: f32) -> Self;
    /// Of how many equal ratios `n` counts from a number to its double: 1, 8 or 16.
    const RATIOS: u8 = 1;
    /// `2^(n / RATIOS)` for whole `n`, from −126 · `RATIOS` to 127 · `RATIOS`, given `n + MAGIC`.
    fn power_of_two(magic: Self) -> Self;
    fn abs(self) -> Self;
    /// `self / by`, to 1 unit in the last place, for `by` from 1 to 2^126.
    #[inline(always)]
    fn quotient(self, by: Self) -> Self {
        self / by
    }
    /// From `-most` to `most`; what is no number stays none.
    #[inline(always)]
    fn limited(self, most: Self) -> Self {
        (-most).max_or(most.min_or(self))
    }
}

/// 1.5 · 2^23: a number of moderate size loses its fraction when this is added, rounded to the nearest,
/// and stands in the sum's lowest bits.
const MAGIC: f32 = 12_582_912.0;

/// `n = round(x · by)` in parts of `RATIOS`, and `n + MAGIC`.
#[inline(always)]
fn whole<V: F32Lanes>(x: V, by: f32) -> (V, V) {
    let magic = x.mul_add(V::f32(by * f32::from(V::RATIOS)), V::f32(MAGIC));
    (magic - V::f32(MAGIC), magic)
}

/// A share of a constant for each part of `n`.
#[inline(always)]
fn part<V: F32Lanes>(of: f32) -> V {
    V::f32(of / f32::from(V::RATIOS))
}

/// The coefficients of `r²` and `r³` in `e^r`, where they are the last.
const fn cubic(ratios: u8) -> Option<[f32; 2]> {
    match ratios {
        1 => None,
        8 => Some([0.500_065_16, 0.166_673_83]),
        _ => Some([0.500_009_8, 0.166_669_6]),
    }
}

/// The logistic sigmoid.
#[inline(always)]
pub(super) fn sigmoid<V: F32Lanes>(x: V) -> V {
    let x = V::f32(-87.3).max_or(V::f32(87.3).min_or(x));
    let (n, magic) = whole(x, -std::f32::consts::LOG2_E);
    // The exponent −x is n ln 2 − r.
    let r = n.mul_add(part(LN_2_LOW), n.mul_add(part(LN_2_HIGH), x));
    let p = match cubic(V::RATIOS) {
        Some([square, cube]) => V::f32(-cube).mul_add(r, V::f32(square)),
        None => {
            let p = V::f32(0.001_375_140_7);
            let p = p.mul_add(r, V::f32(-0.008_368_916));
            let p = p.mul_add(r, V::f32(0.041_669_533));
            let p = p.mul_add(r, V::f32(-0.166_665_18));
            p.mul_add(r, V::f32(0.499_999_88))
        }
    };
    let p = p.mul_add(r, V::f32(-1.0));
    let p = p.mul_add(r, V::one());
    V::one().quotient(p.mul_add(V::power_of_two(magic), V::one()))
}

/// The hyperbolic tangent, by that of half the argument: `a / q`, with `a` odd and `q` even in `x`, gives
/// `2 a q / (q² + a²)`, where an error of the quotient matters the less the nearer it is to 1. The constants
/// are minimax to that measure (7e-9), and scaled so that `q` and `q²` lose least to rounding near zero.
#[inline(always)]
pub(super) fn tanh<V: F32Lanes>(x: V) -> V {
    // At these limits 1 is reached.
    let x = V::f32(-9.06).max_or(V::f32(9.06).min_or(x));
    let square = x * x;
    let q = V::f32(Q[3]).mul_add(square, V::f32(Q[2]));
    let q = q.mul_add(square, V::f32(Q[1]));
    let q = q.mul_add(square, V::f32(Q[0]));
    let a = V::f32(A[2]).mul_add(square, V::f32(A[1]));
    let a = a.mul_add(square, V::f32(A[0])) * x;
    let below = q.mul_add(q, a * a);
    // By rounding it might be a little more than 1. The divider has time beside so many multiply-adds.
    ((a + a) * q).limited(below) / below
}

/// The coefficients of [`tanh`], of `a` and of `q`.
const A: [f32; 3] = [0.921_875, 0.027_440_129, 1.051_711e-4];
const Q: [f32; 4] = [1.843_75, 0.208_526, 0.002_223_005_3, 2.259_754e-6];

/// The logarithm of the logistic sigmoid: `min(x, 0) − ln(1 + e)` with `e = exp(−|x|)`, and the latter by
/// `ln(1 + e) = 2 artanh(e / (2 + e))`.
#[inline(always)]
pub(super) fn log_sigmoid<V: F32Lanes>(x: V) -> V {
    let e = exp(-x.abs());
    let s = e.quotient(V::f32(2.0) + e);
    let y = s * s;
    let p = V::f32(0.281_614_54);
    let p = p.mul_add(y, V::f32(0.279_643_45));
    let p = p.mul_add(y, V::f32(0.400_246_5));
    let p = p.mul_add(y, V::f32(0.666_663_2));
    let log = (p * y).mul_add(s, s + s);
    V::zero().min_or(x) - log
}

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// The exponential, for arguments clamped to −87.3 ..= 88.3.
#[inline(always)]
pub(super) fn exp<V: F32Lanes>(x: V) -> V {
    let x = V::f32(-87.3).max_or(V::f32(88.3).min_or(x));
    let (n, magic) = whole(x, std::f32::consts::LOG2_E);
    let r = n.mul_add(part(-LN_2_LOW), n.mul_add(part(-LN_2_HIGH), x));
    let p = match cubic(V::RATIOS) {
        Some([square, cube]) => V::f32(cube).mul_add(r, V::f32(square)),
        None => {
            let p = V::f32(0.001_375_140_7);
            let p = p.mul_add(r, V::f32(0.008_368_916));
            let p = p.mul_add(r, V::f32(0.041_669_533));
            let p = p.mul_add(r, V::f32(0.166_665_18));
            p.mul_add(r, V::f32(0.499_999_88))
        }
    };
    let power = V::power_of_two(magic);
    (p * r).mul_add(r, r).mul_add(power, power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::isa::{Isa, Task};
    use crate::cpu::simd::Simd;

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
}
