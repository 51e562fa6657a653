//! Every cell's hand-written gradient against the exact one, computed with dual numbers: for one step,
//! and for whole sequences.

use fgn_core::oracle;
use fgn_core::{
    AnyCell, Cell, CellVisitor, Dual, Lane, Layout, SequenceShape, StepInput, StepOutput,
};
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

/// The arguments of a step as one list of the entries that the cell uses.
fn entries<L: Copy, C: Cell>(at: &StepInput<L>) -> Vec<L> {
    let mut list = at.pre[..C::SPEC.blocks.len()].to_vec();
    list.extend_from_slice(&at.prev[..C::SPEC.states.len()]);
    list.extend_from_slice(&at.vectors[..C::SPEC.vectors.len()]);
    list.extend(at.normalized_memory);
    list
}

fn from_entries<L: Lane, C: Cell>(list: &[L]) -> StepInput<L> {
    let (pre, rest) = list.split_at(C::SPEC.blocks.len());
    let (prev, rest) = rest.split_at(C::SPEC.states.len());
    let (vectors, memory) = rest.split_at(C::SPEC.vectors.len());
    StepInput { normalized_memory: memory.first().copied(), ..StepInput::new(pre, prev, vectors) }
}

/// With `normalized`, the output is read from a memory given apart.
struct OneStep {
    normalized: bool,
}

impl CellVisitor for OneStep {
    type Output = ();
    fn visit<C: Cell>(self, cell: C) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let spec = C::SPEC;
        let normalized = usize::from(self.normalized && spec.memory.is_some());
        let count = spec.blocks.len() + spec.states.len() + spec.vectors.len() + normalized;
        for _ in 0..1_000 {
            let mut at = random(&mut rng, count);
            let states = &mut at[spec.blocks.len()..][..spec.states.len()];
            spec.divisors(states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
            let mut d =
                StepOutput { output: rng.random_range(-1.0..1.0), next: StepInput::zero().prev };
            d.next[..spec.states.len()].copy_from_slice(&random(&mut rng, spec.states.len()));
            let arguments = from_entries::<_, C>(&at);
            let by = cell.grad(&arguments, &d);
            let activated = arguments.activate::<C>();
            assert_eq!(cell.step(&activated), cell.step(&arguments), "{spec:?}");
            assert_eq!(cell.grad(&activated, &d), by, "{spec:?}");
            let grad = entries::<_, C>(&by);
            for (place, &found) in grad.iter().enumerate() {
                let dual: Vec<_> = (0..count)
                    .map(|k| Dual::new(at[k], if k == place { 1.0 } else { 0.0 }))
                    .collect();
                let step = cell.step(&from_entries::<_, C>(&dual));
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
        cell.visit(OneStep { normalized: false });
        cell.visit(OneStep { normalized: true });
    }
}

struct WholeSequence(SequenceShape);

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
        let [x, weights, mut states] = sizes.map(|size| random(&mut rng, size));
        C::SPEC.divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
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
            // A unit that is switched off has no derivatives at all.
            let scale = scale.max(1e-3);
            assert_close(found / scale, expected / scale, &format!("{:?}, {shape:?}", C::SPEC));
        }
    }
}

#[test]
fn every_sequence_gradient_is_exact() {
    for cell in AnyCell::all() {
        for (steps, batch, input, hidden) in [(1, 1, 1, 1), (7, 3, 2, 5), (29, 2, 7, 3)] {
            cell.visit(WholeSequence(SequenceShape { steps, batch, input, hidden }));
        }
    }
}

#[test]
fn an_lstm_step_has_the_values_worked_out_by_hand() {
    let at = StepInput::new(&[0.0, 0.0, 1.0, 0.0], &[0.0, 2.0], &[]);
    let step = fgn_core::cells::Lstm.step(&at);
    let c: f64 = 0.5 * 2.0 + 0.5 * 1.0_f64.tanh();
    assert_close(step.next[1], c, "c");
    assert_close(step.output, 0.5 * c.tanh(), "h");
}

#[test]
fn a_closed_forgetting_gate_gives_z_and_an_open_one_the_memory() {
    use fgn_core::cells::{Fgn, Forgetting, Lstm, Readout};
    let (readout, forgetting) = (Readout::Single, Forgetting::Binary);
    let cell = Fgn::<_, true> { unit: Lstm, readout, forgetting };
    let with_phi = |phi| StepInput::new(&[0.3, 0.1, 0.9, 0.4, phi, 0.25], &[0.1, 0.2], &[]);
    assert_eq!(cell.step(&with_phi(-0.1)).output, 0.25);
    let open = cell.step(&with_phi(0.1));
    assert_close(open.output, open.next[0], "y");
}

