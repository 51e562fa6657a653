//! Selective copying (Gu & Dao 2023): symbols at random steps among noise, which are to be recalled in their order at
//! the end.
//!
//! How far apart the symbols are differs from sample to sample, so that a filter of fixed delays does not find them.
//! The steps are `length` symbols and noise, and a step with the token of recall for each symbol. Only the latter have
//! a target.

use candle_core::Device;
use fgn_schema::{Batch, IGNORED, InputSchema, MAX_SIZE, Schema, TargetSchema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::options::{LENGTH, SYMBOLS, TaskOptions, VOCABULARY, within};
use super::samples::{Part, Sequence, Task, batch, names};
use crate::error::Result;

/// The token of noise. Symbols follow, and the last of the vocabulary is the token of recall.
const NOISE: u32 = 0;

/// The task.
#[derive(Debug)]
pub(crate) struct SelectiveCopy {
    length: usize,
    symbols: usize,
    vocabulary: usize,
}

impl Task for SelectiveCopy {
    const NAME: &'static str = "selective-copy";
    const PURPOSE: [u8; 7] = *b"selcopy";
    const SAMPLES: [u32; 3] = [10_000, 500, 2_000];

    fn new(options: &TaskOptions) -> Result<SelectiveCopy> {
        options.check_known(Self::NAME, &[LENGTH, SYMBOLS, VOCABULARY])?;
        let longest = MAX_SIZE / 2;
        let what = "steps of symbols and noise";
        let length = within(LENGTH, options.length, 512, 1..=longest, what)?;
        let what = format!("symbols in {length} steps ({LENGTH})");
        let symbols = within(SYMBOLS, options.symbols, 16, 1..=length, &what)?;
        let what = "tokens: noise, two symbols or more, and the token of recall";
        let vocabulary = within(VOCABULARY, options.vocabulary, 16, 4..=MAX_SIZE, what)?;
        Ok(SelectiveCopy { length, symbols, vocabulary })
    }

    fn schema(&self) -> Schema {
        let names = names('s', 1..self.vocabulary - 1);
        let target = TargetSchema::Class { names, per_step: true };
        Schema::new(InputSchema::tokens(self.vocabulary), target)
    }

    fn draw(&self, _: Part, random: Vec<ChaCha8Rng>, device: &Device) -> Result<Batch> {
        batch(random.into_iter().map(|random| self.sequence(random)).collect(), device)
    }

    fn sizes(&self) -> Vec<usize> {
        vec![self.length, self.symbols, self.vocabulary]
    }
}

impl SelectiveCopy {
    fn sequence(&self, mut random: ChaCha8Rng) -> Sequence {
        let recall = self.vocabulary as u32 - 1;
        let mut input = Vec::with_capacity(self.length + self.symbols);
        let mut target = vec![IGNORED; self.length];
        // Of the steps that are left each is as likely to have one of the symbols that are left.
        let mut missing = self.symbols as u32;
        for left in (1..=self.length as u32).rev() {
            match random.random_range(0..left) < missing {
                true => {
                    let symbol = random.random_range(1..recall);
                    missing -= 1;
                    input.push(symbol);
                    target.push(symbol - 1);
                }
                false => input.push(NOISE),
            }
        }
        input.resize(self.length + self.symbols, recall);
        Sequence { input, target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::tasks::samples::random;

    #[test]
    fn symbols_are_recalled_in_their_order() {
        for (length, symbols, vocabulary) in [(1, 1, 4), (16, 16, 16), (40, 3, 5), (512, 16, 16)] {
            let task = SelectiveCopy { length, symbols, vocabulary };
            let mut seen = vec![false; length];
            for index in 0..500 {
                let found = task.sequence(random(SelectiveCopy::PURPOSE, Part::Test, 1, index));
                let Sequence { input, target } = found;
                assert_eq!([input.len(), target.len()], [length + symbols; 2]);
                let (read, asked) = input.split_at(length);
                let recall = vocabulary as u32 - 1;
                assert!(read.iter().all(|&token| token < recall));
                assert!(asked.iter().all(|&token| token == recall));
                let given: Vec<u32> =
                    read.iter().copied().filter(|&token| token != NOISE).collect();
                assert_eq!(given.len(), symbols);
                assert!(target[..length].iter().all(|&class| class == IGNORED));
                let recalled: Vec<u32> = target[length..].iter().map(|class| class + 1).collect();
                assert_eq!(recalled, given);
                (0..length).for_each(|at| seen[at] |= read[at] != NOISE);
            }
            assert!(seen.iter().all(|&seen| seen), "symbols are everywhere: {task:?}");
        }
    }

    #[test]
    fn every_step_is_as_likely_to_have_a_symbol() {
        let task = SelectiveCopy { length: 20, symbols: 5, vocabulary: 16 };
        let mut counts = [0; 20];
        for index in 0..8_000 {
            let found = task.sequence(random(SelectiveCopy::PURPOSE, Part::Train, 1, index));
            counts
                .iter_mut()
                .zip(&found.input)
                .for_each(|(count, &token)| *count += i32::from(token != 0));
        }
        // 2,000 are expected; the standard deviation of a count is 39.
        assert!(counts.iter().all(|count| (count - 2_000).abs() < 160), "{counts:?}");
    }
}
