//! What the benches share: the shapes, and the same layer as each contestant runs it.
//!
//! - `benches/step.rs`: one time step, as in streaming.
//! - `benches/stream.rs`: one time step from weights packed once, in each format, on one thread and on two.
//! - `benches/sequence.rs`: a whole sequence, forward, and forward and backward.
//! - `benches/ctc.rs`: the loss of connectionist temporal classification, alone and with its gradient.
//!
//! The name of a bench consists of the work, the shape and the contestant, so that `forward/row/lstm` and
//! `forward/row/candle-nn-lstm` are adjacent in the report. `cargo xtask bench` runs all benches, and
//! `cargo xtask bench forward/row` runs those whose names contain `forward/row`.
//!
//! The program `summary` compares the same layers with other libraries. Each library is a process of its own
//! that answers requests: see [`protocol`].
//!
//! The global allocator is that of the binary `fgn`, for all contestants.
//!
//! ```
//! use fgn_benches::{STEPS, Weights, contestants};
//!
//! let (name, shape) = STEPS[0];
//! for (contestant, work) in contestants(shape, Weights::Constant)? {
//!     println!("step/{name}/{contestant}: {:?}", work()?.dims());
//! }
//! # Ok::<(), candle_core::Error>(())
//! ```

pub mod protocol;

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};
use fgn_core::SequenceShape;
use fgn_core::{AnyCell, Layout};
use fgn_kernels::{PackedWeights, SequenceOptions, sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Single steps, by name. They read 128 features, the width of the dense layer in the recipe `mnist`.
pub const STEPS: [(&str, SequenceShape); 3] = [
    ("b1-h128", SequenceShape { steps: 1, batch: 1, input: 128, hidden: 128 }),
    ("b100-h128", SequenceShape { steps: 1, batch: 100, input: 128, hidden: 128 }),
    ("b1-h512", SequenceShape { steps: 1, batch: 1, input: 128, hidden: 512 }),
];

/// Whole sequences, by name: an image row by row, an image pixel by pixel, a text.
pub const SEQUENCES: [(&str, SequenceShape); 3] = [
    ("row", SequenceShape { steps: 28, batch: 100, input: 28, hidden: 128 }),
    ("pixel", SequenceShape { steps: 784, batch: 100, input: 1, hidden: 128 }),
    ("text", SequenceShape { steps: 128, batch: 32, input: 128, hidden: 512 }),
];

/// The cells that are measured.
const CELLS: [AnyCell; 3] = [AnyCell::LSTM, AnyCell::FGN, AnyCell::FGN_SCAN];

/// Whether the weights are tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// No: they are packed once, and nothing is saved for a backward pass.
    Constant,
    /// Yes: the result is differentiable with respect to them, and to nothing else.
    Tracked,
}

/// A layer over a sequence, ready to run: returns the output of every step.
pub type Work = Box<dyn Fn() -> Result<Tensor>>;

/// The contestants by name, each with the layer that it runs: this workspace's cells, and candle-nn's LSTM.
/// Both LSTMs have the same weights, input and initial states.
///
/// The output is `[T, B, H]` for our cells. For candle-nn it is `[B, T, H]`, or `[B, H]` for a single step, which
/// then needs no slicing and concatenating of a sequence.
///
/// # Errors
/// If a layer cannot be built.
pub fn contestants(shape: SequenceShape, weights: Weights) -> Result<Vec<(&'static str, Work)>> {
    let mut all = Vec::new();
    for cell in CELLS {
        all.push((cell.name(), whole_sequence(cell, shape, weights)?));
    }
    all.push(("candle-nn-lstm", candle_lstm(shape, weights)?));
    Ok(all)
}

fn whole_sequence(cell: AnyCell, shape: SequenceShape, weights: Weights) -> Result<Work> {
    let Layer { x, weights: packed, states } = Layer::random(cell, shape)?;
    let options = SequenceOptions::default();
    Ok(match weights {
        Weights::Constant => {
            let sizes = [shape.input, shape.hidden];
            let weights = PackedWeights::new(cell, &packed, sizes, &options)?;
            Box::new(move || Ok(weights.sequence(&x, &states, &options)?.output))
        }
        Weights::Tracked => {
            let packed = weights.hold(packed)?;
            Box::new(move || Ok(sequence(cell, &x, &packed, &states, &options)?.output))
        }
    })
}