struct OutputIsState;

impl CellVisitor for OutputIsState {
    type Output = bool;
    fn visit<C: Cell>(self, cell: C) -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        (0..100).all(|_| {
            let [pre, prev, vectors] =
                [C::SPEC.blocks.len(), C::SPEC.states.len(), C::SPEC.vectors.len()]
                    .map(|count| random(&mut rng, count));
            let step = cell.step(&StepInput::new(&pre, &prev, &vectors));
            step.output == step.next[0]
        })
    }
}

#[test]
fn a_cell_says_whether_its_output_is_its_first_state() {
    for cell in AnyCell::all() {
        assert_eq!(cell.visit(OutputIsState).unwrap(), cell.spec().output_is_state, "{cell}");
    }
}

/// The output and the states of a step.
fn step(cell: AnyCell, pre: &[f64], prev: &[f64], vectors: &[f64]) -> (f64, Vec<f64>) {
    struct Visit<'a>(&'a [f64], &'a [f64], &'a [f64]);
    impl CellVisitor for Visit<'_> {
        type Output = (f64, Vec<f64>);
        fn visit<C: Cell>(self, cell: C) -> Self::Output {
            let step = cell.step(&StepInput::new(self.0, self.1, self.2));
            (step.output, step.next[..C::SPEC.states.len()].to_vec())
        }
    }
    cell.visit(Visit(pre, prev, vectors)).expect("a built-in cell")
}

/// The equations of the papers, written once more: plainly, in the papers' own form.
#[test]
fn every_cell_computes_the_equations_of_its_paper() {
    let s = |x: f64| 1.0 / (1.0 + (-x).exp());
    let positive = |v: f64| if v >= 0.0 { v + 0.5 } else { s(v) };
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..100 {
        let p = random(&mut rng, 4);
        let (h, c, v) =
            (rng.random_range(-1.0..1.0), rng.random_range(-2.0..2.0), random(&mut rng, 3));
        let check = |cell: AnyCell, prev: &[f64], output: f64, states: &[f64]| {
            let spec = cell.spec();
            let pre = &p[..spec.blocks.len()];
            let (found, next) = step(cell, pre, prev, &v[..spec.vectors.len()]);
            assert_close(found, output, &format!("{cell}"));
            for (found, expected) in next.iter().zip(states) {
                assert_close(*found, *expected, &format!("{cell} state"));
            }
        };

        let c1 = s(p[1] + v[1] * c) * c + s(p[0] + v[0] * c) * p[2].tanh();
        let m = s(p[3] + v[2] * c1) * c1.tanh();
        check(AnyCell::PEEPHOLE_LSTM, &[h, c], m, &[m, c1]);

        let c1 = s(p[0]) * c + (1.0 - s(p[0])) * p[1].tanh();
        let m = s(p[2]) * c1.tanh();
        check(AnyCell::CIFG, &[h, c], m, &[m, c1]);

        let c1 = s(p[0]) * c + (1.0 - s(p[0] - 1.0)) * p[1].tanh();
        check(AnyCell::JANET, &[c], c1, &[c1]);

        let n = (p[2] + s(p[0]) * p[3]).tanh();
        let h1 = (1.0 - s(p[1])) * n + s(p[1]) * h;
        check(AnyCell::GRU, &[h], h1, &[h1]);

        let n = (p[1] + s(p[0]) * p[2]).tanh();
        let h1 = (1.0 - s(p[0])) * h + s(p[0]) * n;
        check(AnyCell::MGU, &[h], h1, &[h1]);

        let (f, r) = (s(p[0]), s(p[1]));
        let g = r * (1.0 - (1.0 - f).powi(2)) + (1.0 - r) * f.powi(2);
        let c1 = g * c + (1.0 - g) * p[2].tanh();
        let m = s(p[3]) * c1.tanh();
        check(AnyCell::UR_LSTM, &[h, c], m, &[m, c1]);

        let h1 = (1.0 - s(p[0])) * h + s(p[0]) * positive(p[1]);
        check(AnyCell::MIN_GRU, &[h], h1, &[h1]);

        let sum = s(p[0]) + s(p[1]);
        let h1 = s(p[0]) / sum * h + s(p[1]) / sum * positive(p[2]);
        check(AnyCell::MIN_LSTM, &[h], h1, &[h1]);

        let c1 = s(p[0] + v[0] * c) * c + (1.0 - s(p[0] + v[0] * c)) * p[2];
        let r = s(p[1] + v[1] * c);
        check(AnyCell::SRU, &[c], r * c1 + (1.0 - r) * p[3], &[c1]);

        let (n, m) = (rng.random_range(0.5..2.0), rng.random_range(-1.0..1.0));
        let m1 = (s(p[1]).ln() + m).max(p[0]);
        let (f, i) = ((s(p[1]).ln() + m - m1).exp(), (p[0] - m1).exp());
        let (c1, n1) = (f * c + i * p[2].tanh(), f * n + i);
        let h1 = s(p[3]) * c1 / n1;
        check(AnyCell::SLSTM, &[h, c, n, m], h1, &[h1, c1, n1, m1]);

        let h1 = (p[0] + v[0] * h).max(0.0);
        check(AnyCell::IND_RNN, &[h], h1, &[h1]);
        check(AnyCell::RNN, &[h], p[0].tanh(), &[p[0].tanh()]);
        let relu = AnyCell::Rnn { nonlinearity: fgn_core::cells::Nonlinearity::Relu };
        check(relu, &[h], p[0].max(0.0), &[p[0].max(0.0)]);

        let (r, theta) = (s(v[0]).sqrt(), 2.0 * v[1].exp().atan());
        let (re, im) = (r * theta.cos(), r * theta.sin());
        let gain = (1.0 - r * r).sqrt();
        let re1 = re * h - im * c + gain * p[0];
        let im1 = im * h + re * c + gain * p[1];
        check(AnyCell::LRU, &[h, c], re1, &[re1, im1]);
    }
}

