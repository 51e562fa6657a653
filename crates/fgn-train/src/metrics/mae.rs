//! Mean absolute error.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::metric::{Breakdown, Direction, Metric, MetricInfo, Unit};
use super::values::{by_value, for_each_value, mean, restored, value_names};
use crate::error::Result;

/// The mean of the absolute differences of prediction and target, in the targets' own unit.
pub(super) struct MeanAbsoluteError {
    names: Vec<String>,
    /// Of each value: how many targets, and the sum of absolute differences.
    sums: Vec<(u64, f64)>,
}

impl MeanAbsoluteError {
    pub(super) fn new(target: &TargetSchema) -> Option<MeanAbsoluteError> {
        let names = value_names(target)?;
        Some(MeanAbsoluteError { sums: vec![(0, 0.0); names.len()], names })
    }

    fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        self.sums.iter().map(|&(count, sum)| sum / count as f64)
    }
}

impl Metric for MeanAbsoluteError {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("mae", "MAE", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for_each_value("mae", prediction, target, |index, predicted, target| {
            if let Some((count, sum)) = self.sums.get_mut(index) {
                *count += 1;
                *sum += (predicted - target).abs();
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
