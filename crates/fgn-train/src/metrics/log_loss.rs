//! Log loss of a classifier.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::classes::{class_names, for_each_row};
use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::values::{restored, summed};
use crate::error::Result;

/// The mean negative log-likelihood of the targets' classes, in nats: the cross entropy, each target with the same
/// weight, whatever weights and smoothing the loss has.
pub(super) struct LogLoss {
    classes: usize,
    nats: f64,
    targets: u64,
}

impl LogLoss {
    pub(super) fn new(target: &TargetSchema) -> Option<LogLoss> {
        Some(LogLoss { classes: class_names(target)?.len(), nats: 0.0, targets: 0 })
    }
}

impl Metric for LogLoss {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("log_loss", "log loss", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for_each_row::<f64>("log_loss", self.classes, prediction, target, |logits, target| {
            self.nats += log_sum_exp(logits) - logits[target];
            self.targets += 1;
        })
    }

    fn value(&self) -> f64 {
        self.nats / self.targets as f64
    }

    fn save(&self) -> Value {
        json!([self.nats, self.targets])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        (self.nats, self.targets) = restored(saved)?;
        Ok(())
    }
}

fn log_sum_exp(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::{classes, drawn, refuses_others, value_of};
    use super::*;

    fn metric(count: usize) -> Box<dyn Metric> {
        Box::new(LogLoss::new(&classes(count)).unwrap())
    }

    #[test]
    fn it_is_the_mean_surprise() {
        // Probabilities of the targets: 3/4 and 1/2.
        let rows = vec![(vec![0.0, 3f32.ln()], 1), (vec![2.0, 2.0], 0)];
        let found = value_of(|| metric(2), &rows);
        let expected = ((4.0f64 / 3.0).ln() + 2f64.ln()) / 2.0;
        assert!((found - expected).abs() < 1e-7, "{found} for {expected}");
        let rows = drawn(5, 7, 30);
        let nats = rows.iter().map(|(logits, target)| {
            let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit).exp()).collect();
            -(powers[*target as usize] / powers.iter().sum::<f64>()).ln()
        });
        let expected = nats.sum::<f64>() / 30.0;
        let found = value_of(|| metric(7), &rows);
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        refuses_others(&mut *metric(3), 3);
    }

    #[test]
    fn large_logits_have_a_finite_loss() {
        assert_eq!(value_of(|| metric(2), &vec![(vec![1e4, -1e4], 1)]), 2e4);
        assert_eq!(value_of(|| metric(2), &vec![(vec![1e4, -1e4], 0)]), 0.0);
    }
}
