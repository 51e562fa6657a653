//! What the metrics of classes share: the logits row by row, and counts class by class.

use candle_core::WithDType;
use fgn_nn::argmax;
use fgn_schema::{Padded, Prediction, TargetSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::values::{restored, wrong_prediction};
use crate::error::Result;

/// The names of the classes, where the targets are such.
pub(super) fn class_names(target: &TargetSchema) -> Option<Vec<String>> {
    match target {
        TargetSchema::Class { names, .. } => Some(names.clone()),
        _ => None,
    }
}

/// Calls `each` with the logits and the target of each row that counts.
///
/// # Errors
/// Predictions that are no logits of so many classes, and a target that does not fit.
pub(super) fn for_each_row<T: WithDType>(
    metric: &'static str,
    classes: usize,
    prediction: &Prediction,
    target: &Padded,
    mut each: impl FnMut(&[T], usize),
) -> Result<()> {
    let Prediction::Logits(_) = prediction else {
        return Err(wrong_prediction(metric, "the logits of classes"));
    };
    let (logits, target) = prediction.rows(target)?;
    if logits.dims2()?.1 != classes {
        return Err(wrong_prediction(metric, "one logit for each class"));
    }
    let logits = logits.to_dtype(T::DTYPE)?.to_vec2::<T>()?;
    for (logits, target) in logits.iter().zip(target.to_vec1::<u32>()?) {
        if (target as usize) < classes {
            each(logits, target as usize);
        }
    }
    Ok(())
}

/// The counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// How many targets it has.
    pub(super) targets: u64,
    /// How often it was predicted.
    pub(super) predicted: u64,
    /// How often it was predicted and the target.
    pub(super) correct: u64,
}

impl Counts {
    /// The share of its targets that were predicted right; NaN without targets.
    pub(super) fn recall(&self) -> f64 {
        self.correct as f64 / self.targets as f64
    }

    /// The harmonic mean of precision and recall; NaN for a class with neither targets nor predictions.
    pub(super) fn f1(&self) -> f64 {
        2.0 * self.correct as f64 / (self.targets + self.predicted) as f64
    }
}

/// The counts of all classes.
pub(super) struct ClassCounts {
    names: Vec<String>,
    counts: Vec<Counts>,
}

impl ClassCounts {
    /// `None` where the targets are not classes.
    pub(super) fn new(target: &TargetSchema) -> Option<ClassCounts> {
        let names = class_names(target)?;
        Some(ClassCounts { counts: vec![Counts::default(); names.len()], names })
    }

    /// Adds a batch: of each row the class with the largest logit.
    pub(super) fn update(
        &mut self,
        metric: &'static str,
        prediction: &Prediction,
        target: &Padded,
    ) -> Result<()> {
        let counts = &mut self.counts;
        for_each_row::<f32>(metric, counts.len(), prediction, target, |logits, target| {
            let predicted = argmax(logits);
            counts[target].targets += 1;
            counts[predicted].predicted += 1;
            counts[target].correct += u64::from(predicted == target);
        })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// In the order of the names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Counts> {
        self.counts.iter()
    }

    pub(super) fn save(&self) -> Value {
        json!(self.counts)
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        self.counts = restored(saved)?;
        self.counts.resize(self.names.len(), Counts::default());
        Ok(())
    }
}

/// The mean of the values that are not NaN, each with its weight; NaN where there is none.
pub(super) fn mean_of_known(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let known = values.filter(|(value, _)| !value.is_nan());
    let (sum, weights) =
        known.fold((0.0, 0.0), |(sum, all), (value, weight)| (sum + weight * value, all + weight));
    sum / weights
}

/// Batches of classes for the tests of metrics.
#[cfg(test)]
pub(super) mod tests {
    use candle_core::{Device, Tensor};
    use fgn_nn::Generator;

    use super::*;
    use crate::metrics::Metric;

    /// So many classes, "0", "1" and so on.
    pub(in crate::metrics) fn classes(count: usize) -> TargetSchema {
        let names = (0..count).map(|class| class.to_string()).collect();
        TargetSchema::Class { names, per_step: false }
    }

    /// Logits of some rows, and their targets.
    pub(in crate::metrics) type Rows = Vec<(Vec<f32>, u32)>;

    /// Rows in which a class is predicted for each target: `(target, predicted)`.
    pub(in crate::metrics) fn predicted(count: usize, pairs: &[(u32, usize)]) -> Rows {
        let row = |&(target, predicted): &(u32, usize)| {
            let logit = |class| if class == predicted { 1.5 } else { -0.5 };
            ((0..count).map(logit).collect(), target)
        };
        pairs.iter().map(row).collect()
    }

