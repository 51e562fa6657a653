//! What the metrics share.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::metric::{Breakdown, Column, MetricInfo};
use crate::error::{Error, Result};

/// A state that a [`Metric`](super::Metric) saved, as the type that it was saved from.
///
/// # Errors
/// [`Error::MetricState`] for another type.
pub fn restored<T: DeserializeOwned>(saved: &Value) -> Result<T> {
    T::deserialize(saved).map_err(|error| Error::MetricState(error.to_string()))
}

pub(super) fn wrong_prediction(metric: &str, expected: &'static str) -> Error {
    Error::MetricPrediction { metric: metric.to_owned(), expected }
}

/// The names of the values, where the targets are such.
pub(super) fn value_names(target: &TargetSchema) -> Option<Vec<String>> {
    match target {
        TargetSchema::Value { names, .. } => Some(names.clone()),
        _ => None,
    }
}

/// Calls `each` with a value's index, its prediction and its target, row by row.
pub(super) fn for_each_value(
    metric: &'static str,
    prediction: &Prediction,
    target: &Padded,
    mut each: impl FnMut(usize, f64, f64),
) -> Result<()> {
    let Prediction::Values(_) = prediction else {
        return Err(wrong_prediction(metric, "the values of a regression"));
    };
    let (predicted, target) = prediction.rows(target)?;
    let (predicted, target) = (predicted.to_vec2::<f64>()?, target.to_vec2::<f64>()?);
    for (predicted, target) in predicted.iter().zip(target) {
        for (index, (&predicted, target)) in predicted.iter().zip(target).enumerate() {
            each(index, predicted, target);
        }
    }
    Ok(())
}

/// The sums of a metric that is a mean over the errors of each value.
pub(super) struct ErrorSums {
    names: Vec<String>,
    /// Of each value: how many targets, and the sum over their errors.
    sums: Vec<(u64, f64)>,
}

impl ErrorSums {
    /// `None` where the targets are not values.
    pub(super) fn new(target: &TargetSchema) -> Option<ErrorSums> {
        let names = value_names(target)?;
        Some(ErrorSums { sums: vec![(0, 0.0); names.len()], names })
    }

    /// Adds `of(prediction - target)` for each value of each row.
    pub(super) fn update(
        &mut self,
        metric: &'static str,
        prediction: &Prediction,
        target: &Padded,
        of: impl Fn(f64) -> f64,
    ) -> Result<()> {
        for_each_value(metric, prediction, target, |index, predicted, target| {
            if let Some((count, sum)) = self.sums.get_mut(index) {
                *count += 1;
                *sum += of(predicted - target);
            }
        })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The mean for each value.
    pub(super) fn means(&self) -> impl ExactSizeIterator<Item = f64> {
        self.sums.iter().map(|&(count, sum)| sum / count as f64)
    }

    pub(super) fn save(&self) -> Value {
        json!(self.sums)
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        self.sums = restored(saved)?;
        self.sums.resize(self.names.len(), (0, 0.0));
        Ok(())
    }
}

/// The mean of some values: a metric over all of them. It is NaN if one of them is.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// A table with a row for each value and one column.
pub(super) fn by_value(
    info: &MetricInfo,
    names: &[String],
    values: impl Iterator<Item = f64>,
) -> Breakdown {
    Breakdown { row: "value", names: names.to_vec(), columns: vec![Column::new(info, values)] }
}
