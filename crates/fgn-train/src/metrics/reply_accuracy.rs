//! Reply accuracy: the share of replies all of whose tokens have the largest logit.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::tokens::{Share, hits};
use super::values::summed;
use crate::error::Result;

/// The share of replies all of whose tokens have the largest logit, 0 to 1. A reply is a run of targets of a sample
/// that count, between others that are ignored, or the sample's ends: a reply that goes on in another sample counts
/// as two. As for the exact match of a sample, this is the share of replies that greedy search gives.
pub(super) struct ReplyAccuracy(Share);

impl ReplyAccuracy {
    pub(super) fn new(target: &TargetSchema) -> Option<ReplyAccuracy> {
        let is_next = matches!(target, TargetSchema::NextToken { .. });
        is_next.then(|| ReplyAccuracy(Share::default()))
    }
}

impl Metric for ReplyAccuracy {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("reply_accuracy", "reply accuracy", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for hits in hits("reply_accuracy", prediction, target)? {
            let replies = hits.split(Option::is_none).filter(|reply| !reply.is_empty());
            replies.for_each(|reply| self.0.add(reply.iter().all(|hit| *hit == Some(true))));
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.0.value()
    }

    fn save(&self) -> Value {
        self.0.save()
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.0.restore(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::{VOCABULARY, add, refuses_others, sequences};
    use super::*;

    #[test]
    fn runs_of_targets_that_count_are_replies() {
        let target = TargetSchema::NextToken { vocabulary: VOCABULARY };
        let mut metric = ReplyAccuracy::new(&target).unwrap();
        assert!(metric.value().is_nan());
        // Of the first sample, a right reply and a wrong one; of the second, a right one that the length cuts.
        add(
            &mut metric,
            &[[0, 1, 2, 0, 3, 3], [1, 1, 0, 0, 0, 0]],
            &[[9, 1, 2, 9, 3, 2], [1, 1, 3, 3, 3, 3]],
            &[6, 2],
        );
        assert_eq!(metric.value(), 2.0 / 3.0);
        let mut other = ReplyAccuracy::new(&target).unwrap();
        other.restore(&metric.save()).unwrap();
        // Nothing but ignored targets; then a wrong reply between right ones.
        add(&mut other, &[[1, 1, 1, 1, 1]], &[[9, 9, 9, 9, 9]], &[5]);
        add(&mut other, &[[1, 0, 2, 0, 3]], &[[1, 9, 1, 9, 3]], &[5]);
        assert_eq!(other.value(), 4.0 / 6.0);
        assert!(refuses_others(&mut other));
        assert!(ReplyAccuracy::new(&sequences()).is_none());
    }
}
