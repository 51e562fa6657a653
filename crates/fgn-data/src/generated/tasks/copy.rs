//! The copy task (Hochreiter & Schmidhuber 1997; in this form Arjovsky, Shah & Bengio 2016): symbols, then blanks, then
//! a delimiter, after which the symbols are to be recalled in their order.
//!
//! The steps are `S` symbols, `length - 1` blanks, the delimiter and `S` blanks: `length + 2 S` in all. Only the last
//! `S` have a target. Published curves count all steps, of which the others are to be answered by a blank: a model
//! without memory has a mean loss of `S ln 8 / (length + 2 S)` there, and of `ln 8` here.

use candle_core::Device;
use fgn_schema::{Batch, IGNORED, InputSchema, MAX_SIZE, Schema, TargetSchema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::options::{LENGTH, SYMBOLS, TaskOptions, within};
use super::samples::{Part, Sequence, Task, batch, names};
use crate::error::Result;

/// The tokens: a blank, the symbols, and the delimiter.
const BLANK: u32 = 0;
const ALPHABET: usize = 8;
const DELIMITER: u32 = ALPHABET as u32 + 1;

/// The task.
#[derive(Debug)]
pub(crate) struct CopyMemory {
    length: usize,
    symbols: usize,
}

impl Task for CopyMemory {
    const NAME: &'static str = "copy";
    const PURPOSE: [u8; 7] = *b"copying";
    const SAMPLES: [u32; 3] = [10_000, 500, 2_000];

    fn new(options: &TaskOptions) -> Result<CopyMemory> {
        options.check_known(Self::NAME, &[LENGTH, SYMBOLS])?;
        let (longest, most) = (MAX_SIZE / 2, MAX_SIZE / 4);
        let what = "steps from the last symbol to the delimiter";
        let length = within(LENGTH, options.length, 100, 1..=longest, what)?;
        let symbols = within(SYMBOLS, options.symbols, 10, 1..=most, "symbols")?;
        Ok(CopyMemory { length, symbols })
    }

    fn schema(&self) -> Schema {
        let names = names('s', 1..ALPHABET + 1);
        let target = TargetSchema::Class { names, per_step: true };
        Schema::new(InputSchema::tokens(ALPHABET + 2), target)
    }

    fn draw(&self, _: Part, random: Vec<ChaCha8Rng>, device: &Device) -> Result<Batch> {
        batch(random.into_iter().map(|random| self.sequence(random)).collect(), device)
    }

    fn sizes(&self) -> Vec<usize> {
        vec![self.length, self.symbols]
    }
}

impl CopyMemory {
    fn sequence(&self, mut random: ChaCha8Rng) -> Sequence {
        let symbol = |_| random.random_range(1..DELIMITER);
        let symbols: Vec<u32> = (0..self.symbols).map(symbol).collect();
        let steps = self.length + 2 * self.symbols;
        let mut input = symbols.clone();
        input.resize(self.symbols + self.length - 1, BLANK);
        input.push(DELIMITER);
        input.resize(steps, BLANK);
        let mut target = vec![IGNORED; steps - self.symbols];
        target.extend(symbols.iter().map(|symbol| symbol - 1));
        Sequence { input, target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::tasks::samples::random;

    #[test]
    fn symbols_are_recalled_after_the_delimiter() {
        for (length, symbols) in [(1, 1), (1, 10), (7, 3), (100, 10)] {
            let task = CopyMemory { length, symbols };
            for index in 0..50 {
                let found = task.sequence(random(CopyMemory::PURPOSE, Part::Train, 1, index));
                let Sequence { input, target } = found;
                assert_eq!([input.len(), target.len()], [length + 2 * symbols; 2]);
                let delimiter = input.iter().position(|&token| token == DELIMITER).unwrap();
                assert_eq!(delimiter, symbols + length - 1);
                assert!(input[..symbols].iter().all(|token| (1..=8).contains(token)));
                assert!(input[symbols..delimiter].iter().all(|&token| token == BLANK));
                assert_eq!(input[delimiter + 1..], vec![BLANK; symbols]);
                assert!(target[..=delimiter].iter().all(|&class| class == IGNORED));
                // The class called `s3` is the token 3.
                let TargetSchema::Class { names, .. } = task.schema().target else { panic!() };
                let named = |&class: &u32| names[class as usize][1..].parse::<u32>().unwrap();
                let recalled: Vec<u32> = target[delimiter + 1..].iter().map(named).collect();
                assert_eq!(recalled, input[..symbols]);
            }
        }
    }
}
