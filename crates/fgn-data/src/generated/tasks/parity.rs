//! Parity, and sums modulo a number: after each step the sum of all digits so far is to be predicted.
//!
//! Training is on short sequences, the test on longer ones, so that it shows whether a model has learned the rule
//! rather than the lengths. The number of states that it must track is the modulus.

use candle_core::Device;
use fgn_schema::{Batch, InputSchema, MAX_SIZE, Schema, TargetSchema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::options::{LENGTH, MODULUS, TEST_LENGTH, TaskOptions, within};
use super::samples::{Part, Sequence, Task, batch};
use crate::error::Result;

/// Steps of the shortest sample.
const SHORTEST: usize = 3;

/// The task.
#[derive(Debug)]
pub(crate) struct Parity {
    length: usize,
    test_length: usize,
    modulus: usize,
}

impl Task for Parity {
    const NAME: &'static str = "parity";
    const PURPOSE: [u8; 7] = *b"parity.";
    const SAMPLES: [u32; 3] = [20_000, 1_000, 1_000];

    fn new(options: &TaskOptions) -> Result<Parity> {
        options.check_known(Self::NAME, &[LENGTH, TEST_LENGTH, MODULUS])?;
        let what = "steps of the longest sample of training";
        let length = within(LENGTH, options.length, 40, SHORTEST..=MAX_SIZE, what)?;
        let what = "steps of a sample of the test part";
        let test_length = within(TEST_LENGTH, options.test_length, 256, 1..=MAX_SIZE, what)?;
        let what = "for the digits from 0 to one less";
        let modulus = within(MODULUS, options.modulus, 2, 2..=MAX_SIZE, what)?;
        Ok(Parity { length, test_length, modulus })
    }

    fn schema(&self) -> Schema {
        let names = (0..self.modulus).map(|digit| digit.to_string()).collect();
        let target = TargetSchema::Class { names, per_step: true };
        Schema::new(InputSchema::tokens(self.modulus), target)
    }

    fn draw(&self, part: Part, random: Vec<ChaCha8Rng>, device: &Device) -> Result<Batch> {
        batch(random.into_iter().map(|random| self.sequence(part, random)).collect(), device)
    }

    fn sizes(&self) -> Vec<usize> {
        vec![self.length, self.test_length, self.modulus]
    }
}

impl Parity {
    fn sequence(&self, part: Part, mut random: ChaCha8Rng) -> Sequence {
        let steps = match part {
            Part::Train | Part::Valid => {
                random.random_range(SHORTEST as u32..=self.length as u32) as usize
            }
            Part::Test => self.test_length,
        };
        let modulus = self.modulus as u32;
        let input: Vec<u32> = (0..steps).map(|_| random.random_range(0..modulus)).collect();
        let mut sum = 0;
        let mut add = |&digit: &u32| {
            sum = (sum + digit) % modulus;
            sum
        };
        let target = input.iter().map(&mut add).collect();
        Sequence { input, target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::tasks::samples::random;

    #[test]
    fn each_target_is_the_sum_so_far() {
        for modulus in [2, 3, 10] {
            let task = Parity { length: 12, test_length: 50, modulus };
            let mut lengths = Vec::new();
            for index in 0..300 {
                for part in Part::ALL {
                    let found = task.sequence(part, random(Parity::PURPOSE, part, 1, index));
                    let Sequence { input, target } = found;
                    for (step, &class) in target.iter().enumerate() {
                        let sum: usize = input[..=step].iter().map(|&digit| digit as usize).sum();
                        assert_eq!(class as usize, sum % modulus);
                    }
                    assert!(input.iter().all(|&digit| (digit as usize) < modulus));
                    assert_eq!(input.len(), target.len());
                    match part {
                        Part::Test => assert_eq!(input.len(), 50),
                        _ => lengths.push(input.len()),
                    }
                }
            }
            lengths.sort_unstable();
            lengths.dedup();
            assert_eq!(lengths, (3..=12).collect::<Vec<_>>());
        }
    }
}
