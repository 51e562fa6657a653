//! Perplexity of a model of tokens.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::likelihood::Likelihood;
use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::values::summed;
use crate::error::Result;

/// `exp` of the mean negative log-likelihood of a target token or item in nats: a model that chooses among so many
/// equally likely ones has the same.
pub(super) struct Perplexity(Likelihood);

impl Perplexity {
    pub(super) fn new(target: &TargetSchema) -> Option<Perplexity> {
        Likelihood::new(target).map(Perplexity)
    }
}

impl Metric for Perplexity {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("perplexity", "perplexity", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.0.update("perplexity", prediction, target)
    }

    fn value(&self) -> f64 {
        self.0.mean().exp()
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
