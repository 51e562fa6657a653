//! Recall at K, of the item that comes next.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::rank_counts::RankCounts;
use super::ranks::at_k;
use crate::error::Result;

/// The share of targets whose rank among all items is at most `K`, 0 to 1. Each step has one target, so this is the hit
/// rate too.
pub(super) struct Recall {
    k: usize,
    ranks: RankCounts,
}

impl Recall {
    pub(super) fn new(target: &TargetSchema, k: usize) -> Option<Recall> {
        Some(Recall { k, ranks: RankCounts::new("recall", k, target)? })
    }
}

impl Metric for Recall {
    fn info(&self) -> MetricInfo {
        let label = at_k("Recall", self.k);
        MetricInfo::new(self.ranks.name(), &label, Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.ranks.update(prediction, target)
    }

    fn value(&self) -> f64 {
        self.ranks.mean(|_| 1.0)
    }

    fn save(&self) -> Value {
        self.ranks.save()
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.ranks.restore(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranks::tests::check;
    use super::*;

    #[test]
    fn it_is_that_of_its_definition() {
        for k in [1, 3, 20] {
            let mean = |ranks: &[usize]| {
                ranks.iter().filter(|&&rank| rank <= k).count() as f64 / ranks.len() as f64
            };
            let make =
                |target: &TargetSchema| Some(Box::new(Recall::new(target, k)?) as Box<dyn Metric>);
            check(make, k, |all| mean(&all.ranks));
        }
    }
}
