//! Root mean square error.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::metric::{Breakdown, Direction, Metric, MetricInfo, Unit};
use super::values::{by_value, for_each_value, mean, restored, value_names};
use crate::error::Result;

/// The root of the mean of the squared differences of prediction and target, in the targets' own unit; of
/// several values, the mean of their roots.
pub(super) struct RootMeanSquareError {
    names: Vec<String>,
    /// Of each value: how many targets, and the sum of squared differences.
    sums: Vec<(u64, f64)>,
}

impl RootMeanSquareError {
    pub(super) fn new(target: &TargetSchema) -> Option<RootMeanSquareError> {
        let names = value_names(target)?;
        Some(RootMeanSquareError { sums: vec![(0, 0.0); names.len()], names })
    }

    fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        self.sums.iter().map(|&(count, sum)| (sum / count as f64).sqrt())
    }
}

impl Metric for RootMeanSquareError {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("rmse", "RMSE", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for_each_value("rmse", prediction, target, |index, predicted, target| {
            if let Some((count, sum)) = self.sums.get_mut(index) {
                *count += 1;
                *sum += (predicted - target).powi(2);
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

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.sums = restored(saved)?;
        self.sums.resize(self.names.len(), (0, 0.0));
        Ok(())
    }
}
