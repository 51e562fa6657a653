//! Bits a token.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::likelihood::Likelihood;
use super::metric::{Direction, Metric, MetricInfo, Unit};
use crate::error::Result;

/// The mean negative log-likelihood of a target token or item in bits: per character where tokens are characters, per
/// byte where they are bytes.
pub(super) struct Bits(Likelihood);

impl Bits {
    pub(super) fn new(target: &TargetSchema) -> Option<Bits> {
        Likelihood::new(target).map(Bits)
    }
}

impl Metric for Bits {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("bits", "bits per token", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.0.update("bits", prediction, target)
    }

    fn value(&self) -> f64 {
        self.0.mean() / std::f64::consts::LN_2
    }

    fn save(&self) -> Value {
        self.0.save()
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.0.restore(saved)
    }
}
