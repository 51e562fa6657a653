//! Multi-query associative recall (Arora et al. 2023): pairs of a key and a value, then keys again. At each of these the
//! value of the key is to be predicted.
//!
//! As in their code, keys are the tokens `1 .. vocabulary / 2` and values those from `vocabulary / 2` on, all distinct
//! in a sample. The queries are at even distances behind the pairs, near ones more often than far ones: the distance
//! follows a power law with the exponent -0.99. The steps between queries hold any tokens, which ask for nothing.

use candle_core::Device;
use fgn_schema::{Batch, IGNORED, InputSchema, MAX_SIZE, Schema, TargetSchema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::options::{LENGTH, PAIRS, TaskOptions, VOCABULARY, within};
use super::samples::{Part, Sequence, Task, batch, names};
use crate::error::Result;

/// The exponent by which distances are drawn.
const POWER: f64 = 0.01 - 1.0;

/// The task.
#[derive(Debug)]
pub(crate) struct Recall {
    length: usize,
    pairs: usize,
    vocabulary: usize,
}

impl Task for Recall {
    const NAME: &'static str = "recall";
    const PURPOSE: [u8; 7] = *b"recall.";
    const SAMPLES: [u32; 3] = [20_000, 1_000, 3_000];

    fn new(options: &TaskOptions) -> Result<Recall> {
        options.check_known(Self::NAME, &[LENGTH, PAIRS, VOCABULARY])?;
        let what = "steps: a pair takes two, and its query two more";
        let length = within(LENGTH, options.length, 64, 4..=MAX_SIZE, what)?;
        let what = format!("pairs, a quarter of the {length} steps ({LENGTH}) at most");
        let pairs = within(PAIRS, options.pairs, 4, 1..=length / 4, &what)?;
        let what = format!(
            "tokens: half of them are values and the others but one keys, {pairs} ({PAIRS}) or more"
        );
        let fewest = 2 * pairs + 2;
        let vocabulary = within(VOCABULARY, options.vocabulary, 256, fewest..=MAX_SIZE, &what)?;
        Ok(Recall { length, pairs, vocabulary })
    }

    fn schema(&self) -> Schema {
        let names = names('v', self.values()..self.vocabulary);
        let target = TargetSchema::Class { names, per_step: true };
        Schema::new(InputSchema::tokens(self.vocabulary), target)
    }

    fn draw(&self, _: Part, random: Vec<ChaCha8Rng>, device: &Device) -> Result<Batch> {
        batch(random.into_iter().map(|random| self.sequence(random)).collect(), device)
    }

    fn sizes(&self) -> Vec<usize> {
        vec![self.length, self.pairs, self.vocabulary]
    }
}

impl Recall {
    /// The first token that is a value.
    fn values(&self) -> usize {
        self.vocabulary / 2
    }

    fn sequence(&self, mut random: ChaCha8Rng) -> Sequence {
        let first = self.values() as u32;
        let keys = distinct(self.pairs, 1, first, &mut random);
        let values = distinct(self.pairs, first, self.vocabulary as u32, &mut random);
        let mut input: Vec<u32> =
            keys.iter().zip(&values).flat_map(|(&key, &value)| [key, value]).collect();
        let distances = self.distances(&mut random);
        let any = |_| random.random_range(0..self.vocabulary as u32);
        input.extend((input.len()..self.length).map(any));
        let mut target = vec![IGNORED; self.length];
        for ((key, value), distance) in keys.into_iter().zip(values).zip(distances) {
            let step = 2 * (self.pairs + distance);
            input[step] = key;
            target[step] = value - first;
        }
        Sequence { input, target }
    }

    /// How far behind the pairs the query of each is, in twos: distinct distances, drawn one after the other by their
    /// weights. Those with the shortest waiting times, each of a rate that is its weight, are such a draw (Efraimidis &
    /// Spirakis 2006).
    fn distances(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let space = (self.length - 2 * self.pairs) / 2;
        let mut waiting = |distance: usize| {
            let weight = (distance as f64 + 1.0).powf(POWER);
            (-(1.0 - random.random::<f64>()).ln() / weight, distance)
        };
        let mut all: Vec<(f64, usize)> = (0..space).map(&mut waiting).collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        all.into_iter().take(self.pairs).map(|(_, distance)| distance).collect()
    }
}

/// `count` distinct tokens of `from..to`, in random order (Floyd's sample, each new token at a random index).
fn distinct(count: usize, from: u32, to: u32, random: &mut ChaCha8Rng) -> Vec<u32> {
    let mut drawn: Vec<u32> = Vec::with_capacity(count);
    for last in to - count as u32..to {
        let token = random.random_range(from..=last);
        let token = if drawn.contains(&token) { last } else { token };
        let at = random.random_range(0..=drawn.len() as u32) as usize;
        drawn.insert(at, token);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::generated::tasks::samples::random;

    fn drawn(task: &Recall, index: u64) -> Sequence {
        task.sequence(random(Recall::PURPOSE, Part::Train, 1, index))
    }

    #[test]
    fn each_key_is_asked_for_once_and_answered_by_its_value() {
        for (length, pairs, vocabulary) in
            [(4, 1, 4), (64, 4, 256), (128, 8, 256), (256, 16, 256), (8, 2, 7), (64, 16, 34)]
        {
            let task = Recall { length, pairs, vocabulary };
            let TargetSchema::Class { names, .. } = task.schema().target else { panic!() };
            for index in 0..200 {
                let Sequence { input, target } = drawn(&task, index);
                assert_eq!([input.len(), target.len()], [length; 2]);
                assert!(input.iter().all(|&token| (token as usize) < vocabulary));
                let known: HashMap<u32, u32> =
                    input[..2 * pairs].chunks(2).map(|pair| (pair[0], pair[1])).collect();
                assert_eq!(known.len(), pairs, "keys are distinct");
                let mut asked = Vec::new();
                for (step, &class) in
                    target.iter().enumerate().filter(|(_, class)| **class != IGNORED)
                {
                    assert!(step >= 2 * pairs && step % 2 == 0);
                    assert_eq!(names[class as usize], format!("v{}", known[&input[step]]));
                    asked.push(input[step]);
                }
                asked.sort_unstable();
                asked.dedup();
                assert_eq!(asked.len(), pairs, "every key once");
                let half = vocabulary as u32 / 2;
                assert!(known.iter().all(|(key, value)| (1..half).contains(key) && *value >= half));
            }
        }
    }

    #[test]
    fn near_queries_are_more_frequent_and_far_ones_there() {
        let task = Recall { length: 64, pairs: 1, vocabulary: 256 };
        let mut counts = vec![0; 31];
        for index in 0..20_000 {
            let target = drawn(&task, index).target;
            let step = target.iter().position(|&class| class != IGNORED).unwrap();
            counts[(step - 2) / 2] += 1;
        }
        let weights: Vec<f64> = (1..=31).map(|at| f64::from(at).powf(-0.99)).collect();
        let sum: f64 = weights.iter().sum();
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected = 20_000.0 * weight / sum;
            let difference = (f64::from(count) - expected).abs();
            assert!(difference < 5.0 * expected.sqrt(), "{count}, {expected} expected");
        }
    }

    #[test]
    fn distinct_tokens_are_drawn_alike() {
        let mut counts = [[0; 5]; 3];
        for index in 0..10_000 {
            let mut random = random(Recall::PURPOSE, Part::Train, 2, index);
            for (at, token) in distinct(3, 10, 15, &mut random).into_iter().enumerate() {
                counts[at][token as usize - 10] += 1;
            }
        }
        // 2,000 are expected; the standard deviation of a count is 40.
        assert!(
            counts.iter().flatten().all(|count: &i32| (count - 2_000).abs() < 200),
            "{counts:?}"
        );
    }
}
