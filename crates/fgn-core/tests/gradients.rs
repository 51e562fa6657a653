//! Every cell's hand-written gradient against the exact derivative by dual numbers: of one step, and
//! of whole sequences.

use fgn_core::oracle::{self, Shape};
use fgn_core::{AnyCell, At, Cell, CellVisitor, Dual, Lane, Layout, Step};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest difference allowed, relative to the larger of the two and 1.
const GRADIENT_TOLERANCE: f64 = 1e-12;

fn assert_close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(found.abs()).max(1.0);
    assert!(error <= GRADIENT_TOLERANCE, "{what}: {found} is {error:e} away from {expected}");
}

fn random(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

/// The arguments of a step as one list of the places that the cell uses.
fn places<L: Copy, C: Cell>(at: &At<L>) -> Vec<L> {
    let mut list = at.pre[..C::SPEC.blocks.len()].to_vec();
    list.extend_from_slice(&at.prev[..C::SPEC.states.len()]);
    list.extend_from_slice(&at.vectors[..C::SPEC.vectors.len()]);
    list
}

fn at_places<L: Lane, C: Cell>(list: &[L]) -> At<L> {
    let (pre, rest) = list.split_at(C::SPEC.blocks.len());
    let (prev, vectors) = rest.split_at(C::SPEC.states.len());
    At::new(pre, prev, vectors)
}

struct OneStep;

impl CellVisitor for OneStep {
    type Output = ();
    fn visit<C: Cell>(self, cell: C) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let spec = C::SPEC;
        let count = spec.blocks.len() + spec.states.len() + spec.vectors.len();
        for _ in 0..1_000 {
            let at = random(&mut rng, count);
            let mut d = Step { output: rng.random_range(-1.0..1.0), next: At::zero().prev };
            d.next[..spec.states.len()].copy_from_slice(&random(&mut rng, spec.states.len()));
            let grad = places::<_, C>(&cell.grad(&at_places::<_, C>(&at), &d));
            for (place, &found) in grad.iter().enumerate() {
                let dual: Vec<_> = (0..count)
                    .map(|k| Dual::new(at[k], if k == place { 1.0 } else { 0.0 }))
                    .collect();
                let step = cell.step(&at_places::<_, C>(&dual));
                let expected = step.output.slope * d.output
                    + step.next.iter().zip(d.next).map(|(next, d)| next.slope * d).sum::<f64>();
                assert_close(found, expected, &format!("{spec:?}, argument {place}"));
            }
        }
    }
}

#[test]
fn every_step_gradient_is_exact() {
    for cell in AnyCell::all() {
        cell.visit(OneStep);
    }
}

struct WholeSequence(Shape);

impl CellVisitor for WholeSequence {
    type Output = ();
    fn visit<C: Cell>(self, cell: C) {
        let shape = self.0;
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let state_count = C::SPEC.states.len() * shape.batch * shape.hidden;
        let sizes = [
            shape.steps * shape.batch * shape.input,
            Layout::new(&C::SPEC, shape.input, shape.hidden).len(),
            state_count,
        ];
        let [x, weights, states] = sizes.map(|size| random(&mut rng, size));
        let run = oracle::forward(cell, shape, &x, &weights, &states);
        let d_output = random(&mut rng, run.output.len());
        let d_states = random(&mut rng, state_count);
        let d = oracle::backward(cell, shape, &x, &weights, &run, &d_output, &d_states);
        for _ in 0..10 {
            let direction = sizes.map(|size| random(&mut rng, size));
            let dual = |values: &[f64], slopes: &[f64]| -> Vec<Dual> {
                values.iter().zip(slopes).map(|(&v, &s)| Dual::new(v, s)).collect()
            };
            let run = oracle::forward(
                cell,
                shape,
                &dual(&x, &direction[0]),
                &dual(&weights, &direction[1]),
                &dual(&states, &direction[2]),
            );
            let slope = |duals: &[Dual], d: &[f64]| -> f64 {
                duals.iter().zip(d).map(|(dual, d)| dual.slope * d).sum()
            };
            let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let expected = slope(&run.output, &d_output) + slope(&run.states, &d_states);
            let found = dot(&d.x, &direction[0])
                + dot(&d.weights, &direction[1])
                + dot(&d.states, &direction[2]);
            // The sum has terms of both signs: the tolerance is relative to its largest part.
            let scale: f64 = d.weights.iter().zip(&direction[1]).map(|(a, b)| (a * b).abs()).sum();
            assert_close(found / scale, expected / scale, &format!("{:?}, {shape:?}", C::SPEC));
        }
    }
}

#[test]
fn every_sequence_gradient_is_exact() {
    for cell in AnyCell::all() {
        for (steps, batch, input, hidden) in [(1, 1, 1, 1), (7, 3, 2, 5), (29, 2, 7, 3)] {
            cell.visit(WholeSequence(Shape { steps, batch, input, hidden }));
        }
    }
}

#[test]
fn an_lstm_step_has_the_values_worked_out_by_hand() {
    let at = At::new(&[0.0, 0.0, 1.0, 0.0], &[0.0, 2.0], &[]);
    let step = fgn_core::cells::Lstm.step(&at);
    let c: f64 = 0.5 * 2.0 + 0.5 * 1.0_f64.tanh();
    assert_close(step.next[1], c, "c");
    assert_close(step.output, 0.5 * c.tanh(), "m");
}

#[test]
fn a_closed_forgetting_gate_gives_z_and_an_open_one_the_memory() {
    use fgn_core::cells::{Fgn, Forgetting, Readout};
    let cell = Fgn::<true> { readout: Readout::Single, forgetting: Forgetting::Binary };
    let with_phi = |phi| At::new(&[0.3, 0.1, 0.9, 0.4, phi, 0.25], &[0.1, 0.2], &[]);
    assert_eq!(cell.step(&with_phi(-0.1)).output, 0.25);
    let open = cell.step(&with_phi(0.1));
    assert_close(open.output, open.next[0], "y");
}
