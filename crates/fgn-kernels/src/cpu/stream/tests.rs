//! Every cell on every instruction set and in every number format, over some steps, against the oracle
//! run on the weights as the format holds them.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Cell, CellVisitor, Layout, SequenceShape, oracle};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cpu::stream::parameters::StreamParameters;
use crate::cpu::stream::state::StreamState;
use crate::cpu::tests::cells;
use crate::run::plan::Plan;
use crate::run::precision::Precision;
use crate::simd::isa::Isa;

/// The largest error allowed, relative to the largest number: rounding, grown over the terms of a sum
/// and over the steps. For weights of 8 bits the hidden state that they are multiplied by is rounded
/// too, to 16 bits.
fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::Bf16 => 2e-5,
        Precision::Int8 => 1e-4,
    }
}

const STEPS: usize = if cfg!(miri) { 2 } else { 50 };
const SIZES: &[usize] = if cfg!(miri) { &[17] } else { &[1, 7, 17, 100, 129] };
const BATCHES: [usize; 4] = [1, 2, 3, 7];
const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

/// A stream's arguments and, once [`expected`] was asked, what must come out.
struct Run {
    cell: AnyCell,
    shape: SequenceShape,
    x: Vec<f32>,
    weights: Vec<f32>,
    states: Vec<f32>,
}

impl Run {
    fn random(cell: AnyCell, shape: SequenceShape, seed: u64) -> Self {
        let SequenceShape { steps, batch, input, hidden } = shape;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |count: usize, bound: f32| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-bound..bound)).collect()
        };
        let spec = cell.spec();
        let x = draw(steps * batch * input, 1.0);
        let bound = 1.0 / (input.max(hidden) as f32).sqrt();
        let weights = draw(Layout::new(spec, input, hidden).len(), bound);
        let mut states = draw(spec.states.len() * batch * hidden, 1.0);
        spec.divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
        Self { cell, shape, x, weights, states }
    }

    /// All outputs, and the final states.
    fn expected(&self, precision: Precision) -> (Vec<f64>, Vec<f64>) {
        struct Oracle<'a>(&'a Run, Precision);
        impl CellVisitor for Oracle<'_> {
            type Output = (Vec<f64>, Vec<f64>);
            fn visit<C: Cell>(self, cell: C) -> Self::Output {
                self.0.expected_of(cell, self.1)
            }
        }
        self.cell.visit(Oracle(self, precision)).unwrap()
    }

    /// The same of a cell whose type is known.
    fn expected_of<C: Cell>(&self, cell: C, precision: Precision) -> (Vec<f64>, Vec<f64>) {
        let (x, weights) = self.twice(&self.read(precision), &self.held(precision));
        let shape = SequenceShape { input: 2 * self.shape.input, ..self.shape };
        let run = oracle::forward(cell, shape, &x, &weights, &wide(&self.states));
        (run.output, run.states)
    }

    /// Each step's input rounded, and again as it is; and parameters with which the blocks that a threshold depends
    /// on see the second, all others the first.
    fn twice(&self, rounded: &[f64], held: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let SequenceShape { input, hidden, .. } = self.shape;
        let exact = wide(&self.x);
        let steps = rounded.chunks(input).zip(exact.chunks(input));
        let x = steps.flat_map(|(rounded, exact)| [rounded, exact].concat()).collect();
        let layout = Layout::new(self.cell.spec(), input, hidden);
        let mut weights = Vec::new();
        for slot in layout.tensors() {
            let tensor = &held[slot.range()];
            if slot.name != "weight_ih" {
                weights.extend(tensor);
                continue;
            }
            for (row, numbers) in tensor.chunks(input).enumerate() {
                let none = vec![0.0; input];
                let is_exact = self.cell.has_threshold(slot.blocks[row / hidden]);
                let both = if is_exact { [&none, numbers] } else { [numbers, &none] };
                weights.extend(both.concat());
            }
        }
        (x, weights)
    }

    /// The input as products with the format's weights read it.
    fn read(&self, precision: Precision) -> Vec<f64> {
        let mut x = wide(&self.x);
        if precision == Precision::Int8 {
            // The largest whole number of which so many times 127 are below 2^31.
            let largest = (2_f64.powi(31) / 127.0 / self.shape.input as f64).floor().min(32767.0);
            for row in x.chunks_mut(self.shape.input) {
                let scale = row.iter().fold(0.0, |size: f64, x| size.max(x.abs())) / largest;
                row.iter_mut().for_each(|x| *x = (*x / scale).round() * scale);
            }
        }
        x
    }

    /// The parameters as the format holds them. Those that a threshold depends on are held as they are.
    fn held(&self, precision: Precision) -> Vec<f64> {
        let mut held = wide(&self.weights);
        for slot in Layout::new(self.cell.spec(), self.shape.input, self.shape.hidden).tensors() {
            let &[_, depth] = &*slot.shape else {
                continue;
            };
            for (row, weights) in held[slot.range()].chunks_mut(depth).enumerate() {
                let is_exact = self.cell.has_threshold(slot.blocks[row / self.shape.hidden]);
                match precision {
                    _ if is_exact => {}
                    Precision::F32 => {}
                    Precision::Bf16 => {
                        let mut rounded = Tensor::new(&*weights, &Device::Cpu).unwrap();
                        // Straight from `f64`, ties would be seen where there are none.
                        for dtype in [DType::F32, DType::BF16, DType::F64] {
                            rounded = rounded.to_dtype(dtype).unwrap();
                        }
                        weights.copy_from_slice(&rounded.to_vec1::<f64>().unwrap());
                    }
                    Precision::Int8 => {
                        let largest =
                            weights.iter().fold(0.0, |largest: f64, w| largest.max(w.abs()));
                        let scale = largest as f32 / 127.0;
                        for weight in weights {
                            let whole = (*weight as f32 / scale).round();
                            *weight = f64::from(whole) * f64::from(scale);
                        }
                    }
                }
            }
        }
        held
    }

    /// All outputs, and the final states.
    fn found(&self, isa: Isa, precision: Precision, threads: usize) -> (Vec<f32>, Vec<f32>) {
        let SequenceShape { batch, input, hidden, .. } = self.shape;
        let packed = StreamParameters::new(
            self.cell,
            isa,
            Plan::plain(self.shape),
            precision,
            &self.weights,
        );
        let mut state = StreamState::new(&packed, batch, threads).unwrap();
        state.set_states(&packed, 0..batch, &self.states);
        let mut output = vec![f32::NAN; self.shape.steps * batch * hidden];
        for (x, output) in self.x.chunks(batch * input).zip(output.chunks_mut(batch * hidden)) {
            state.step(&packed, x, output);
        }
        (output, state.states(&packed, 0..batch))
    }
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