/// `y = φ ⊙ o ⊙ m + (1 − φ) ⊙ z` over every unit, with `o = 1` where there is none.
#[test]
fn a_forgetting_gate_stands_over_any_memory_unit() {
    use fgn_core::cells::{Forgetting, Readout, Unit, Z};
    let s = |x: f64| 1.0 / (1.0 + (-x).exp());
    let of_unit = |unit| match unit {
        Unit::Lstm => (AnyCell::LSTM, Some(3)),
        Unit::UrLstm => (AnyCell::UR_LSTM, Some(3)),
        Unit::Janet => (AnyCell::JANET, None),
        Unit::Gru => (AnyCell::GRU, None),
        Unit::MinGru => (AnyCell::MIN_GRU, None),
        Unit::Lru => (AnyCell::LRU, None),
        other => panic!("{other:?}"),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for unit in Unit::ALL {
        let (inner, gate) = of_unit(unit);
        let spec = inner.spec();
        let fed = spec.blocks.iter().filter(|block| block.reads_input()).count();
        for z in [Z::Zero, Z::Linear] {
            for readout in [Readout::Gated, Readout::Single] {
                for forgetting in [Forgetting::Soft, Forgetting::Binary] {
                    let cell = AnyCell::Fgn { unit, z, readout, forgetting };
                    let names = |spec: &fgn_core::Spec| -> Vec<_> {
                        spec.blocks.iter().map(|block| block.name).collect()
                    };
                    let mut blocks = names(spec);
                    blocks.insert(fed, "phi");
                    if z == Z::Linear {
                        blocks.push(if blocks.contains(&"z") { "z_m" } else { "z" });
                    }
                    assert_eq!(names(cell.spec()), blocks, "{cell}");

                    let pre = random(&mut rng, spec.blocks.len());
                    let prev = random(&mut rng, spec.states.len());
                    let vectors = random(&mut rng, spec.vectors.len());
                    let (phi, level) = (rng.random_range(-2.0..2.0), rng.random_range(-1.0..1.0));
                    let (m, states) = step(inner, &pre, &prev, &vectors);
                    let o = match (readout, gate) {
                        (Readout::Gated, Some(gate)) => s(pre[gate]),
                        _ => 1.0,
                    };
                    let mut all = pre.clone();
                    all.insert(fed, phi);
                    let level = if z == Z::Linear { level } else { 0.0 };
                    if z == Z::Linear {
                        all.push(level);
                    }
                    let phi = match forgetting {
                        Forgetting::Soft => s(phi),
                        Forgetting::Binary => f64::from(u8::from(phi >= 0.0)),
                    };
                    let (found, next) = step(cell, &all, &prev, &vectors);
                    assert_close(found, phi * o * m + (1.0 - phi) * level, &format!("{cell}"));
                    assert_eq!(next, states, "{cell}");
                }
            }
        }
    }
}
