//! What the metrics that are means over ranks share.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::ranks::{at_k, catalogue, ranks};
use super::values::restored;
use crate::error::{Error, Result};

/// How many targets have each of the first ranks: from these counts, means over all targets are exact, in whatever
/// order the targets were read.
pub(super) struct RankCounts {
    /// The metric's name.
    name: String,
    /// How many items there are.
    items: usize,
    targets: u64,
    /// Of the targets of rank 1, 2, …, up to the last rank that counts.
    at: Vec<u64>,
}

impl RankCounts {
    /// For the metric `name` of the best `k` items; `None` where the targets are no items.
    pub(super) fn new(name: &str, k: usize, target: &TargetSchema) -> Option<RankCounts> {
        let items = catalogue(target)?.len();
        Some(RankCounts { name: at_k(name, k), items, targets: 0, at: vec![0; k.min(items)] })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for rank in ranks(&self.name, self.items, prediction, target)? {
            self.targets += 1;
            if let Some(count) = self.at.get_mut(rank - 1) {
                *count += 1;
            }
        }
        Ok(())
    }

    /// The mean of `gain(rank)` over all targets, 0 for a rank that does not count; NaN without targets.
    pub(super) fn mean(&self, gain: impl Fn(f64) -> f64) -> f64 {
        let gains =
            self.at.iter().enumerate().map(|(at, &count)| count as f64 * gain((at + 1) as f64));
        gains.sum::<f64>() / self.targets as f64
    }

    pub(super) fn save(&self) -> Value {
        json!([self.targets, self.at])
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        let (targets, at): (u64, Vec<u64>) = restored(saved)?;
        if at.len() != self.at.len() {
            let (found, expected) = (at.len(), self.at.len());
            return Err(Error::MetricState(format!("{found} ranks, expected {expected}")));
        }
        (self.targets, self.at) = (targets, at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranks::tests::{Steps, items, ranking};
    use super::*;

    #[test]
    fn ranks_that_cannot_be_are_refused() {
        let steps = Steps::new(&[vec![1]]);
        let mut metric = RankCounts::new("recall", 1, &items(&[1, 1])).unwrap();
        let ranking = ranking(&steps, &[vec![9.0, 8.0, 7.0, 10.0]], 1);
        let error = metric.update(&ranking, &steps.targets()).unwrap_err().to_string();
        assert_eq!(error, "recall@1 needs ranks from 1 to 2, the ranking has 3 as one");
    }
}
