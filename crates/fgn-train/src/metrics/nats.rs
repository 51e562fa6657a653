//! Nats an image.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::likelihood::Likelihood;
use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::values::{restored, summed};
use crate::error::Result;

/// The mean over images of the negative log-likelihood of all their pixels, in nats.
pub(super) struct Nats {
    likelihood: Likelihood,
    images: u64,
}

impl Nats {
    pub(super) fn new(target: &TargetSchema) -> Option<Nats> {
        match target {
            TargetSchema::Pixels { .. } => {
                Some(Nats { likelihood: Likelihood::new(target)?, images: 0 })
            }
            _ => None,
        }
    }
}

impl Metric for Nats {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("nats", "nats per image", Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.likelihood.update("nats", prediction, target)?;
        self.images += target.batch_size() as u64;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.likelihood.sum() / self.images as f64
    }

    fn save(&self) -> Value {
        json!([self.likelihood.save(), self.images])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let (likelihood, images): (Value, u64) = restored(saved)?;
        self.likelihood.restore(&likelihood)?;
        self.images = images;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::bits::Bits;
    use super::*;

    const PIXELS: TargetSchema = TargetSchema::Pixels { levels: 2 };

    #[test]
    fn an_image_has_the_sum_of_its_pixels_and_a_pixel_the_mean() {
        let mut nats = Nats::new(&PIXELS).unwrap();
        let mut bits = Bits::new(&PIXELS).unwrap();
        assert!(nats.value().is_nan());
        assert_eq!(bits.info().label, "bits per dimension");
        let target = Padded::new(Tensor::new(&[[0u32, 1], [1, 1]], &Device::Cpu).unwrap());
        let likelihoods = Tensor::new(&[[-1f32, -2.0], [-0.5, -0.25]], &Device::Cpu).unwrap();
        let given = Prediction::LogLikelihoods(likelihoods.into());
        let logits = Tensor::zeros((2, 2, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let logits = Prediction::Logits(logits.into());
        for metric in [&mut nats as &mut dyn Metric, &mut bits] {
            metric.update(&given, &target).unwrap();
        }
        assert_eq!(nats.value(), 3.75 / 2.0);
        assert!((bits.value() - 3.75 / 4.0 / 2f64.ln()).abs() < 1e-12);

        let mut other = Nats::new(&PIXELS).unwrap();
        other.restore(&nats.save()).unwrap();
        other.update(&logits, &target).unwrap();
        let expected = (3.75 + 4.0 * 2f64.ln()) / 4.0;
        assert!((other.value() - expected).abs() < 1e-6, "{}", other.value());
        assert!(other.update(&Prediction::Tokens(target.clone()), &target).is_err());
        assert!(Nats::new(&TargetSchema::NextToken { vocabulary: 2 }).is_none());
    }
}
