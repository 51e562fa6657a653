//! Accuracy: the share of targets whose class has the largest logit.

use fgn_nn::argmax;
use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::classes::{class_names, for_each_row};
use super::metric::{Breakdown, Column, Direction, Metric, MetricInfo, Unit};
use super::values::{restored, summed};
use crate::error::Result;

/// The share of targets whose class has the largest logit, 0 to 1; class by class, it is the recall.
pub(super) struct Accuracy {
    names: Vec<String>,
    /// Of each class: how many targets it has, and how many of these were predicted right.
    classes: Vec<[u64; 2]>,
}

impl Accuracy {
    pub(super) fn new(target: &TargetSchema) -> Option<Accuracy> {
        let names = class_names(target)?;
        Some(Accuracy { classes: vec![[0; 2]; names.len()], names })
    }
}

impl Metric for Accuracy {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("accuracy", "accuracy", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let classes = &mut self.classes;
        for_each_row::<f32>("accuracy", classes.len(), prediction, target, |logits, target| {
            let [count, correct] = &mut classes[target];
            *count += 1;
            *correct += u64::from(argmax(logits) == target);
        })
    }

    fn value(&self) -> f64 {
        let [mut count, mut correct] = [0, 0];
        for class in &self.classes {
            count += class[0];
            correct += class[1];
        }
        correct as f64 / count as f64
    }

    fn breakdown(&self) -> Option<Breakdown> {
        let counts = |at: usize| self.classes.iter().map(move |class| class[at]);
        let shares = self.classes.iter().map(|&[count, correct]| correct as f64 / count as f64);
        Some(Breakdown {
            row: "class",
            names: self.names.clone(),
            columns: vec![
                Column::counts("targets", counts(0)),
                Column::counts("correct", counts(1)),
                Column::new(&self.info(), shares),
            ],
        })
    }

    fn save(&self) -> Value {
        json!(self.classes)
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.classes = restored(saved)?;
        self.classes.resize(self.names.len(), [0; 2]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    fn accuracy() -> Accuracy {
        let names = ["a", "b", "c"].map(String::from).to_vec();
        Accuracy::new(&TargetSchema::Class { names, per_step: false }).unwrap()
    }

    fn add(metric: &mut Accuracy, logits: &[[f32; 3]], target: &[u32]) {
        let shape = (logits.len(), 3);
        let logits = Tensor::from_slice(logits.as_flattened(), shape, &Device::Cpu).unwrap();
        let target = Padded::new(Tensor::new(target, &Device::Cpu).unwrap());
        metric.update(&Prediction::Logits(logits.into()), &target).unwrap();
    }

    #[test]
    fn hits_are_summed_over_batches_and_the_first_of_equal_logits_counts() {
        let mut metric = accuracy();
        assert!(metric.value().is_nan());
        add(&mut metric, &[[1.0, 2.0, 0.0], [3.0, 3.0, 0.0], [0.0, 1.0, 2.0]], &[1, 1, 2]);
        let saved = metric.save();
        add(&mut metric, &[[0.0, 0.0, -1.0]], &[0]);
        assert_eq!(metric.value(), 0.75);
        let breakdown = metric.breakdown().unwrap();
        assert_eq!(breakdown.columns[0].texts(), ["1", "2", "1"]);
        assert_eq!(breakdown.columns[1].texts(), ["1", "1", "1"]);
        assert_eq!(breakdown.columns[2].texts(), ["100.00 %", "50.00 %", "100.00 %"]);

        let mut other = accuracy();
        other.restore(&saved).unwrap();
        assert_eq!(other.breakdown().unwrap().columns[2].texts()[0], "-");
        add(&mut other, &[[0.0, 0.0, -1.0]], &[0]);
        assert_eq!(other.save(), metric.save());
        assert!(other.restore(&json!("x")).is_err());
    }

    #[test]
    fn steps_past_a_sequences_length_do_not_count() {
        let mut metric = accuracy();
        let logits = Tensor::new(&[[[9.0f32, 0.0, 0.0]; 2]; 2], &Device::Cpu).unwrap();
        let target = Tensor::new(&[[0u32, 1], [0, 1]], &Device::Cpu).unwrap();
        let padded = |tensor| Padded::with_lengths(tensor, vec![2, 1]).unwrap();
        metric.update(&Prediction::Logits(padded(logits)), &padded(target)).unwrap();
        assert_eq!(metric.value(), 2.0 / 3.0);
    }

    #[test]
    fn values_have_no_accuracy() {
        assert!(Accuracy::new(&TargetSchema::None).is_none());
        let values = Tensor::new(&[[0.0f32; 3]], &Device::Cpu).unwrap();
        let prediction = Prediction::Values(values.clone().into());
        assert!(accuracy().update(&prediction, &values.into()).is_err());
    }
}
