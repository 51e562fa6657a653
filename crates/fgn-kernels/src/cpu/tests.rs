//! One suite for every cell on every instruction set that this machine has: outputs, final states
//! and all gradients against the oracle, on random inputs of awkward sizes.

use fgn_core::{AnyCell, Cell, CellVisitor, Layout, SequenceShape, oracle};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::gradients::{Derivatives, Wanted};
use crate::cpu::backward::pass::backward;
use crate::cpu::cell::equations::Compiled;
use crate::cpu::forward::output::Forward;
use crate::cpu::forward::pass::forward;
use crate::run::options::Emit;
use crate::run::plan::Plan;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// The largest error allowed, relative to the largest number of the tensor: rounding, grown over the
/// terms of its sums.
fn tolerance<E: Element>() -> f64 {
    if size_of::<E>() == 4 { 2e-5 } else { 1e-12 }
}

const SHAPES: &[(usize, usize, usize, usize)] = match cfg!(miri) {
    true => &[(2, 2, 1, 17), (2, 7, 1, 1)],
    false => &[
        (4, 40, 150, 129),
        (1, 1, 1, 1),
        (1, 7, 17, 129),
        (7, 17, 100, 1),
        (5, 13, 1, 17),
        (29, 3, 7, 100),
        (3, 100, 28, 16),
        (1000, 1, 1, 7),
        (600, 3, 2, 5),
        (17, 33, 3, 64),
    ],
};

/// All cells; in Miri, which is slow, some that take different ways.
pub(crate) fn cells() -> Vec<AnyCell> {
    match cfg!(miri) {
        true => vec![AnyCell::LSTM, AnyCell::FGN, AnyCell::FGN_SCAN],
        false => AnyCell::all(),
    }
}

struct Suite<E> {
    isa: Isa,
    emit: Emit,
    shape: SequenceShape,
    seed: u64,
    /// Whether hidden states begin at zero.
    from_zero: bool,
    cell: AnyCell,
    of: std::marker::PhantomData<E>,
}

fn random(rng: &mut ChaCha8Rng, count: usize, scale: f64) -> Vec<f64> {
    (0..count).map(|_| f64::from(rng.random_range(-scale..scale) as f32)).collect()
}

fn cast<E: Element>(numbers: &[f64]) -> Vec<E> {
    numbers.iter().map(|&x| E::from_f64(x)).collect()
}

fn assert_close<E: Element>(what: &str, found: &[E], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3, |scale: f64, x| scale.max(x.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found.to_f64() - expected).abs() / scale;
        assert!(
            error <= tolerance::<E>(),
            "{what}[{place}]: {} is not {expected}, off by {error:e} of {scale}",
            found.to_f64()
        );
    }
}

impl<E: Element> CellVisitor for Suite<E> {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self { isa, emit, shape, .. } = self;
        let SequenceShape { steps, batch, input, hidden } = shape;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let state_count = C::SPEC.states.len() * batch * hidden;
        let x = random(&mut rng, steps * batch * input, 1.0);
        let scale = 1.0 / (hidden as f64).sqrt();
        let weights = random(&mut rng, Layout::new(&C::SPEC, input, hidden).len(), scale);
        let mut states = random(&mut rng, state_count, 1.0);
        if self.from_zero {
            states[..batch * hidden].fill(0.0);
        }
        C::SPEC.divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
        let given = if emit == Emit::Last { 1 } else { steps } * batch * hidden;
        let d_result = random(&mut rng, given + state_count, 1.0);

        let run = oracle::forward(cell, shape, &x, &weights, &states);
        let emitted = if emit == Emit::Last { steps - 1 } else { 0 } * batch * hidden;
        let mut d_output = vec![0.0; emitted];
        let (d_emitted, d_states) = d_result.split_at(given);
        d_output.extend_from_slice(d_emitted);
        let d = oracle::backward(cell, shape, &x, &weights, &run, &d_output, d_states);

        let what =
            format!("{} {:?} {emit:?} {shape:?} {}", isa.name(), E::DTYPE, C::SPEC.blocks.len());
        let (x, weights, states) = (cast::<E>(&x), cast::<E>(&weights), cast::<E>(&states));
        let equations = Compiled(isa).of::<E>(self.cell).unwrap();
        let plan = &Plan { emit, ..Plan::plain(shape) };
        let arguments = Arguments { shape, plan, x: &x, weights: &weights, states: &states };
        let found = forward(isa, &*equations, &arguments, None, true);
        let untracked = forward(isa, &*equations, &arguments, None, false);
        assert!(untracked.saved.is_none());
        let same = found.output == untracked.output && found.states == untracked.states;
        assert!(same, "{what}: saving changes the result");
        assert_close(&format!("{what} output"), &found.output, &run.output[emitted..]);
        assert_close(&format!("{what} states"), &found.states, &run.states);

