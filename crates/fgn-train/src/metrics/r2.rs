//! The coefficient of determination, R².

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::metric::{Breakdown, Direction, Metric, MetricInfo, Unit};
use super::values::{by_value, for_each_value, mean, restored, value_names};
use crate::error::Result;

/// The share of the targets' variance that the predictions explain, at most 1; a model that always predicts the
/// mean has 0. Of several values it is their mean. NaN where all targets are the same.
pub(super) struct R2 {
    names: Vec<String>,
    sums: Vec<Sums>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Sums {
    count: u64,
    /// Of the differences of prediction and target.
    squares: f64,
    /// The targets' mean, and the sum of their squared differences from it (Welford 1962).
    mean: f64,
    spread: f64,
}

impl R2 {
    pub(super) fn new(target: &TargetSchema) -> Option<R2> {
        let names = value_names(target)?;
        Some(R2 { sums: vec![Sums::default(); names.len()], names })
    }

    fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        let share = |sums: &Sums| match sums.spread > 0.0 {
            true => 1.0 - sums.squares / sums.spread,
            false => f64::NAN,
        };
        self.sums.iter().map(share)
    }
}

impl Metric for R2 {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("r2", "R²", Direction::Higher, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for_each_value("r2", prediction, target, |index, predicted, target| {
            if let Some(sums) = self.sums.get_mut(index) {
                sums.count += 1;
                sums.squares += (predicted - target).powi(2);
                let before = target - sums.mean;
                sums.mean += before / sums.count as f64;
                sums.spread += before * (target - sums.mean);
            }
        })
    }

    fn value(&self) -> f64 {
        mean(self.values())
    }

    fn breakdown(&self) -> Option<Breakdown> {
        Some(by_value(&self.info(), &self.names, self.values()))
    }

    fn save(&self) -> Value {
        json!(self.sums)
    }

    /// Means and spreads of two parts are those of the whole after Chan, Golub & LeVeque (1983).
    fn merge(&mut self, saved: &Value) -> Result<()> {
        let mut others: Vec<Sums> = restored(saved)?;
        others.resize(self.names.len(), Sums::default());
        for (sums, other) in self.sums.iter_mut().zip(others) {
            let (count, before) = (sums.count + other.count, other.mean - sums.mean);
            if other.count > 0 {
                let share = other.count as f64 / count as f64;
                sums.squares += other.squares;
                sums.spread += other.spread + before * before * sums.count as f64 * share;
                sums.mean += before * share;
                sums.count = count;
            }
        }
        Ok(())
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.sums = restored(saved)?;
        self.sums.resize(self.names.len(), Sums::default());
        Ok(())
    }
}
