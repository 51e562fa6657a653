//! Markov chains.

use fgn_nn::NGram;

use super::baseline::Baseline;
use super::histories::Histories;
use crate::error::Result;

/// The highest order that is tried.
const HIGHEST: usize = 5;

/// A Markov chain of order `k`: the probability of the next item by the last `k` items, with the smoothing of
/// [`NGram`], which falls back on shorter histories as far as a longer one is rare.
///
/// Only the items of a session that count are learned. A session has no end here, since a next item is known to follow:
/// what the smoothing leaves to the end token is divided out.
pub(super) struct MarkovChain {
    order: usize,
    model: NGram,
}

impl MarkovChain {
    /// The chain of the order, 1 to 5, under which the validation part is most likely; without one, the last tenth of
    /// the training steps is set aside to choose the order, and then learned too.
    pub(super) fn train(
        train: &Histories,
        valid: Option<&Histories>,
        items: usize,
    ) -> Result<MarkovChain> {
        let Some(valid) = valid else {
            let steps = train.steps(0).count();
            let first = steps - steps / 10;
            let order = MarkovChain::best(items, || {
                let all = train.steps(0);
                (all.take(first), train.steps(0).skip(first))
            })?
            .order;
            return MarkovChain::of_order(order, items, train.steps(0));
        };
        MarkovChain::best(items, || (train.steps(0), valid.steps(0)))
    }

    /// The best of those trained on the first part of `parts`, by the second one.
    fn best<'a, A, B>(items: usize, parts: impl Fn() -> (A, B)) -> Result<MarkovChain>
    where
        A: Iterator<Item = (&'a [u32], u32)>,
        B: Iterator<Item = (&'a [u32], u32)>,
    {
        let mut best: Option<(f64, MarkovChain)> = None;
        for order in 1..=HIGHEST {
            let (train, valid) = parts();
            let chain = MarkovChain::of_order(order, items, train)?;
            let likelihood: f64 =
                valid.map(|(history, item)| chain.probability(history, item).ln()).sum();
            if best.as_ref().is_none_or(|(highest, _)| likelihood > *highest) {
                best = Some((likelihood, chain));
            }
        }
        match best {
            Some((_, chain)) => Ok(chain),
            None => MarkovChain::of_order(1, items, std::iter::empty()),
        }
    }

    fn of_order<'a>(
        order: usize,
        items: usize,
        steps: impl Iterator<Item = (&'a [u32], u32)>,
    ) -> Result<MarkovChain> {
        // The last token of the vocabulary is the end token.
        let mut model = NGram::new(order + 1, items + 1)?;
        for (history, item) in steps {
            model.count(history, item)?;
        }
        Ok(MarkovChain { order, model })
    }

    fn end(&self) -> u32 {
        self.model.vocabulary() as u32 - 1
    }

    /// That `item` comes next.
    fn probability(&self, history: &[u32], item: u32) -> f64 {
        let of_end = self.model.probability(history, self.end());
        self.model.probability(history, item) / (1.0 - of_end)
    }
}

impl Baseline for MarkovChain {
    fn name(&self) -> String {
        format!("Markov chain of order {}", self.order)
    }

    fn scores(&self, history: &[u32], scores: &mut [f64]) {
        let probabilities = self.model.probabilities(history);
        let of_end = probabilities.last().copied().unwrap_or(0.0);
        for (score, probability) in scores.iter_mut().zip(probabilities) {
            *score = probability / (1.0 - of_end);
        }
    }

    fn are_probabilities(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rows, drawn};
    use super::*;

    fn histories(items: usize, sessions: &[Vec<u32>]) -> Histories {
        Histories::read(&Rows::new(items, sessions)).unwrap()
    }

    #[test]
    fn scores_are_the_probabilities_of_the_definition() {
        let sessions = drawn(1, 6, 40);
        let chain = MarkovChain::of_order(2, 6, histories(6, &sessions).steps(0)).unwrap();
        assert_eq!(chain.name(), "Markov chain of order 2");
        // What follows a context in all sessions; a session's first item follows none.
        let following = |context: &[u32]| {
            let mut all = Vec::new();
            for session in &sessions {
                let ends = (1..session.len()).filter(|&end| session[..end].ends_with(context));
                all.extend(ends.map(|end| session[end]));
            }
            all
        };
        for history in [&[3, 0, 1][..], &[0, 0], &[5, 5], &[1, 4]] {
            let mut expected = [1.0 / 7.0; 7];
            for length in 0..=2 {
                let after = following(&history[history.len() - length..]);
                let distinct = (0..6).filter(|item| after.contains(item)).count() as f64;
                if after.is_empty() {
                    break;
                }
                for (item, probability) in (0..).zip(&mut expected) {
                    let count = after.iter().filter(|&&other| other == item).count() as f64;
                    *probability =
                        (count + distinct * *probability) / (after.len() as f64 + distinct);
                }
            }
            let of_items: f64 = expected[..6].iter().sum();
            let mut scores = [0.0; 6];
            chain.scores(history, &mut scores);
            assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for item in 0..6 {
                let expected = expected[item] / of_items;
                assert!((scores[item] - expected).abs() < 1e-12, "{history:?} {item}");
                assert_eq!(scores[item], chain.probability(history, item as u32));
            }
        }
    }

    #[test]
    fn the_order_is_that_of_the_sequences() {
        // The next item is as a rule the sum of the last two, so that one alone says little.
        let mut generator = fgn_nn::Generator::seed_from_u64(2);
        let session = |_| {
            let mut items: Vec<u32> = Vec::new();
            for at in 0..12 {
                let drawn = (5.0 * generator.next_f64()) as u32;
                items.push(match at < 2 || generator.next_f64() < 0.3 {
                    true => drawn,
                    false => (items[at - 1] + items[at - 2]) % 5,
                });
            }
            items
        };
        let sessions: Vec<_> = (0..300).map(session).collect();
        let (train, valid) = (histories(5, &sessions[..250]), histories(5, &sessions[250..]));
        assert_eq!(MarkovChain::train(&train, Some(&valid), 5).unwrap().order, 2);
        let chain = MarkovChain::train(&train, None, 5).unwrap();
        assert_eq!(chain.order, 2);
        let again = MarkovChain::of_order(2, 5, train.steps(0)).unwrap();
        assert_eq!(chain.model, again.model, "the last tenth is learned too");
        // Where no item depends on another, the shortest history is the best.
        let independent = histories(5, &drawn(3, 5, 300));
        assert_eq!(MarkovChain::train(&independent, None, 5).unwrap().order, 1);
    }

    #[test]
    fn of_no_step_all_items_are_equally_likely() {
        let nothing = Histories::default();
        let mut scores = [0.0; 4];
        MarkovChain::train(&nothing, None, 4).unwrap().scores(&[1], &mut scores);
        assert_eq!(scores, [0.25; 4]);
    }
}