    /// Random rows. Logits have few values, so that many are the same.
    pub(in crate::metrics) fn drawn(seed: u64, classes: usize, rows: usize) -> Rows {
        let mut generator = Generator::seed_from_u64(seed);
        let mut below = |end: usize| (generator.next_f64() * end as f64) as usize;
        let row = |_| {
            let logits = (0..classes).map(|_| below(6) as f32 / 2.0 - 1.0).collect();
            (logits, below(classes) as u32)
        };
        (0..rows).map(row).collect()
    }

    /// Updates a metric with some rows.
    pub(in crate::metrics) fn update(metric: &mut dyn Metric, rows: &Rows) {
        let logits: Vec<f32> = rows.iter().flat_map(|(logits, _)| logits.clone()).collect();
        let shape = (rows.len(), rows[0].0.len());
        let logits = Tensor::from_vec(logits, shape, &Device::Cpu).unwrap();
        let target: Vec<u32> = rows.iter().map(|row| row.1).collect();
        let target = Tensor::new(target, &Device::Cpu).unwrap();
        metric.update(&Prediction::Logits(logits.into()), &target.into()).unwrap();
    }

    /// Updates a metric with each row alone and a new one from its saved state after each, and gives its value.
    pub(in crate::metrics) fn value_of(make: impl Fn() -> Box<dyn Metric>, rows: &Rows) -> f64 {
        let mut metric = make();
        assert!(metric.value().is_nan(), "there is no value before the first batch");
        for row in rows {
            let mut next = make();
            // As text, as a checkpoint has it.
            let saved = serde_json::from_str(&metric.save().to_string()).unwrap();
            next.restore(&saved).unwrap();
            update(&mut *next, &vec![row.clone()]);
            metric = next;
        }
        let mut whole = make();
        if !rows.is_empty() {
            update(&mut *whole, rows);
        }
        assert_eq!(whole.value().to_bits(), metric.value().to_bits(), "of one batch and of many");
        let (mut merged, (first, second)) = (make(), rows.split_at(rows.len() / 2));
        for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
            let mut other = make();
            update(&mut *other, &part.to_vec());
            merged.merge(&other.save()).unwrap();
        }
        let (found, expected) = (merged.value(), whole.value());
        let is_same = (found - expected).abs() <= 1e-12 * expected.abs()
            || found.is_nan() && expected.is_nan();
        assert!(is_same, "merged {found}, expected {expected}");
        whole.value()
    }

    /// Checks that a metric refuses predictions of another kind, of other classes, and states of other metrics.
    pub(in crate::metrics) fn refuses_others(metric: &mut dyn Metric, classes: usize) {
        let tensor = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu);
        let target: Padded = Tensor::new(&[0u32, 1], &Device::Cpu).unwrap().into();
        let values = Prediction::Values(tensor(&[2, classes]).unwrap().into());
        let logits = Prediction::Logits(tensor(&[2, classes + 1]).unwrap().into());
        for other in [values, logits] {
            assert!(metric.update(&other, &target).is_err());
        }
        assert!(metric.restore(&json!("no state")).is_err());
        assert!(metric.value().is_nan(), "what was refused does not count");
    }

    #[test]
    fn counts_are_those_of_the_rows_that_count() {
        let target = TargetSchema::Class { names: vec!["a".into(), "b".into()], per_step: true };
        let mut counts = ClassCounts::new(&target).unwrap();
        let logits = Tensor::new(&[[[1f32, 0.0], [0.0, 1.0], [3.0, 0.0]]], &Device::Cpu).unwrap();
        let logits = Padded::with_lengths(logits, vec![2]).unwrap();
        let target = Tensor::new(&[[0u32, fgn_schema::IGNORED, 1]], &Device::Cpu).unwrap();
        let target = Padded::with_lengths(target, vec![2]).unwrap();
        counts.update("f1", &Prediction::Logits(logits), &target).unwrap();
        let found: Vec<Counts> = counts.iter().copied().collect();
        let one = Counts { targets: 1, predicted: 1, correct: 1 };
        assert_eq!(found, [one, Counts::default()]);
    }

    #[test]
    fn a_mean_leaves_out_what_is_not_known() {
        let of = |values: &[(f64, f64)]| mean_of_known(values.iter().copied());
        assert_eq!(of(&[(1.0, 1.0), (f64::NAN, 5.0), (4.0, 2.0)]), 3.0);
        assert!(of(&[(f64::NAN, 1.0)]).is_nan());
    }
}
