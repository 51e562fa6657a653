//! Exact match: the share of samples whose target is predicted without an error.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::tokens::{Share, are_tokens, hits};
use super::transcripts::Transcripts;
use super::values::summed;
use crate::error::Result;

/// The share of samples whose target is predicted without an error, 0 to 1. For alignments that is: what the most likely
/// classes of all steps stand for is the target. For other predictions: all target tokens have the largest logit;
/// padding and ignored targets do not count, nor does a sample that has no others.
///
/// The model that predicts a sequence has read its tokens up to each step. Where all of them are right, greedy
/// search, which takes the token with the largest logit at each step, would have read the same ones; and where one is
/// not, it would have answered otherwise. So this is the share of samples for which greedy search gives the target.
pub(super) struct ExactMatch {
    share: Share,
    /// For alignments.
    transcripts: Option<Transcripts>,
}

impl ExactMatch {
    pub(super) fn new(target: &TargetSchema) -> Option<ExactMatch> {
        let transcripts = Transcripts::new(target);
        are_tokens(target).then(|| ExactMatch { share: Share::default(), transcripts })
    }
}

impl Metric for ExactMatch {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("exact_match", "exact match", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        if let (Prediction::Alignments(_), Some(transcripts)) = (prediction, &self.transcripts) {
            for pair in transcripts.of("exact_match", prediction, target)? {
                self.share.add(pair.predicted == pair.target);
            }
            return Ok(());
        }
        for hits in hits("exact_match", prediction, target)? {
            if hits.iter().any(Option::is_some) {
                self.share.add(hits.into_iter().flatten().all(|hit| hit));
            }
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.share.value()
    }

    fn save(&self) -> Value {
        self.share.save()
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.share.restore(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::{add, refuses_others, sequences};
    use super::super::transcripts::tests;
    use super::*;

    #[test]
    fn alignments_are_right_if_they_stand_for_the_target() {
        let mut metric = ExactMatch::new(&tests::texts()).unwrap();
        let paths = tests::alignments(&["aa-ab", "ab-", "---", "a-a"]);
        metric.update(&paths, &tests::sequences(&["aab-", "a-", "-", "a-"])).unwrap();
        assert_eq!(metric.value(), 2.0 / 4.0);
    }

    #[test]
    fn samples_are_right_as_a_whole_or_not() {
        let mut metric = ExactMatch::new(&sequences()).unwrap();
        assert!(metric.value().is_nan());
        // The first is wrong in one token, the second only in its padding.
        add(&mut metric, &[[1, 2, 3], [0, 2, 2]], &[[1, 0, 3], [0, 1, 1]], &[3, 1]);
        assert_eq!(metric.value(), 0.5);
        let mut other = ExactMatch::new(&sequences()).unwrap();
        other.restore(&metric.save()).unwrap();
        // Right where it counts, and a sample without a target that counts.
        add(&mut other, &[[1, 2, 3], [1, 2, 3]], &[[9, 2, 9], [9, 9, 9]], &[3, 3]);
        assert_eq!(other.value(), 2.0 / 3.0);
        assert!(refuses_others(&mut other));
        assert!(ExactMatch::new(&TargetSchema::None).is_none());
    }
}
