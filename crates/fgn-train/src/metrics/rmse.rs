//! Root mean square error.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Breakdown, Direction, Metric, MetricInfo, Unit};
use super::values::{ErrorSums, by_value, mean, summed};
use crate::error::Result;

/// The root of the mean of the squared differences of prediction and target, in the targets' own unit; of
/// several values, the mean of their roots.
pub(super) struct RootMeanSquareError(ErrorSums);

impl RootMeanSquareError {
    pub(super) fn new(target: &TargetSchema) -> Option<RootMeanSquareError> {
        ErrorSums::new(target).map(RootMeanSquareError)
    }

    fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        self.0.means().map(f64::sqrt)
    }
}

impl Metric for RootMeanSquareError {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("rmse", "RMSE", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.0.update("rmse", prediction, target, |error| error.powi(2))
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
