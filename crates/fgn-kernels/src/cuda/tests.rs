//! Every cell with every option in the kernels for a GPU, run by a process that emulates one: outputs and
//! states against the oracle, gradients against its derivative in random directions.

use fgn_core::{AnyCell, Cell, CellVisitor, Dual, SequenceShape, oracle};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::backward::{Derivatives, backward};
use super::emulated::{Emulated, compiler};
use super::forward::forward;
use super::gpu::{Gpu, Limits};
use super::job::{Inputs, Job};
use super::strategy::Strategy;
use super::{Number, source};
use crate::cpu::arguments::Arguments;
use crate::cpu::cell::equations::Compiled;
use crate::cpu::forward::pass::forward as cpu_forward;
use crate::run::testing::{Choice, Setting, choices, emitted, random, setting};
use crate::simd::isa::Isa;

/// The largest errors allowed, relative to the largest number of a tensor.
const F64: f64 = 1e-11;
const F32: f64 = 5e-5;
/// `bf16` has 8 bits: inputs are rounded the same, sums of many are not.
const BF16: f64 = 3e-2;

/// A small device: few threads, so that a host's cores can emulate it.
const SMALL: Limits = Limits { processors: 4, shared: 1 << 20, threads: 4, persistent_threads: 64 };
/// One without room for the persistent kernels.
const TINY: Limits = Limits { processors: 0, ..SMALL };

/// The device once for each strategy that it has for a run.
fn ways(gpu: &Emulated, cell: AnyCell, number: Number, setting: &Setting) -> Vec<Emulated> {
    let strategy = |limits| Strategy::of(cell.spec(), setting.shape, &setting.plan, number, limits);
    let limits = if strategy(SMALL) == strategy(TINY) { vec![TINY] } else { vec![SMALL, TINY] };
    limits.into_iter().map(|limits| gpu.with(limits)).collect()
}

fn rounded(number: Number, numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|&x| value(number, &bytes(number, x))).collect()
}

fn bytes(number: Number, x: f64) -> Vec<u8> {
    match number {
        Number::F64 => x.to_ne_bytes().to_vec(),
        Number::F32 => (x as f32).to_ne_bytes().to_vec(),
        Number::Bf16 => {
            let bits = (x as f32).to_bits();
            (((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16).to_ne_bytes().to_vec()
        }
    }
}

fn value(number: Number, bytes: &[u8]) -> f64 {
    match number {
        Number::F64 => f64::from_ne_bytes(bytes.try_into().unwrap()),
        Number::F32 => f32::from_ne_bytes(bytes.try_into().unwrap()).into(),
        Number::Bf16 => {
            let bits = u16::from_ne_bytes(bytes.try_into().unwrap());
            f32::from_bits(u32::from(bits) << 16).into()
        }
    }
}

/// The number type of states beside weights of `number`.
fn wide(number: Number) -> Number {
    if number == Number::Bf16 { Number::F32 } else { number }
}

fn put(gpu: &Emulated, number: Number, numbers: &[f64]) -> <Emulated as Gpu>::Memory {
    let bytes: Vec<u8> = numbers.iter().flat_map(|&x| bytes(number, x)).collect();
    gpu.upload(&bytes).unwrap()
}

fn got(gpu: &Emulated, number: Number, memory: &<Emulated as Gpu>::Memory) -> Vec<f64> {
    let bytes = gpu.download(memory).unwrap();
    bytes.chunks_exact(number.narrow()).map(|bytes| value(number, bytes)).collect()
}

/// Outputs, final states, and the gradients with respect to input, weights and initial states.
type Results = [Vec<f64>; 5];

fn run(gpu: &Emulated, cell: AnyCell, number: Number, setting: &Setting) -> (Results, Strategy) {
    let Setting { shape, plan, .. } = setting;
    let limits = gpu.limits().unwrap();
    let strategy = Strategy::of(cell.spec(), *shape, plan, number, limits);
    let job = Job { cell, shape: *shape, plan, number, strategy };
    let x = put(gpu, number, &setting.x);
    let weights = put(gpu, number, &setting.weights);
    let states = put(gpu, wide(number), &setting.states);
    let [x_at, weights_at, states_at] = [&x, &weights, &states].map(|of| gpu.address(of));
    let inputs = Inputs { x: x_at, weights: weights_at, states: states_at };
    let kept = forward(gpu, &job, inputs, true).unwrap();
    let passing = forward(gpu, &job, inputs, false).unwrap();
    let outputs = got(gpu, number, &kept.output);
    let finals = got(gpu, wide(number), &kept.states);
    assert_eq!(outputs, got(gpu, number, &passing.output), "{cell}: saving changes the outputs");
    assert_eq!(
        finals,
        got(gpu, wide(number), &passing.states),
        "{cell}: saving changes the states"
    );
    let d_output = put(gpu, number, &setting.d_output);
    let d_states = put(gpu, wide(number), &setting.d_states);
    let by = Derivatives { output: gpu.address(&d_output), states: Some(gpu.address(&d_states)) };
    let d = backward(gpu, &job, inputs, &kept.saved.unwrap(), by, true).unwrap();
    let results = [
        outputs,
        finals,
        got(gpu, number, &d.x.unwrap()),
        got(gpu, number, &d.weights),
        got(gpu, wide(number), &d.states),
    ];
    (results, strategy)
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3, |scale: f64, x| scale.max(x.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}[{place}]: {found} is not {expected}, off by {error:e} of {scale}"
        );
    }
}

