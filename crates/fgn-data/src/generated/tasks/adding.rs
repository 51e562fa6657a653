//! The adding problem (Hochreiter & Schmidhuber 1997): numbers, two of which are marked. Their sum is to be
//! predicted after the last step.
//!
//! One marker is in each half of the sequence. A model that always answers 1 has a mean squared error of 1/6, the
//! variance of a sum of two numbers of `U[0, 1]`.

use candle_core::{Device, Tensor};
use fgn_schema::{Batch, InputSchema, MAX_SIZE, Schema, TargetSchema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::options::{LENGTH, TaskOptions, within};
use super::samples::{Part, Task};
use crate::error::Result;

/// The task, with sequences of one length.
#[derive(Debug)]
pub(crate) struct Adding {
    length: usize,
    features: Vec<String>,
}

impl Task for Adding {
    const NAME: &'static str = "adding";
    const PURPOSE: [u8; 7] = *b"adding.";
    const SAMPLES: [u32; 3] = [5_000, 500, 2_000];

    fn new(options: &TaskOptions) -> Result<Adding> {
        options.check_known(Self::NAME, &[LENGTH])?;
        let what = "steps: each half has a marker";
        let length = within(LENGTH, options.length, 1_000, 2..=MAX_SIZE, what)?;
        Ok(Adding { length, features: vec!["value".into(), "marker".into()] })
    }

    fn schema(&self) -> Schema {
        let target = TargetSchema::Value { names: vec!["sum".into()], per_step: false };
        Schema::new(InputSchema::Series { features: 2 }, target)
    }

    fn features(&self) -> &[String] {
        &self.features
    }

    fn draw(&self, _: Part, random: Vec<ChaCha8Rng>, device: &Device) -> Result<Batch> {
        let count = random.len();
        let mut input = Vec::with_capacity(2 * self.length * count);
        let mut target = Vec::with_capacity(count);
        for mut random in random {
            target.push(self.push(&mut random, &mut input));
        }
        let input = Tensor::from_vec(input, (count, self.length, 2), device)?;
        Ok(Batch::new(input, Tensor::from_vec(target, (count, 1), device)?))
    }

    fn sizes(&self) -> Vec<usize> {
        vec![self.length]
    }
}

impl Adding {
    /// Appends the steps of a sample, a value and a marker each, and returns their target.
    fn push(&self, random: &mut ChaCha8Rng, input: &mut Vec<f64>) -> f64 {
        let half = self.length / 2;
        let mut marker = |from: usize, to: usize| random.random_range(from as u32..to as u32);
        let marked = [marker(0, half), marker(half, self.length)].map(|step| step as usize);
        let mut sum = 0.0;
        for step in 0..self.length {
            let value = random.random::<f64>();
            let is_marked = marked.contains(&step);
            if is_marked {
                sum += value;
            }
            input.extend([value, f64::from(u8::from(is_marked))]);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::tasks::samples::random;

    fn drawn(length: usize, index: u64) -> (Vec<[f64; 2]>, f64) {
        let task = Adding::new(&TaskOptions { length: Some(length), ..Default::default() });
        let mut random = random(Adding::PURPOSE, Part::Train, 1, index);
        let mut input = Vec::new();
        let target = task.unwrap().push(&mut random, &mut input);
        (input.chunks(2).map(|step| [step[0], step[1]]).collect(), target)
    }

    #[test]
    fn the_target_is_the_sum_of_the_two_marked_values() {
        for length in [2, 3, 10, 101] {
            let mut seen = vec![false; length];
            for index in 0..600 {
                let (steps, target) = drawn(length, index);
                assert_eq!(steps.len(), length);
                assert!(steps.iter().all(|[value, _]| (0.0..1.0).contains(value)));
                let marked: Vec<usize> = (0..length).filter(|&at| steps[at][1] == 1.0).collect();
                assert!(steps.iter().all(|[_, marker]| [0.0, 1.0].contains(marker)));
                let [first, second] = marked[..] else { panic!("{marked:?}") };
                assert!(first < length / 2 && second >= length / 2, "{marked:?} of {length}");
                assert_eq!(target, steps[first][0] + steps[second][0]);
                marked.iter().for_each(|&at| seen[at] = true);
            }
            assert!(seen.iter().all(|&seen| seen), "every step is marked now and then");
        }
    }

    #[test]
    fn always_answering_1_has_an_error_of_a_sixth() {
        let errors = (0..20_000).map(|index| (drawn(2, index).1 - 1.0).powi(2));
        let mean = errors.sum::<f64>() / 20_000.0;
        assert!((mean - 1.0 / 6.0).abs() < 0.005, "{mean}");
    }
}
