//! Every option of a run, for every cell: values against the oracle, gradients against its derivative in
//! random directions, and the same bits on any number of threads.

use fgn_core::{AnyCell, Cell, CellVisitor, Dual, SequenceShape, oracle};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::gradients::{Derivatives, Wanted};
use crate::cpu::backward::pass::backward;
use crate::cpu::cell::equations::Compiled;
use crate::cpu::forward::output::Forward;
use crate::cpu::forward::pass::forward;
use crate::cpu::tests::cells;
use crate::run::testing::{Choice, Setting, choices, emitted, random, setting};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// The largest errors allowed, relative to the largest number of a tensor.
const F32: f64 = 5e-5;
const F64: f64 = 1e-11;

fn cast<E: Element>(numbers: &[f64]) -> Vec<E> {
    numbers.iter().map(|&x| E::from_f64(x)).collect()
}

/// Outputs, final states, and the gradients with respect to input, weights and initial states.
pub(crate) type Results<E> = [Vec<E>; 5];

pub(crate) fn run<E: Element>(isa: Isa, cell: AnyCell, setting: &Setting) -> Results<E> {
    let Setting { shape, plan, x, weights, states, .. } = setting;
    let (x, weights, states) = (cast::<E>(x), cast::<E>(weights), cast::<E>(states));
    let arguments = Arguments { shape: *shape, plan, x: &x, weights: &weights, states: &states };
    let equations = Compiled(isa).of::<E>(cell).unwrap();
    let Forward { output, states, saved, .. } = forward(isa, &*equations, &arguments, None, true);
    let untracked = forward(isa, &*equations, &arguments, None, false);
    let same = output == untracked.output && states == untracked.states;
    assert!(same, "{cell}: saving changes the result");
    let (d_output, d_states) = (cast(&setting.d_output), cast(&setting.d_states));
    let by = Derivatives { output: &d_output, states: Some(&d_states) };
    let d = backward(
        isa,
        &*equations,
        &arguments,
        &saved.unwrap(),
        by,
        Wanted { x: true, states: true },
    );
    [output, states, d.x.unwrap(), d.weights, d.states.unwrap()]
}

pub(crate) fn assert_close<E: Element>(what: &str, found: &[E], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3, |scale: f64, x| scale.max(x.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found.to_f64() - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}[{place}]: {} is not {expected}, off by {error:e} of {scale}",
            found.to_f64()
        );
    }
}

struct Check(AnyCell, SequenceShape, Choice);

impl CellVisitor for Check {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self(any, shape, choice) = self;
        let setting = &setting::<C>(shape, choice, 7);
        let Setting { options, x, weights, states, d_output, d_states, .. } = setting;
        let expected = oracle::run_with_options(cell, shape, options, x, weights, states);
        let expected = [emitted(setting, &expected), expected.states];

        let isa = Isa::available()[0];
        let exact = run::<f64>(isa, any, setting);
        let what = format!("{any} {shape:?} {choice:?}");
        for (found, expected) in exact.iter().zip(&expected) {
            assert_close(&what, found, expected, F64);
        }
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for _ in 0..4 {
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
            let parts = [0, 1, 2].map(|n| dot(&exact[2 + n], &direction[n]));
            let found: f64 = parts.iter().sum();
            // The sum has terms of both signs: the tolerance is relative to the largest part.
            let scale = parts.iter().fold(1e-3, |scale: f64, part| scale.max(part.abs()));
            let error = (found - expected).abs() / scale;
            assert!(error < 100.0 * F64, "{what}: slope {found} is not {expected}: {parts:?}");
        }

        for isa in Isa::available() {
            let found = run::<f32>(isa, any, setting);
            let names = ["output", "states", "d_x", "d_weights", "d_states"];
            for ((name, found), exact) in names.iter().zip(&found).zip(&exact) {
                assert_close(&format!("{} {what} {name}", isa.name()), found, exact, F32);
            }
        }
    }
}

/// Checks a cell with every option.
pub(crate) struct EveryOption(pub(crate) AnyCell);

impl CellVisitor for EveryOption {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let shape = |steps, batch, input, hidden| SequenceShape { steps, batch, input, hidden };
        let shapes = match cfg!(miri) {
            true => vec![shape(2, 2, 1, 3)],
            false => vec![
                shape(9, 5, 3, 19),
                shape(1, 1, 1, 1),
                shape(30, 2, 7, 33),
                shape(4, 17, 2, 16),
            ],
        };
        for choice in choices() {
            for &shape in &shapes {
                Check(self.0, shape, choice).visit(cell);
            }
        }
    }
}

#[test]
fn every_option_is_what_the_oracle_computes() {
    for cell in cells() {
        cell.visit(EveryOption(cell)).unwrap();
    }
}

struct OnThreads(AnyCell, SequenceShape, Choice);

impl CellVisitor for OnThreads {
    type Output = ();

    fn visit<C: Cell>(self, _: C) {
        let Self(cell, shape, choice) = self;
        let setting = setting::<C>(shape, choice, 9);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run::<f32>(Isa::available()[0], cell, &setting))
        };
        let alone = on(1);
        for threads in [2, 3, 8] {
            assert!(
                alone == on(threads),
                "{cell} {shape:?} {choice:?} differs on {threads} threads"
            );
        }
    }
}

#[test]
fn options_give_the_same_bits_on_any_number_of_threads() {
    let shape = |steps, batch, input, hidden| SequenceShape { steps, batch, input, hidden };
    let cut_by_sequences = shape(40, 37, 5, 33);
    let cut_by_units_alone = shape(300, 1, 3, 70);
    let cut_by_units = shape(3, 2, 5, 300);
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::FGN_SCAN] {
        for choice in choices() {
            for shape in [cut_by_sequences, cut_by_units_alone, cut_by_units] {
                cell.visit(OnThreads(cell, shape, choice));
            }
        }
    }
}
