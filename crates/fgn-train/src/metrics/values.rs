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

/// The sum of two saved states that consist of counts and sums: number by number. What one has more than the other, as
/// counts up to a larger number, stays as it is.
///
/// # Errors
/// [`Error::MetricState`] for states of other shapes.
pub(super) fn summed(one: &Value, other: &Value) -> Result<Value> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let whole = one.as_u64().zip(other.as_u64());
            match whole.and_then(|(one, other)| one.checked_add(other)) {
                Some(sum) => Ok(json!(sum)),
                None => {
                    let [one, other] = [one, other].map(|number| number.as_f64());
                    Ok(json!(one.unwrap_or(f64::NAN) + other.unwrap_or(f64::NAN)))
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            let (long, short) = if one.len() < other.len() { (other, one) } else { (one, other) };
            let both = one.iter().zip(other).map(|(one, other)| summed(one, other));
            let rest = long[short.len()..].iter().cloned().map(Ok);
            both.chain(rest).collect::<Result<_>>().map(Value::Array)
        }
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            let both = one.iter().zip(other.values());
            let add = |((key, one), other): ((&String, &Value), &Value)| {
                Ok((key.clone(), summed(one, other)?))
            };
            both.map(add).collect::<Result<_>>().map(Value::Object)
        }
        _ => Err(Error::MetricState("states of two kinds cannot be added".into())),
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
