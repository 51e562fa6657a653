//! What a metric is.

use fgn_data::Samples;
use fgn_schema::{Padded, Prediction, significant};
use serde_json::Value;

use crate::error::{Error, Result};

/// A number that says how good predictions are: a sum over batches, and a value at the end.
///
/// A metric is made for a data set's targets, updated with each batch, and asked for its value once all are
/// seen. Its state can be saved and restored, so that an interrupted epoch goes on with the same sums.
///
/// A metric of one's own is an implementation of this trait:
///
/// ```
/// use fgn_schema::{Padded, Prediction};
/// use fgn_train::{Direction, Metric, MetricInfo, Result, Unit};
/// use serde_json::{Value, json};
///
/// /// The share of values that are off by less than `TOLERANCE`.
/// #[derive(Default)]
/// struct Close {
///     close: u64,
///     count: u64,
/// }
/// const TOLERANCE: f64 = 0.04;
///
/// impl Metric for Close {
///     fn info(&self) -> MetricInfo {
///         MetricInfo::new("close", "within 0.04", Direction::Higher, Unit::Share)
///     }
///
///     fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
///         let (predicted, target) = prediction.rows(target)?;
///         let error = (predicted - target)?.abs()?.flatten_all()?.to_vec1::<f64>()?;
///         self.close += error.iter().filter(|&&error| error < TOLERANCE).count() as u64;
///         self.count += error.len() as u64;
///         Ok(())
///     }
///
///     fn value(&self) -> f64 {
///         self.close as f64 / self.count as f64
///     }
///
///     fn save(&self) -> Value {
///         json!([self.close, self.count])
///     }
///
///     fn restore(&mut self, saved: &Value) -> Result<()> {
///         [self.close, self.count] = fgn_train::restored(saved)?;
///         Ok(())
///     }
/// }
/// ```
pub trait Metric: Send {
    /// What it is called, and how its value reads.
    fn info(&self) -> MetricInfo;

    /// Whether it has to be [prepared](Self::prepare) with the training part, before the first batch; by default it has not.
    fn needs_training_part(&self) -> bool {
        false
    }

    /// Computes what it needs of the training part. What was computed is part of its state.
    ///
    /// # Errors
    /// Samples of which it cannot be computed.
    fn prepare(&mut self, train: &dyn Samples) -> Result<()> {
        let _ = train;
        Ok(())
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// A prediction of another kind than the metric is for, or a target that does not fit.
    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()>;

    /// The value over all batches since it was made; NaN where there is none.
    fn value(&self) -> f64;

    /// The value part by part, class by class say; none by default.
    fn breakdown(&self) -> Option<Breakdown> {
        None
    }

    /// Its state, which [`restore`](Self::restore) reads.
    fn save(&self) -> Value;

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// [`Error::MetricState`](crate::Error::MetricState) for what no metric of this kind has saved.
    fn restore(&mut self, saved: &Value) -> Result<()>;

    /// Adds a saved state of other batches, of a metric that was prepared alike. Needed where a batch is computed in groups,
    /// by several processes say; by default it is refused.
    ///
    /// # Errors
    /// [`Error::MetricState`](crate::Error::MetricState) for what no metric of this kind has saved, and by default.
    fn merge(&mut self, saved: &Value) -> Result<()> {
        let _ = saved;
        let name = self.info().name;
        Err(Error::MetricState(format!(
            "{name} has no merge, which training.groups and several processes need"
        )))
    }
}

/// What a metric is called, and how its value reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricInfo {
    /// Its key in recipes and in `metrics.jsonl`: lower case letters, digits and `_`; of those with a number in their name
    /// also `@`, as in `recall@20`.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Which values are better.
    pub direction: Direction,
    /// What its value counts.
    pub unit: Unit,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger ones.
    Higher,
    /// Smaller ones.
    Lower,
}

/// What the value of a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// A share from 0 to 1, shown in percent.
    Share,
    /// A number, shown as it is.
    Number,
    /// A whole number: how many there are of something.
    Count,
}

/// The value of a metric part by part: a table with a row for each class, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Breakdown {
    /// What a row is: `class`.
    pub row: &'static str,
    /// The name of each row.
    pub names: Vec<String>,
    /// The columns, one value a row each.
    pub columns: Vec<Column>,
}

/// A column of a [`Breakdown`].
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its key for programs, as that of a [`MetricInfo`].
    pub name: String,
    /// Its heading.
    pub label: String,
    /// What its values count.
    pub unit: Unit,
    /// The value of each row; NaN where there is none.
    pub values: Vec<f64>,
}

impl Column {
    /// The values of a metric, row by row.
    pub fn new(info: &MetricInfo, values: impl IntoIterator<Item = f64>) -> Column {
        let (name, label) = (info.name.clone(), info.label.clone());
        Column { name, label, unit: info.unit, values: values.into_iter().collect() }
    }

    /// How many there are of something, row by row.
    pub fn counts(name: &str, counts: impl IntoIterator<Item = u64>) -> Column {
        let values = counts.into_iter().map(|count| count as f64).collect();
        Column { name: name.to_owned(), label: name.to_owned(), unit: Unit::Count, values }
    }

    /// The values as people read them.
    pub fn texts(&self) -> Vec<String> {
        self.values.iter().map(|&value| self.unit.format(value)).collect()
    }
}

impl MetricInfo {
    /// A metric of that name.
    pub fn new(name: &str, label: &str, direction: Direction, unit: Unit) -> MetricInfo {
        MetricInfo { name: name.to_owned(), label: label.to_owned(), direction, unit }
    }

    /// A value for people: `97.61 %`, `0.0123`, or `-` for NaN. Numbers are [`significant`].
    pub fn format(&self, value: f64) -> String {
        self.unit.format(value)
    }
}

impl Unit {
    /// A value of it for people: `97.61 %`, `0.0123`, `42`, or `-` for NaN.
    pub fn format(self, value: f64) -> String {
        match self {
            _ if value.is_nan() => "-".into(),
            Unit::Share => format!("{:.2} %", 100.0 * value),
            Unit::Number => significant(value),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

impl Direction {
    /// Whether `value` is better than `other`.
    pub fn is_better(self, value: f64, other: f64) -> bool {
        match self {
            Direction::Higher => value > other,
            Direction::Lower => value < other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let share = MetricInfo::new("accuracy", "accuracy", Direction::Higher, Unit::Share);
        let plain = MetricInfo::new("mae", "MAE", Direction::Lower, Unit::Number);
        assert_eq!(share.format(0.976_14), "97.61 %");
        assert_eq!(share.format(f64::NAN), "-");
        let values = [0.0, 0.012_345_67, 0.994_3, 12.345_678, -123_456.7, 1.5e-7, 2.5e9];
        let found = values.map(|x| plain.format(x));
        let expected =
            ["0.0000", "0.012346", "0.99430", "12.346", "-123457", "1.500e-7", "2.500e9"];
        assert_eq!(found, expected);
        assert_eq!([0.0, 12_345.0, f64::NAN].map(|x| Unit::Count.format(x)), ["0", "12345", "-"]);
    }
}
