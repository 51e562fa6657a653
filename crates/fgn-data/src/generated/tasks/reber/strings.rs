//! Strings of the embedded Reber grammar end to end, any steps of which are computed when they are asked for.

use std::ops::Range;

use rand::Rng;

use super::grammar::State;
use crate::fingerprint::Fingerprinter;
use crate::generated::tasks::samples::{Part, Sequence, random};

/// Strings of a block, which has a generator of its own. Strings differ in length, so that a step is found by the
/// lengths of the blocks before it.
const BLOCK: u32 = 64;

/// Strings end to end.
#[derive(Debug)]
pub(super) struct Strings {
    part: Part,
    seed: u64,
    count: u32,
    /// The first step of each block, and how many steps there are in all.
    starts: Vec<u64>,
}

impl Strings {
    /// `count` strings of a part that `seed` draws. They are computed once, for their lengths.
    pub(super) fn new(part: Part, seed: u64, count: u32) -> Strings {
        let mut strings = Strings { part, seed, count, starts: vec![0] };
        let mut steps = 0;
        for block in 0..count.div_ceil(BLOCK) as usize {
            steps += strings.block(block).input.len() as u64;
            strings.starts.push(steps);
        }
        strings
    }

    /// How many steps there are.
    pub(super) fn steps(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The steps in a range: each a symbol, and the set of symbols that may follow it.
    pub(super) fn read(&self, steps: Range<u64>) -> Sequence {
        let mut found = Sequence { input: Vec::new(), target: Vec::new() };
        // The last block that begins at the first step or before it.
        let first = self.starts.partition_point(|&start| start <= steps.start).saturating_sub(1);
        let blocks = self.starts.windows(2).enumerate().skip(first);
        for (block, bounds) in blocks.take_while(|(_, bounds)| bounds[0] < steps.end) {
            let all = self.block(block);
            let within = |step: u64| (step.clamp(bounds[0], bounds[1]) - bounds[0]) as usize;
            let range = within(steps.start)..within(steps.end);
            found.input.extend(&all.input[range.clone()]);
            found.target.extend(&all.target[range]);
        }
        found
    }

    /// All steps of a block.
    fn block(&self, block: usize) -> Sequence {
        let mut random = random(*b"reber..", self.part, self.seed, block as u64);
        let left = self.count.saturating_sub(block as u32 * BLOCK).min(BLOCK);
        let mut found = Sequence { input: Vec::new(), target: Vec::new() };
        for _ in 0..left {
            let mut state = State::Start;
            loop {
                let (symbol, next) = state.arcs()[random.random_range(0..2_u32) as usize];
                found.input.push(symbol);
                found.target.push(next.set());
                state = next;
                if state == State::Start {
                    break;
                }
            }
        }
        found
    }

    /// Adds what the strings follow from.
    pub(super) fn fingerprint(&self, content: &mut Fingerprinter) {
        for number in [self.part as u64, self.seed, self.count.into()] {
            content.number(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::grammar::{SETS, SYMBOLS};
    use super::*;

    fn all(part: Part, seed: u64, count: u32) -> (Strings, Sequence) {
        let strings = Strings::new(part, seed, count);
        let whole = strings.read(0..strings.steps());
        (strings, whole)
    }

    /// Takes a string of the Reber grammar from the front of a text, naively: by what each symbol permits after the
    /// ones before it. Returns the rest, and of each symbol the symbols that may follow it.
    fn reber(text: &str) -> (&str, Vec<&'static str>) {
        let mut node = 'b';
        let mut sets = Vec::new();
        for (at, symbol) in text.char_indices() {
            node = match (node, symbol) {
                ('b', 'B') => 'o',
                ('o', 'T') | ('s', 'S') => 's',
                ('o', 'P') | ('t', 'T') | ('x', 'X') => 't',
                ('s', 'X') | ('p', 'P') => 'x',
                ('t', 'V') => 'p',
                ('x', 'S') | ('p', 'V') => 'e',
                ('e', 'E') => return (&text[at + 1..], sets),
                _ => panic!("{symbol} at {node} in {text:.40}"),
            };
            sets.push(match node {
                'o' => "T P",
                's' | 'x' => "S X",
                't' => "T V",
                'p' => "P V",
                _ => "E",
            });
        }
        panic!("no end");
    }

    #[test]
    fn strings_are_legal_and_each_target_names_what_may_follow() {
        let (_, whole) = all(Part::Train, 1, 500);
        let text: String = whole.input.iter().map(|&symbol| SYMBOLS[symbol as usize]).collect();
        let found: Vec<&str> = whole.target.iter().map(|&set| SETS[set as usize].0).collect();
        let mut expected = Vec::new();
        let (mut rest, mut count) = (&text[..], 0);
        while !rest.is_empty() {
            let outer = &rest[1..2];
            assert!(rest.starts_with('B') && ["T", "P"].contains(&outer));
            let (behind, inner) = reber(&rest[2..]);
            assert_eq!(&behind[..2], &format!("{outer}E"), "the second symbol comes again");
            expected.extend(["T P", "B"]);
            expected.extend(inner);
            expected.extend([outer, "E", "B"]);
            (rest, count) = (&behind[2..], count + 1);
        }
        assert_eq!(count, 500);
        assert_eq!(found, expected);
        // What follows a symbol is one of those that its target names.
        for (set, next) in found.iter().zip(&whole.input[1..]) {
            assert!(set.contains(SYMBOLS[*next as usize]));
        }
    }

    #[test]
    fn strings_have_12_symbols_on_average() {
        let (strings, _) = all(Part::Train, 1, 20_000);
        let mean = strings.steps() as f64 / 20_000.0;
        assert!((mean - 12.0).abs() < 0.1, "{mean}");
    }

    #[test]
    fn any_steps_are_those_of_the_whole() {
        let (strings, whole) = all(Part::Test, 7, 200);
        let steps = strings.steps();
        for start in (0..steps).step_by(97) {
            for end in [start, start + 1, start + 50, start + 1_500, steps] {
                let end = end.min(steps);
                let found = strings.read(start..end);
                let range = start as usize..end as usize;
                assert_eq!(found.input, whole.input[range.clone()]);
                assert_eq!(found.target, whole.target[range]);
            }
        }
    }

    #[test]
    fn parts_and_seeds_differ_and_a_longer_part_begins_alike() {
        let of = |part, seed| all(part, seed, 64).1.input;
        let distinct: BTreeSet<Vec<u32>> =
            Part::ALL.into_iter().flat_map(|part| [1, 2].map(|seed| of(part, seed))).collect();
        assert_eq!(distinct.len(), 6);
        let (_, longer) = all(Part::Train, 1, 1_000);
        assert!(longer.input.starts_with(&of(Part::Train, 1)));
    }

    #[test]
    fn what_only_the_current_symbol_says_is_little() {
        // The best answer to a symbol is the set that follows it most often: 6.5 steps of 12 are right then. With all of
        // the string but its second symbol 23 of 24 are.
        let (_, whole) = all(Part::Train, 1, 20_000);
        let mut counts = [[0_u32; 8]; 7];
        for (&symbol, &set) in whole.input.iter().zip(&whole.target) {
            counts[symbol as usize][set as usize] += 1;
        }
        let right: u32 = counts.iter().map(|sets| sets.iter().max().copied().unwrap_or(0)).sum();
        let share = f64::from(right) / whole.input.len() as f64;
        assert!((share - 6.5 / 12.0).abs() < 0.005, "{share}");
        let is_recalled = |set: &&u32| ["T", "P"].contains(&SETS[**set as usize].0);
        let recalled = whole.target.iter().filter(is_recalled).count() as f64;
        assert!((recalled / whole.input.len() as f64 - 1.0 / 12.0).abs() < 0.001);
    }
}