        let saved = found.saved.unwrap();
        let (d_emitted, d_states) = (cast::<E>(d_emitted), cast::<E>(d_states));
        let by = Derivatives { output: &d_emitted, states: Some(&d_states) };
        let found =
            backward(isa, &*equations, &arguments, &saved, by, Wanted { x: true, states: true });
        assert_close(&format!("{what} d_x"), &found.x.unwrap(), &d.x);
        assert_close(&format!("{what} d_weights"), &found.weights, &d.weights);
        assert_close(&format!("{what} d_states"), &found.states.unwrap(), &d.states);
    }
}

/// Checks a cell in all shapes on every instruction set.
pub(crate) struct EveryShape<E>(AnyCell, std::marker::PhantomData<E>);

impl<E> EveryShape<E> {
    pub(crate) fn of(cell: AnyCell) -> Self {
        Self(cell, std::marker::PhantomData)
    }
}

impl<E: Element> CellVisitor for EveryShape<E> {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        for isa in Isa::available() {
            for (n, &(steps, batch, input, hidden)) in SHAPES.iter().enumerate() {
                let suite = Suite::<E> {
                    isa,
                    emit: if n % 2 == 0 { Emit::All } else { Emit::Last },
                    shape: SequenceShape { steps, batch, input, hidden },
                    seed: n as u64,
                    from_zero: n % 3 == 1,
                    cell: self.0,
                    of: std::marker::PhantomData,
                };
                suite.visit(cell);
            }
        }
    }
}

fn every_cell_on_every_instruction_set<E: Element>() {
    for cell in cells() {
        cell.visit(EveryShape::<E>::of(cell)).unwrap();
    }
}

#[test]
fn every_cell_on_every_instruction_set_in_f32() {
    every_cell_on_every_instruction_set::<f32>();
}

#[test]
fn every_cell_on_every_instruction_set_in_f64() {
    every_cell_on_every_instruction_set::<f64>();
}

/// The recurrent weights are longer than one part of a panel, and the input's stand above them: for registers of
/// 64 bytes with 530 units, of 32 with 1030.
#[test]
fn a_panel_in_several_parts_below_the_inputs_weights_agrees_with_the_oracle() {
    for isa in Isa::available() {
        for hidden in [530, 1030] {
            for from_zero in [false, true] {
                let cell = AnyCell::LSTM;
                cell.visit(Suite::<f32> {
                    isa,
                    emit: Emit::All,
                    shape: SequenceShape { steps: 2, batch: 7, input: 5, hidden },
                    seed: 9,
                    from_zero,
                    cell,
                    of: std::marker::PhantomData,
                });
            }
        }
    }
}

/// Runs forward and backward on a pool of so many threads.
struct OnThreads(usize, SequenceShape, AnyCell);

impl CellVisitor for OnThreads {
    type Output = [Vec<f32>; 5];

    fn visit<C: Cell>(self, _: C) -> Self::Output {
        let Self(threads, shape, any) = self;
        let SequenceShape { steps, batch, input, hidden } = shape;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // So small that no derivative grows beyond all numbers.
        let scale = 1.0 / (hidden as f64).sqrt();
        let parameters = Layout::new(&C::SPEC, input, hidden).len();
        let weights = cast::<f32>(&random(&mut rng, parameters, scale));
        let mut draw = |count| cast::<f32>(&random(&mut rng, count, 0.5));
        let state_count = C::SPEC.states.len() * batch * hidden;
        let x = draw(steps * batch * input);
        let mut states = draw(state_count);
        C::SPEC.divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
        let (d_output, d_states) = (draw(steps * batch * hidden), draw(state_count));
        let plan = &Plan::plain(shape);
        let arguments = Arguments { shape, plan, x: &x, weights: &weights, states: &states };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let isa = Isa::available()[0];
            let equations = Compiled(isa).of::<f32>(any).unwrap();
            let Forward { output, states, saved, .. } =
                forward(isa, &*equations, &arguments, None, true);
            let saved = saved.unwrap();
            let by = Derivatives { output: &d_output, states: Some(&d_states) };
            let d = backward(
                isa,
                &*equations,
                &arguments,
                &saved,
                by,
                Wanted { x: true, states: true },
            );
            [output, states, d.x.unwrap(), d.weights, d.states.unwrap()]
        })
    }
}

#[test]
fn results_are_the_same_bits_on_any_number_of_threads() {
    let cut_by_sequences = SequenceShape { steps: 40, batch: 37, input: 5, hidden: 33 };
    let cut_by_units_alone = SequenceShape { steps: 600, batch: 1, input: 3, hidden: 70 };
    let cut_by_units = SequenceShape { steps: 3, batch: 2, input: 5, hidden: 300 };
    // Enough sequences that the input's product and the recurrent one are one.
    let cut_by_units_as_one = SequenceShape { batch: 7, ..cut_by_units };
    for cell in AnyCell::all() {
        for shape in [cut_by_sequences, cut_by_units, cut_by_units_as_one, cut_by_units_alone] {
            let alone = cell.visit(OnThreads(1, shape, cell));
            for threads in [2, 3, 4, 8] {
                let together = cell.visit(OnThreads(threads, shape, cell));
                assert!(alone == together, "{cell} {shape:?} differs on {threads} threads");
            }
        }
    }
}
