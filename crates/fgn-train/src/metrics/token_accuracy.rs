//! Token accuracy: the share of target tokens that have the largest logit.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::tokens::{Share, are_tokens, hits};
use super::values::summed;
use crate::error::Result;

/// The share of target tokens that have the largest logit, 0 to 1. Padding and ignored targets do not count.
pub(super) struct TokenAccuracy(Share);

impl TokenAccuracy {
    pub(super) fn new(target: &TargetSchema) -> Option<TokenAccuracy> {
        are_tokens(target).then(|| TokenAccuracy(Share::default()))
    }
}

impl Metric for TokenAccuracy {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("token_accuracy", "token accuracy", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let hits = hits("token_accuracy", prediction, target)?;
        hits.into_iter().flatten().flatten().for_each(|hit| self.0.add(hit));
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
    use super::super::tokens::tests::{add, refuses_others, sequences};
    use super::*;

    #[test]
    fn tokens_that_count_are_counted_over_batches() {
        let mut metric = TokenAccuracy::new(&sequences()).unwrap();
        assert!(metric.value().is_nan());
        // Right: 1 and 3 of the first, none of the second, whose padding would be right.
        add(&mut metric, &[[1, 2, 3], [0, 2, 2]], &[[1, 0, 3], [1, 2, 2]], &[3, 1]);
        assert_eq!(metric.value(), 0.5);
        let mut other = TokenAccuracy::new(&sequences()).unwrap();
        other.restore(&metric.save()).unwrap();
        add(&mut other, &[[1, 2, 3]], &[[9, 2, 9]], &[3]);
        add(&mut other, &[[1]], &[[9]], &[1]);
        assert_eq!(other.value(), 3.0 / 5.0);
        assert!(refuses_others(&mut other));
        assert!(TokenAccuracy::new(&TargetSchema::None).is_none());
    }
}
