//! Exact match: the share of samples all of whose target tokens have the largest logit.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::tokens::{Share, are_tokens, hits};
use crate::error::Result;

/// The share of samples all of whose target tokens have the largest logit, 0 to 1. Padding and ignored targets do not
/// count, nor does a sample that has no others.
///
/// The model that predicts a sequence has read its tokens up to each step. Where all of them are right, greedy
/// search, which takes the token with the largest logit at each step, would have read the same ones; and where one is
/// not, it would have answered otherwise. So this is the share of samples for which greedy search gives the target.
pub(super) struct ExactMatch(Share);

impl ExactMatch {
    pub(super) fn new(target: &TargetSchema) -> Option<ExactMatch> {
        are_tokens(target).then(|| ExactMatch(Share::default()))
    }
}

impl Metric for ExactMatch {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("exact_match", "exact match", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for hits in hits("exact_match", prediction, target)? {
            if hits.iter().any(Option::is_some) {
                self.0.add(hits.into_iter().flatten().all(|hit| hit));
            }
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.0.value()
    }

    fn save(&self) -> Value {
        self.0.save()
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.0.restore(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::{add, refuses_others, sequences};
    use super::*;

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