/// Checks a cell in `f64` with every strategy; returns the results of the last.
struct Exact<'a> {
    gpu: &'a Emulated,
    cell: AnyCell,
    setting: &'a Setting,
    what: &'a str,
}

impl CellVisitor for Exact<'_> {
    type Output = Results;

    fn visit<C: Cell>(self, cell: C) -> Results {
        let Self { gpu, cell: any, setting, what } = self;
        let Setting { shape, options, x, weights, states, d_output, d_states, .. } = setting;
        let expected = oracle::run_with_options(cell, *shape, options, x, weights, states);
        let expected = [emitted(setting, &expected), expected.states];
        let (exact, _) = run(gpu, any, Number::F64, setting);
        for (found, expected) in exact.iter().zip(&expected) {
            assert_close(what, found, expected, F64);
        }
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for _ in 0..3 {
            let direction = [x, weights, states].map(|of| random(&mut rng, of.len(), 1.0));
            let dual = |values: &[f64], slopes: &[f64]| -> Vec<Dual> {
                values.iter().zip(slopes).map(|(&v, &s)| Dual::new(v, s)).collect()
            };
            let moved = oracle::run_with_options(
                cell,
                *shape,
                options,
                &dual(x, &direction[0]),
                &dual(weights, &direction[1]),
                &dual(states, &direction[2]),
            );
            let slopes = |duals: &[Dual]| duals.iter().map(|dual| dual.slope).collect::<Vec<_>>();
            let expected = dot(&slopes(&emitted(setting, &moved)), d_output)
                + dot(&slopes(&moved.states), d_states);
            let parts = [0, 1, 2].map(|n| dot(&exact[2 + n], &direction[n]));
            let found: f64 = parts.iter().sum();
            // The sum has terms of both signs: the tolerance is relative to the largest part.
            let scale = parts.iter().fold(1e-3, |scale: f64, part| scale.max(part.abs()));
            let error = (found - expected).abs() / scale;
            assert!(error < 100.0 * F64, "{what}: slope {found} is not {expected}: {parts:?}");
        }
        exact
    }
}

/// A setting of a cell known at run time.
struct Set(SequenceShape, Choice, u64);

impl CellVisitor for Set {
    type Output = Setting;
    fn visit<C: Cell>(self, _: C) -> Setting {
        setting::<C>(self.0, self.1, self.2)
    }
}

fn shapes() -> [SequenceShape; 3] {
    let shape = |steps, batch, input, hidden| SequenceShape { steps, batch, input, hidden };
    // The middle one fits the persistent kernels, in two groups of sequences.
    [shape(5, 3, 3, 7), shape(4, 19, 2, 16), shape(3, 1, 1, 1)]
}

#[test]
fn every_cell_and_option_on_an_emulated_device_is_what_the_oracle_computes() {
    let Some(compiler) = compiler() else {
        println!("skipped: no C compiler");
        return;
    };
    for cell in AnyCell::all() {
        let gpu = Emulated::start(&compiler, cell, Number::F64, SMALL);
        for choice in choices() {
            for shape in shapes() {
                let setting = &cell.visit(Set(shape, choice, 7)).unwrap();
                let what = &format!("{cell} {shape:?} {choice:?}");
                for gpu in ways(&gpu, cell, Number::F64, setting) {
                    cell.visit(Exact { gpu: &gpu, cell, setting, what });
                }
            }
        }
    }
}

