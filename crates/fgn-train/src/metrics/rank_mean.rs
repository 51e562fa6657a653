//! What the metrics that are means over ranks share.

use std::marker::PhantomData;

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::ranks::{at_k, catalogue, ranks};
use super::values::{restored, summed};
use crate::error::{Error, Result};

/// What a target's rank is worth.
pub(super) trait Gain: Send {
    /// The metric's name and label, without its `K`.
    const NAMES: [&'static str; 2];

    /// Of a target of that rank, which is at most `K`: 1 for the best.
    fn gain(rank: f64) -> f64;
}

/// The mean of a [`Gain`] over all targets, where a rank beyond `K` counts 0. It is computed from how many targets have
/// each of the first ranks, so that it is exact in whatever order the targets were read.
pub(super) struct RankMean<G> {
    name: String,
    label: String,
    /// How many items there are.
    items: usize,
    targets: u64,
    /// Of the targets of rank 1, 2, …, up to the last rank that counts.
    at: Vec<u64>,
    of: PhantomData<G>,
}

impl<G: Gain> RankMean<G> {
    /// Of the best `k` items; `None` where the targets are no items.
    pub(super) fn new(target: &TargetSchema, k: usize) -> Option<RankMean<G>> {
        let items = catalogue(target)?.len();
        let [name, label] = G::NAMES.map(|name| at_k(name, k));
        let at = vec![0; k.min(items)];
        Some(RankMean { name, label, items, targets: 0, at, of: PhantomData })
    }
}

impl<G: Gain> Metric for RankMean<G> {
    fn info(&self) -> MetricInfo {
        MetricInfo::new(&self.name, &self.label, Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for rank in ranks(&self.name, self.items, prediction, target)? {
            self.targets += 1;
            if let Some(count) = self.at.get_mut(rank - 1) {
                *count += 1;
            }
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        let gains =
            (1..).zip(&self.at).map(|(rank, &count)| count as f64 * G::gain(f64::from(rank)));
        gains.sum::<f64>() / self.targets as f64
    }

    fn save(&self) -> Value {
        json!([self.targets, self.at])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
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
    use super::super::recall::Recall;
    use super::*;

    #[test]
    fn ranks_that_cannot_be_are_refused() {
        let steps = Steps::new(&[vec![1]]);
        let mut metric = Recall::new(&items(&[1, 1]), 1).unwrap();
        let ranking = ranking(&steps, &[vec![9.0, 8.0, 7.0, 10.0]], 1);
        let error = metric.update(&ranking, &steps.targets()).unwrap_err().to_string();
        assert_eq!(error, "recall@1 needs ranks from 1 to 2, the ranking has 3 as one");
    }
}
