//! Mean absolute error.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Breakdown, Direction, Metric, MetricInfo, Unit};
use super::values::{ErrorSums, by_value, mean, summed};
use crate::error::Result;

/// The mean of the absolute differences of prediction and target, in the targets' own unit.
pub(super) struct MeanAbsoluteError(ErrorSums);

impl MeanAbsoluteError {
    pub(super) fn new(target: &TargetSchema) -> Option<MeanAbsoluteError> {
        ErrorSums::new(target).map(MeanAbsoluteError)
    }

    fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        self.0.means()
    }
}

impl Metric for MeanAbsoluteError {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("mae", "MAE", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.0.update("mae", prediction, target, f64::abs)
    }

    fn value(&self) -> f64 {
        mean(self.values())
    }

    fn breakdown(&self) -> Option<Breakdown> {
        Some(by_value(&self.info(), self.0.names(), self.values()))
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