#[test]
fn narrower_numbers_on_an_emulated_device_are_as_near_as_they_can_be() {
    let Some(compiler) = compiler() else {
        println!("skipped: no C compiler");
        return;
    };
    let mut seen = Vec::new();
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::GRU, AnyCell::FGN_SCAN] {
        let exact = Emulated::start(&compiler, cell, Number::F64, TINY);
        for (number, tolerance) in [(Number::F32, F32), (Number::Bf16, BF16)] {
            let gpu = Emulated::start(&compiler, cell, number, SMALL);
            for choice in choices() {
                for shape in shapes() {
                    // Rounding moves a state over the limit, and its derivative jumps.
                    let clip = choice.clip && number != Number::Bf16;
                    let mut setting = cell.visit(Set(shape, Choice { clip, ..choice }, 7)).unwrap();
                    setting.x = rounded(number, &setting.x);
                    setting.weights = rounded(number, &setting.weights);
                    setting.d_output = rounded(number, &setting.d_output);
                    let (expected, _) = run(&exact, cell, Number::F64, &setting);
                    for gpu in ways(&gpu, cell, number, &setting) {
                        let (found, strategy) = run(&gpu, cell, number, &setting);
                        if !seen.contains(&(number, std::mem::discriminant(&strategy))) {
                            seen.push((number, std::mem::discriminant(&strategy)));
                        }
                        let names = ["output", "states", "d_x", "d_weights", "d_states"];
                        for ((name, found), expected) in names.iter().zip(&found).zip(&expected) {
                            let what = format!(
                                "{cell} {number:?} {strategy:?} {shape:?} {choice:?} {name}"
                            );
                            assert_close(&what, found, expected, tolerance);
                        }
                    }
                }
            }
        }
    }
    // Each of the two in each of three ways.
    assert_eq!(seen.len(), 6);
}

#[test]
fn gates_on_an_emulated_device_do_what_they_do_on_the_cpu() {
    let Some(compiler) = compiler() else {
        println!("skipped: no C compiler");
        return;
    };
    let cell = AnyCell::FGN;
    let choice = Choice { lengths: true, reverse: true, ..Choice::default() };
    let shape = SequenceShape { steps: 9, batch: 5, input: 3, hidden: 16 };
    let mut setting = cell.visit(Set(shape, choice, 7)).unwrap();
    setting.plan.telemetry = true;
    let Setting { shape, plan, x, weights, states, .. } = &setting;
    let isa = Isa::available()[0];
    let arguments = Arguments { shape: *shape, plan, x, weights, states };
    let run = cpu_forward(isa, &*Compiled(isa).of(cell).unwrap(), &arguments, None, false);
    let steps = (0..shape.batch).map(|b| plan.schedule.len(b)).sum();
    let expected = run.counts.unwrap().finish(steps);

    let device = Emulated::start(&compiler, cell, Number::F64, SMALL);
    for gpu in ways(&device, cell, Number::F64, &setting) {
        let strategy = Strategy::of(cell.spec(), *shape, plan, Number::F64, gpu.limits().unwrap());
        let job = Job { cell, shape: *shape, plan, number: Number::F64, strategy };
        let [x, weights, states] = [x, weights, states].map(|of| put(&gpu, Number::F64, of));
        let [x, weights, states] = [&x, &weights, &states].map(|of| gpu.address(of));
        let found = forward(&gpu, &job, Inputs { x, weights, states }, false).unwrap().gates;
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found.name, found.role), (expected.name, expected.role));
            assert_close(found.name, &found.mean, &expected.mean, F64);
            assert_close(found.name, &found.closed, &expected.closed, F64);
            assert_close(found.name, &found.open, &expected.open, F64);
        }
    }
}

#[test]
fn the_source_has_the_arguments_as_they_are_handed_over() {
    let bytes = size_of::<super::gpu::Run>();
    assert!(source(AnyCell::LSTM, Number::F32).contains(&format!("FGN_RUN_BYTES ({bytes})")));
}
