//! The most popular items.

use super::baseline::Baseline;
use super::histories::Histories;

/// Recommends what was taken most often in training, whatever the session: the score of an item is the share of its
/// steps, each item counted once more than it was taken, so that none has the probability 0.
pub(super) struct Popularity {
    probabilities: Vec<f64>,
}

impl Popularity {
    /// Of a catalogue of so many items.
    pub(super) fn train(train: &Histories, items: usize) -> Popularity {
        let mut counts = vec![1u64; items];
        let mut total = items as u64;
        for (_, item) in train.steps(0) {
            counts[item as usize] += 1;
            total += 1;
        }
        let share = |count: u64| count as f64 / total as f64;
        Popularity { probabilities: counts.into_iter().map(share).collect() }
    }
}

impl Baseline for Popularity {
    fn name(&self) -> String {
        "popularity".into()
    }

    fn scores(&self, _: &[u32], scores: &mut [f64]) {
        scores.iter_mut().zip(&self.probabilities).for_each(|(score, &of_item)| *score = of_item);
    }

    fn are_probabilities(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{IGN, Rows};
    use super::*;

    #[test]
    fn it_counts_what_was_taken_next() {
        // The first item of a session was taken before it, and an ignored target was counted elsewhere.
        let rows = vec![(vec![2, 0, 0], vec![0, 0, 1]), (vec![0, 1], vec![IGN, 0])];
        let train = Histories::read(&Rows::with_targets(3, rows)).unwrap();
        let mut scores = [0.0; 3];
        Popularity::train(&train, 3).scores(&[1], &mut scores);
        assert_eq!(scores, [4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0]);
    }
}
