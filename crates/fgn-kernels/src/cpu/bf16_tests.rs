//! Runs whose operands are rounded to bf16, for every cell, option and engine.
//!
//! In `f64`, with multiply-adds of rounded numbers, a run is the oracle's to the last digits: that checks where numbers
//! are rounded. In `f32` a hidden state may be rounded to the other neighbour than in `f64`, if it lies halfway; a first
//! step from given states has no such numbers, and its results differ by the rounding of sums alone.

use fgn_core::{AnyCell, Cell, CellVisitor, Dual, SequenceShape, oracle};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::cpu::option_tests::{Results, assert_close, run};
use crate::cpu::tests::cells;
use crate::run::options::HiddenDropout;
use crate::run::testing::{Choice, Setting, choices, emitted, random, setting};
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::isa::Isa;

/// The largest errors allowed, relative to the largest number of a tensor: rounding of sums in `f32` and in `f64`, and
/// of operands that round to the other neighbour, each by one part in 256 at most.
const F32: f64 = 5e-5;
const F64: f64 = 1e-11;
const NEIGHBOURS: f64 = 0.03;

fn shape(steps: usize, batch: usize, input: usize, hidden: usize) -> SequenceShape {
    SequenceShape { steps, batch, input, hidden }
}

/// A setting for runs with an engine.
fn rounded<C: Cell>(shape: SequenceShape, choice: Choice, engine: Bf16Engine) -> Setting {
    let mut setting = setting::<C>(shape, choice, 7);
    setting.plan.bf16 = Some(engine);
    setting.options.bf16 = true;
    setting
}

/// Every engine that an instruction set can have around it.
fn engines(isa: Isa) -> Vec<Bf16Engine> {
    Bf16Engine::available(isa).into_iter().chain(Bf16Engine::emulated()).collect()
}

/// Values of every option against the oracle, and the gradients against its derivative in random directions.
struct AgainstOracle(AnyCell, SequenceShape, Choice);

impl CellVisitor for AgainstOracle {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self(any, shape, choice) = self;
        let setting = &rounded::<C>(shape, choice, Bf16Engine::F32);
        let Setting { options, x, weights, states, d_output, d_states, .. } = setting;
        let expected = oracle::run_with_options(cell, shape, options, x, weights, states);
        let found = run::<f64>(Isa::available()[0], any, setting);
        let what = format!("{any} {shape:?} {choice:?}");
        assert_close(&what, &found[0], &emitted(setting, &expected), F64);
        assert_close(&what, &found[1], &expected.states, F64);

        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let norm = |a: &[f64]| dot(a, a).sqrt();
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for _ in 0..2 {
            let direction = [x, weights, states].map(|of| random(&mut rng, of.len(), 1.0));
            let dual = |values: &[f64], slopes: &[f64]| -> Vec<Dual> {
                values.iter().zip(slopes).map(|(&v, &s)| Dual::new(v, s)).collect()
            };
            let moved = oracle::run_with_options(
                cell,
                shape,
                options,
                &dual(x, &direction[0]),
                &dual(weights, &direction[1]),
                &dual(states, &direction[2]),
            );
            let slopes = |duals: &[Dual]| duals.iter().map(|dual| dual.slope).collect::<Vec<_>>();
            let expected = dot(&slopes(&emitted(setting, &moved)), d_output)
                + dot(&slopes(&moved.states), d_states);
            let parts = [0, 1, 2].map(|n| dot(&found[2 + n], &direction[n]));
            // Derivatives are rounded too, which the oracle's are not: each by one part in 512 at most. What a direction
            // makes of the errors is about as large as of the gradients.
            let scale: f64 = found[2..].iter().map(|d| norm(d)).sum();
            let error = (parts.iter().sum::<f64>() - expected).abs() / scale.max(1e-3);
            assert!(
                error < NEIGHBOURS / 3.0,
                "{what}: slope {expected} is not {parts:?}, of {scale}"
            );
        }
    }
}

#[test]
fn values_are_rounded_where_the_oracle_rounds_them() {
    for cell in cells() {
        for choice in choices() {
            for shape in [shape(9, 5, 3, 19), shape(1, 1, 1, 1), shape(4, 17, 2, 16)] {
                cell.visit(AgainstOracle(cell, shape, choice));
            }
        }
    }
}

/// Gradients of a run without options, whose oracle rounds derivatives too.
struct Gradients(AnyCell, SequenceShape);

impl CellVisitor for Gradients {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self(any, shape) = self;
        let setting = &rounded::<C>(shape, Choice::default(), Bf16Engine::F32);
        let Setting { options, x, weights, states, d_output, d_states, .. } = setting;
        let oracle::OracleRun { output, states: last, inputs, .. } =
            oracle::run_with_options(cell, shape, options, x, weights, states);
        let forward = oracle::OracleForward { output, states: last, inputs };
        let by = [&d_output[..], &d_states[..]];
        let expected = oracle::backward_in_bf16(cell, shape, [x, weights], &forward, by);
        let [_, _, d_x, d_weights, d_states] = run::<f64>(Isa::available()[0], any, setting);
        let what = format!("{any} {shape:?}");
        assert_close(&format!("{what} d_x"), &d_x, &expected.x, F64);
        assert_close(&format!("{what} d_weights"), &d_weights, &expected.weights, F64);
        assert_close(&format!("{what} d_states"), &d_states, &expected.states, F64);
    }
}

