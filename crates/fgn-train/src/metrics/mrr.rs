//! Mean reciprocal rank at K.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::rank_counts::RankCounts;
use super::ranks::at_k;
use crate::error::Result;

/// The mean of 1 / rank over the targets, where a rank beyond `K` counts 0: 1 where all targets come first.
pub(super) struct MeanReciprocalRank {
    k: usize,
    ranks: RankCounts,
}

impl MeanReciprocalRank {
    pub(super) fn new(target: &TargetSchema, k: usize) -> Option<MeanReciprocalRank> {
        Some(MeanReciprocalRank { k, ranks: RankCounts::new("mrr", k, target)? })
    }
}

impl Metric for MeanReciprocalRank {
    fn info(&self) -> MetricInfo {
        let label = at_k("MRR", self.k);
        MetricInfo::new(self.ranks.name(), &label, Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.ranks.update(prediction, target)
    }

    fn value(&self) -> f64 {
        self.ranks.mean(|rank| 1.0 / rank)
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
                let within = ranks.iter().filter(|&&rank| rank <= k);
                within.map(|&rank| 1.0 / rank as f64).sum::<f64>() / ranks.len() as f64
            };
            let make = |target: &TargetSchema| {
                Some(Box::new(MeanReciprocalRank::new(target, k)?) as Box<dyn Metric>)
            };
            check(make, k, |all| mean(&all.ranks));
        }
    }
}
