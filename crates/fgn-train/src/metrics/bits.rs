//! Bits a token, or a pixel.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::likelihood::Likelihood;
use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::values::summed;
use crate::error::Result;

/// The mean negative log-likelihood of a target token or item in bits: per character where tokens are characters, per
/// byte where they are bytes. Of a pixel they are called bits per dimension.
pub(super) struct Bits {
    likelihood: Likelihood,
    label: &'static str,
}

impl Bits {
    pub(super) fn new(target: &TargetSchema) -> Option<Bits> {
        let label = match target {
            TargetSchema::Pixels { .. } => "bits per dimension",
            _ => "bits per token",
        };
        Some(Bits { likelihood: Likelihood::new(target)?, label })
    }
}

impl Metric for Bits {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("bits", self.label, Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.likelihood.update("bits", prediction, target)
    }

    fn value(&self) -> f64 {
        self.likelihood.mean() / std::f64::consts::LN_2
    }

    fn save(&self) -> Value {
        self.likelihood.save()
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.likelihood.restore(saved)
    }
}
