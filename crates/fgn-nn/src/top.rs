//! The best of many scores, and the rank of one of them, without sorting all.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// How many scores are looked at together: most of them are far below the best.
const TOGETHER: usize = 32;

/// The indices and values of the `count` largest scores, the largest first; of equal ones those with the smaller index.
/// NaN is below every number. Indices for which `is_left_out` holds are left out.
///
/// All scores are read once: time grows with their number, and hardly with `count`.
///
/// ```
/// let best = fgn_nn::top(&[0.1, 0.7, 0.2, 0.7], 2, |index| index == 1);
/// assert_eq!(best, [(3, 0.7), (2, 0.2)]);
/// ```
pub fn top<T: Copy + PartialOrd>(
    scores: &[T],
    count: usize,
    is_left_out: impl Fn(u32) -> bool,
) -> Vec<(u32, T)> {
    let mut best: BinaryHeap<Reverse<Entry<T>>> = BinaryHeap::with_capacity(count + 1);
    for (nth, chunk) in scores.chunks(TOGETHER).enumerate() {
        if let Some(Reverse(Entry(_, least))) = best.peek().filter(|_| best.len() == count)
            && !chunk.iter().fold(false, |any, score| any | (score > least))
        {
            continue;
        }
        for (index, &score) in ((nth * TOGETHER) as u32..).zip(chunk) {
            if !is_left_out(index) {
                offer(&mut best, count, Entry(index, score));
            }
        }
    }
    let sorted = best.into_sorted_vec();
    sorted.into_iter().map(|Reverse(Entry(index, score))| (index, score)).collect()
}

/// The rank of the score at `index` among all, 1 for the largest: of equal scores it is the last. NaN is below every
/// number, and last itself; so is an index out of range.
///
/// ```
/// assert_eq!([0, 1, 2].map(|index| fgn_nn::rank(&[0.2, 0.7, 0.2], index)), [3, 1, 3]);
/// ```
pub fn rank<T: Copy + PartialOrd>(scores: &[T], index: usize) -> usize {
    let own = scores.get(index).filter(|own| own.partial_cmp(own).is_some());
    own.map_or(scores.len(), |own| scores.iter().filter(|&score| score >= own).count())
}

fn offer<T: Copy + PartialOrd>(
    best: &mut BinaryHeap<Reverse<Entry<T>>>,
    count: usize,
    entry: Entry<T>,
) {
    if best.len() < count {
        best.push(Reverse(entry));
    } else if let Some(mut least) = best.peek_mut()
        && entry > least.0
    {
        *least = Reverse(entry);
    }
}

/// An index and its score, in the order of the scores.
#[derive(Clone, Copy)]
struct Entry<T>(u32, T);

impl<T: PartialOrd> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_nan = |score: &T| score.partial_cmp(score).is_none();
        let by_score = self.1.partial_cmp(&other.1);
        let by_score = by_score.unwrap_or_else(|| is_nan(&other.1).cmp(&is_nan(&self.1)));
        by_score.then_with(|| other.0.cmp(&self.0))
    }
}

impl<T: PartialOrd> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: PartialOrd> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: PartialOrd> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    #[test]
    fn the_best_are_those_of_a_sorted_list() {
        let mut generator = Generator::seed_from_u64(3);
        for length in [0, 1, 5, 31, 32, 33, 100, 1000] {
            // Many are equal, and some are NaN.
            let score = |generator: &mut Generator| match generator.next_u64() % 40 {
                0 => f32::NAN,
                _ => (generator.next_u64() % 50) as f32,
            };
            let scores: Vec<f32> = (0..length).map(|_| score(&mut generator)).collect();
            for count in [1, 2, 10, 100, 2000] {
                let is_left_out = |index: u32| index % 7 == 3;
                let mut sorted: Vec<(u32, f32)> = (0..).zip(scores.iter().copied()).collect();
                sorted.retain(|&(index, _)| !is_left_out(index));
                let key = |score: f32| if score.is_nan() { f32::NEG_INFINITY } else { score };
                sorted.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)));
                sorted.truncate(count);
                let indices = |all: &[(u32, f32)]| all.iter().map(|it| it.0).collect::<Vec<_>>();
                let found = top(&scores, count, is_left_out);
                assert_eq!(indices(&found), indices(&sorted), "{length} {count}");
            }
        }
        assert!(top(&[1.0, 2.0], 0, |_| false).is_empty());
    }
}
