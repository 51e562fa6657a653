//! Connectionist temporal classification.

mod bad_input;
mod decoding;
mod golden;
mod gradients;
mod language_model;
mod oracle;

use candle_core::{DType, Device, Tensor};
use fgn_nn::{CtcOptions, Generator, ctc_loss};

use crate::common::flat;

/// Logits of a batch, `[T][B][V]`, and what they are compared with.
struct Batch {
    logits: Vec<Vec<Vec<f64>>>,
    lengths: Vec<usize>,
    targets: Vec<Vec<u32>>,
    blank: usize,
}

/// A random integer below `count`.
fn below(generator: &mut Generator, count: usize) -> usize {
    (generator.next_u64() % count as u64) as usize
}

/// Logits from a uniform distribution over `±bound`.
fn drawn_logits(
    generator: &mut Generator,
    [steps, samples, classes]: [usize; 3],
    bound: f64,
) -> Vec<Vec<Vec<f64>>> {
    let mut row = || (0..classes).map(|_| bound * (2.0 * generator.next_f64() - 1.0)).collect();
    (0..steps).map(|_| (0..samples).map(|_| row()).collect()).collect()
}

/// A random batch of up to five steps whose targets have an alignment.
fn drawn(generator: &mut Generator) -> Batch {
    let sizes = [1 + below(generator, 5), 1 + below(generator, 3), 2 + below(generator, 3)];
    let [steps, samples, classes] = sizes;
    let bound = [0.5, 3.0, 20.0][below(generator, 3)];
    let logits = drawn_logits(generator, sizes, bound);
    let blank = below(generator, classes);
    let lengths: Vec<usize> = (0..samples).map(|_| 1 + below(generator, steps)).collect();
    let target = |&length: &usize| {
        // What a random path stands for has an alignment.
        let path: Vec<usize> = (0..length).map(|_| below(generator, classes)).collect();
        collapsed(&path, blank)
    };
    let targets = lengths.iter().map(target).collect();
    Batch { logits, lengths, targets, blank }
}

/// The labels that a path stands for.
fn collapsed(path: &[usize], blank: usize) -> Vec<u32> {
    let mut path = path.to_vec();
    path.dedup();
    path.into_iter().filter(|&class| class != blank).map(|class| class as u32).collect()
}

/// Probabilities of one sample's steps.
fn softmax(steps: &[&Vec<f64>]) -> Vec<Vec<f64>> {
    let row = |logits: &&Vec<f64>| {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    };
    steps.iter().map(row).collect()
}

/// Calls `each` with every path and its probability.
fn for_each_path(probabilities: &[Vec<f64>], mut each: impl FnMut(&[usize], f64)) {
    let classes = probabilities.first().map_or(1, Vec::len);
    for number in 0..classes.pow(probabilities.len() as u32) {
        let digit = |step: u32| number / classes.pow(step) % classes;
        let path: Vec<usize> = (0..probabilities.len() as u32).map(digit).collect();
        let steps = path.iter().zip(probabilities);
        each(&path, steps.map(|(&class, row)| row[class]).product());
    }
}

impl Batch {
    /// The softmax of a sample's own steps.
    fn probabilities(&self, sample: usize) -> Vec<Vec<f64>> {
        let steps = self.logits[..self.lengths[sample]].iter().map(|step| &step[sample]);
        softmax(&steps.collect::<Vec<_>>())
    }

    fn options(&self) -> CtcOptions {
        CtcOptions::new(self.blank)
    }

    /// The logits as a tensor, `[T, B, V]`.
    fn tensor(&self, dtype: DType) -> Tensor {
        Tensor::new(self.logits.clone(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    fn losses(&self) -> Vec<f64> {
        let logits = self.tensor(DType::F64);
        flat(&ctc_loss(&logits, Some(&self.lengths), &self.targets, &self.options()).unwrap())
    }
}
