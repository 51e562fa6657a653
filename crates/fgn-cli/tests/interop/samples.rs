//! Samples that a model reads, of sizes that are asked for.

use candle_core::{Device, Tensor};
use fgn_audio::features::Features;
use fgn_nn::{InputConfig, Model};
use fgn_schema::{InputSchema, Padded};

use crate::{BATCHES, STEPS};

/// Numbers of steps and samples; images have as many steps as they have.
pub(crate) fn sizes(model: &Model) -> Vec<(usize, usize)> {
    let steps = match model.config().input.steps() {
        Some(steps) => vec![steps],
        None => STEPS.to_vec(),
    };
    steps.iter().flat_map(|&steps| BATCHES.map(|batch| (steps, batch))).collect()
}

/// A batch of that size; the second of several samples is shorter, where lengths may differ.
pub(crate) fn samples(model: &Model, steps: usize, batch: usize) -> Padded {
    let input = &model.config().input;
    match input.samples() {
        InputSchema::Image { height, width, channels: 1 } => {
            Padded::new(pixels(&[batch, height, width]))
        }
        InputSchema::Image { height, width, channels } => {
            Padded::new(pixels(&[batch, height, width, channels]))
        }
        InputSchema::Series { features } => padded(numbers(&[batch, steps, features])),
        InputSchema::Tokens { vocabulary, .. } => {
            let tokens = (0..batch * steps).map(|n| ((n * 5 + n / 3) % vocabulary) as u32);
            let tokens = Tensor::from_vec(tokens.collect(), (batch, steps), &Device::Cpu);
            padded(tokens.unwrap())
        }
        _ => padded(noise(&[batch, sound_length(input, steps)])),
    }
}

/// The fewest samples of a sound that are so many steps.
fn sound_length(input: &InputConfig, steps: usize) -> usize {
    let InputConfig::Audio(audio) = input else { panic!("no sounds") };
    let features = Features::new(&audio.front_end, audio.sample_rate).unwrap();
    (1..).find(|&length| features.steps(length) == steps).unwrap()
}

fn numbers(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let number = |n: usize| ((0.3 + 1.3 * n as f64).sin() * (0.01 * n as f64).cos()) as f32;
    Tensor::from_vec((0..count).map(number).collect(), shape, &Device::Cpu).unwrap()
}

/// A sound with all frequencies: where one is absent, its logarithm is that of rounding errors.
fn noise(shape: &[usize]) -> Tensor {
    let mut state = 1_u32;
    let mut next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(&mut next).collect(), shape, &Device::Cpu).unwrap()
}

/// From 0 to 1.
fn pixels(shape: &[usize]) -> Tensor {
    ((numbers(shape) + 1.0).unwrap() * 0.5).unwrap()
}

fn padded(tensor: Tensor) -> Padded {
    let (batch, steps) = (tensor.dims()[0], tensor.dims()[1]);
    let lengths = (0..batch).map(|at| if at == 1 { steps.div_ceil(2) } else { steps });
    match batch {
        1 => Padded::new(tensor),
        _ => Padded::with_lengths(tensor, lengths.collect()).unwrap(),
    }
}