fn assert_close(what: &str, tolerance: f64, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3, |scale: f64, x| scale.max(x.abs()));
    for (place, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / scale;
        assert!(error <= tolerance, "{what}[{place}]: {found} is not {expected}, off by {error:e}");
    }
}

/// Checks streams of a cell in every format, with sizes that depend on its number.
pub(crate) struct EveryFormat(pub(crate) AnyCell, pub(crate) usize);

impl CellVisitor for EveryFormat {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self(any, c) = self;
        for (i, &input) in SIZES.iter().enumerate() {
            for (h, &hidden) in SIZES.iter().enumerate() {
                let batch = BATCHES[(c + i + h) % BATCHES.len()];
                let threads = 1 + (c + i) % 3;
                let shape = SequenceShape { steps: STEPS, batch, input, hidden };
                let run = Run::random(any, shape, (c + 10 * i + 100 * h) as u64);
                for precision in PRECISIONS {
                    let expected = run.expected_of(cell, precision);
                    for isa in Isa::available() {
                        let what = format!("{any} {} {precision:?} {shape:?}", isa.name());
                        let found = run.found(isa, precision, threads);
                        // Together: a last state may happen to be small beside those before it.
                        let found = [found.0, found.1].concat();
                        let expected = [&expected.0[..], &expected.1].concat();
                        assert_close(&what, tolerance(precision), &found, &expected);
                    }
                }
            }
        }
    }
}

#[test]
fn every_cell_on_every_instruction_set_in_every_format() {
    for (c, cell) in cells().into_iter().enumerate() {
        cell.visit(EveryFormat(cell, c)).unwrap();
    }
}

#[test]
fn results_are_the_same_bits_on_any_number_of_threads() {
    let shape = SequenceShape { steps: 20, batch: 3, input: 33, hidden: 129 };
    for cell in AnyCell::all() {
        let run = Run::random(cell, shape, 7);
        for isa in Isa::available() {
            for precision in PRECISIONS {
                let alone = run.found(isa, precision, 1);
                for threads in [2, 3, 100] {
                    let together = run.found(isa, precision, threads);
                    let name = isa.name();
                    assert!(alone == together, "{cell} {name} {precision:?}, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn sums_of_many_large_products_do_not_overflow() {
    for sign in [1.0, -1.0] {
        let shape = SequenceShape { steps: 2, batch: 5, input: 3001, hidden: 2 };
        let mut run = Run::random(AnyCell::LSTM, shape, 1);
        run.x.fill(sign);
        run.weights[..4 * 2 * 3001].fill(0.0003);
        let expected = run.expected(Precision::Int8);
        for isa in Isa::available() {
            let found = run.found(isa, Precision::Int8, 1);
            assert_close(isa.name(), tolerance(Precision::Int8), &found.0, &expected.0);
        }
    }
}

#[test]
fn weights_that_are_no_numbers_show_in_the_output() {
    let shape = SequenceShape { steps: 1, batch: 1, input: 5, hidden: 20 };
    for weight in [f32::NAN, f32::from_bits(0x7fff_ffff), f32::INFINITY] {
        for precision in PRECISIONS {
            let mut run = Run::random(AnyCell::LSTM, shape, 1);
            // Of the input weights of the first unit's candidate.
            run.weights[2 * 20 * 5 + 3] = weight;
            run.x[3] = 0.0;
            let (output, _) = run.found(Isa::available()[0], precision, 1);
            assert!(output[0].is_nan(), "{precision:?}, {weight}: {}", output[0]);
            assert!(output[1..].iter().all(|y| y.is_finite()), "{precision:?}, {weight}");
        }
    }
}

#[test]
fn inputs_that_are_no_numbers_show_in_the_output() {
    let shape = SequenceShape { steps: 1, batch: 5, input: 5, hidden: 20 };
    for precision in PRECISIONS {
        let mut run = Run::random(AnyCell::FGN, shape, 1);
        run.x[7] = f32::NAN;
        let (output, _) = run.found(Isa::available()[0], precision, 1);
        for (b, output) in output.chunks(20).enumerate() {
            assert!(output.iter().all(|y| y.is_nan() == (b == 1)), "{precision:?}, sequence {b}");
        }
    }
}