fn candle_lstm(shape: SequenceShape, weights: Weights) -> Result<Work> {
    let layer = Layer::random(AnyCell::LSTM, shape)?;
    let layout = Layout::new(AnyCell::LSTM.spec(), shape.input, shape.hidden);
    let mut tensors = HashMap::new();
    for slot in layout.tensors() {
        let tensor = layer.weights.narrow(0, slot.offset, slot.len())?;
        let tensor = tensor.reshape(slot.shape.as_slice())?;
        tensors.insert(format!("{}_l0", slot.name), weights.hold(tensor)?);
    }
    let tensors = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let lstm = LSTM::new(shape.input, shape.hidden, LSTMConfig::default(), tensors)?;
    let state = LSTMState::new(layer.states.get(0)?, layer.states.get(1)?);
    if shape.steps == 1 {
        let x = layer.x.squeeze(0)?;
        return Ok(Box::new(move || Ok(lstm.step(&x, &state)?.h)));
    }
    let x = layer.x.transpose(0, 1)?.contiguous()?;
    Ok(Box::new(move || lstm.states_to_tensor(&lstm.seq_init(&x, &state)?)))
}

impl Weights {
    fn hold(self, tensor: Tensor) -> Result<Tensor> {
        match self {
            Weights::Constant => Ok(tensor),
            Weights::Tracked => Ok(Var::from_tensor(&tensor)?.into_inner()),
        }
    }
}

struct Layer {
    /// `[T, B, I]`.
    x: Tensor,
    /// All parameters in one vector, see [`Layout`].
    weights: Tensor,
    /// `[S, B, H]`.
    states: Tensor,
}

impl Layer {
    /// A layer with random values, which depend only on the cell and the shape.
    fn random(cell: AnyCell, shape: SequenceShape) -> Result<Layer> {
        let SequenceShape { steps, batch, input, hidden } = shape;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut draw = |shape: &[usize], bound: f32| {
            let count = shape.iter().product();
            let numbers: Vec<f32> = (0..count).map(|_| rng.random_range(-bound..bound)).collect();
            Tensor::from_vec(numbers, shape, &Device::Cpu)
        };
        let spec = cell.spec();
        let parameters = Layout::new(spec, input, hidden).len();
        Ok(Layer {
            x: draw(&[steps, batch, input], 1.0)?,
            weights: draw(&[parameters], 1.0 / (hidden as f32).sqrt())?,
            states: draw(&[spec.states.len(), batch, hidden], 1.0)?,
        })
    }
}

/// The examples in the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The examples in `docs/candle.md`, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/candle.md")]
pub struct InCandle;

/// The examples in `docs/cells.md`, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/cells.md")]
pub struct Cells;

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest difference allowed, for outputs in (−1, 1) after some dozen steps in `f32`.
    const TOLERANCE: f32 = 1e-5;

    /// A comparison of speed is valid only if both compute the same.
    #[test]
    fn both_lstms_compute_the_same() {
        for (name, shape) in STEPS.into_iter().chain([SEQUENCES[0]]) {
            for weights in [Weights::Constant, Weights::Tracked] {
                let all = contestants(shape, weights).unwrap();
                let output = |name: &str| {
                    let (_, work) = all.iter().find(|(other, _)| *other == name).unwrap();
                    work().unwrap()
                };
                let theirs = output("candle-nn-lstm");
                assert_eq!(theirs.track_op(), weights == Weights::Tracked);
                let theirs = if shape.steps == 1 { theirs.unsqueeze(1).unwrap() } else { theirs };
                let ours = output("lstm").transpose(0, 1).unwrap();
                let difference = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
                let difference = difference.to_scalar::<f32>().unwrap();
                assert!(difference < TOLERANCE, "{name}, {weights:?}: {difference}");
            }
        }
    }
}
