//! What the metrics share.

use candle_core::DType;
use fgn_schema::{Padded, Prediction, TargetSchema};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::metric::{Breakdown, Column, MetricInfo};
use crate::error::{Error, Result};

/// A state that a [`Metric`](super::Metric) saved, as the type that it was saved from.
///
/// # Errors
/// [`Error::MetricState`] for another type.
pub fn restored<T: DeserializeOwned>(saved: &Value) -> Result<T> {
    T::deserialize(saved).map_err(|error| Error::MetricState(error.to_string()))
}

pub(super) fn wrong_prediction(metric: &'static str, expected: &'static str) -> Error {
    Error::MetricPrediction { metric, expected }
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
    let rows = |tensor: candle_core::Tensor| tensor.to_dtype(DType::F64)?.to_vec2::<f64>();
    for (predicted, target) in rows(predicted)?.iter().zip(rows(target)?) {
        for (index, (&predicted, target)) in predicted.iter().zip(target).enumerate() {
            each(index, predicted, target);
        }
    }
    Ok(())
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
    let cells = values.map(|value| info.format(value)).collect();
    let column = Column { name: info.label.clone(), cells };
    Breakdown { row: "value", names: names.to_vec(), columns: vec![column] }
}