#[test]
fn gradients_are_rounded_where_the_oracle_rounds_them() {
    for cell in cells() {
        for shape in
            [shape(5, 3, 7, 19), shape(1, 1, 1, 1), shape(30, 2, 1, 5), shape(2, 30, 20, 4)]
        {
            cell.visit(Gradients(cell, shape));
        }
    }
}

/// What a cell computes with an engine, in `f32`, and the same in `f64` with multiply-adds of rounded numbers.
struct WithEngine(AnyCell, SequenceShape, Choice, Isa, Bf16Engine);

impl CellVisitor for WithEngine {
    type Output = (Results<f32>, Results<f64>);

    fn visit<C: Cell>(self, _: C) -> Self::Output {
        let Self(cell, shape, choice, isa, engine) = self;
        let exact = run::<f64>(isa, cell, &rounded::<C>(shape, choice, Bf16Engine::F32));
        (run::<f32>(isa, cell, &rounded::<C>(shape, choice, engine)), exact)
    }
}

/// Rows and columns of blocks, whole and with tails; sums of less and more than what an engine takes at once.
const SHAPES: [[usize; 3]; 6] =
    [[1, 1, 1], [33, 5, 19], [17, 40, 16], [2, 33, 70], [64, 7, 9], [5, 100, 33]];

#[test]
fn a_step_differs_by_the_rounding_of_its_sums_on_every_engine() {
    let none = Choice::default();
    for isa in Isa::available() {
        for engine in engines(isa) {
            for cell in cells() {
                for [batch, input, hidden] in SHAPES {
                    let shape = shape(1, batch, input, hidden);
                    for choice in [none, Choice { from_zero: true, ..none }] {
                        let run = WithEngine(cell, shape, choice, isa, engine);
                        let (found, exact) = cell.visit(run).unwrap();
                        let what = format!("{} {} {cell} {shape:?}", isa.name(), engine.name());
                        for n in 0..2 {
                            assert_close(&format!("{what} {n}"), &found[n], &exact[n], F32);
                        }
                        for n in 2..5 {
                            assert_close(&format!("{what} {n}"), &found[n], &exact[n], NEIGHBOURS);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_option_on_every_engine_differs_by_what_rounds_to_a_neighbour() {
    let isa = Isa::available()[0];
    for engine in engines(isa) {
        for cell in [AnyCell::LSTM, AnyCell::GRU] {
            for choice in choices() {
                for shape in [shape(9, 5, 3, 19), shape(3, 35, 18, 20)] {
                    let run = WithEngine(cell, shape, choice, isa, engine);
                    let (found, exact) = cell.visit(run).unwrap();
                    let what = format!("{} {cell} {shape:?} {choice:?}", engine.name());
                    // A state that is clipped on one side alone has a gradient on the other.
                    let compared = if choice.clip { 2 } else { 5 };
                    for (n, (found, exact)) in found.iter().zip(&exact).take(compared).enumerate() {
                        assert_close(&format!("{what} {n}"), found, exact, NEIGHBOURS);
                    }
                }
            }
        }
    }
}

struct OnThreads(AnyCell, SequenceShape, Choice, Bf16Engine);

impl CellVisitor for OnThreads {
    type Output = ();

    fn visit<C: Cell>(self, _: C) {
        let Self(cell, shape, choice, engine) = self;
        let setting = rounded::<C>(shape, choice, engine);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run::<f32>(Isa::available()[0], cell, &setting))
        };
        let alone = on(1);
        for threads in [2, 3, 8] {
            let what = format!("{cell} {shape:?} {choice:?} with {}", engine.name());
            assert!(alone == on(threads), "{what} differs on {threads} threads");
        }
    }
}

#[test]
fn every_engine_gives_the_same_bits_on_any_number_of_threads() {
    let none = Choice::default();
    let dropout = HiddenDropout { rate: 0.3, per_step: true };
    let choices = [
        none,
        Choice { from_zero: true, lengths: true, resets: true, ..none },
        Choice { projection: true, dropout, train: true, reverse: true, ..none },
    ];
    let by_sequences = shape(6, 37, 5, 33);
    let by_units = shape(3, 2, 5, 300);
    // Enough sequences that the input's product and the recurrent one are one.
    let by_units_as_one = shape(2, 7, 5, 300);
    for engine in engines(Isa::available()[0]) {
        for choice in choices {
            for shape in [by_sequences, by_units, by_units_as_one] {
                AnyCell::LSTM.visit(OnThreads(AnyCell::LSTM, shape, choice, engine));
            }
        }
    }
}
