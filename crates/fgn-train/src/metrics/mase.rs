//! Mean absolute scaled error of a forecast.

use candle_core::{DType, Device};
use fgn_data::{Batches, Forecast, Order, Samples};
use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::metric::{Breakdown, Direction, Metric, MetricInfo, Unit};
use super::ranks::at_k;
use super::values::{ErrorSums, by_value, mean, restored, summed};
use crate::error::{Error, Result};

/// The mean absolute error, divided by that of the seasonal naive forecast on the training part (Hyndman & Koehler 2006):
/// below 1, a forecast is better than one that repeats the last season. `K` of `mase@K` is the season, in steps.
///
/// The naive forecast of a sample is the value of its window one season before the target; or several, as few as reach
/// into the window, where the target is further ahead than a season. So it has no need of other rows than a model has. Of
/// several values it is their mean. NaN where the naive forecast is always right.
pub(super) struct MeanAbsoluteScaledError {
    season: usize,
    errors: ErrorSums,
    /// The mean absolute error of the naive forecast of each value; empty until it was prepared.
    naive: Vec<f64>,
}

impl MeanAbsoluteScaledError {
    pub(super) fn new(target: &TargetSchema, season: usize) -> Option<MeanAbsoluteScaledError> {
        let is_for = matches!(target, TargetSchema::Value { per_step: false, .. });
        let errors = ErrorSums::new(target).filter(|_| is_for)?;
        Some(MeanAbsoluteScaledError { season, errors, naive: Vec::new() })
    }

    fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        let scaled = |(at, error): (usize, f64)| match self.naive.get(at) {
            Some(&naive) if naive > 0.0 => error / naive,
            _ => f64::NAN,
        };
        self.errors.means().enumerate().map(scaled)
    }

    fn needs(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let metric = at_k("mase", self.season);
        Error::MetricData { metric, expected: expected.into(), found: found.into() }
    }

    /// The step of a window of `steps` whose values are the naive forecast.
    fn naive_step(&self, forecast: &Forecast, steps: usize) -> Result<usize> {
        let ahead = forecast.ahead;
        let lag = ahead.div_ceil(self.season).saturating_mul(self.season);
        (steps + ahead).checked_sub(lag + 1).ok_or_else(|| {
            let least = lag.saturating_sub(ahead).saturating_add(1);
            self.needs(
                format!("a window (data.series.task.forecast.window) of {least} steps or more"),
                format!("it has {steps}, which do not reach back a season from the target"),
            )
        })
    }
}

impl Metric for MeanAbsoluteScaledError {
    fn info(&self) -> MetricInfo {
        let [name, label] = ["mase", "MASE"].map(|name| at_k(name, self.season));
        MetricInfo::new(&name, &label, Direction::Lower, Unit::Number)
    }

    fn needs_training_part(&self) -> bool {
        true
    }

    fn prepare(&mut self, train: &dyn Samples) -> Result<()> {
        let forecast = train.forecast().ok_or_else(|| {
            let found =
                format!("the targets of {} are no later values of its series", train.name());
            self.needs("a forecast (data.series.task.forecast)", found)
        })?;
        let mut sums = vec![0.0; forecast.features.len()];
        let size = train.len().min(64);
        for batch in Batches::new(train, Order::AsGiven, size, &Device::Cpu)? {
            let batch = batch?;
            let windows = batch.input().tensor().to_dtype(DType::F64)?.to_vec3::<f64>()?;
            let targets = batch.target().tensor().to_dtype(DType::F64)?.to_vec2::<f64>()?;
            for (sample, (window, target)) in windows.iter().zip(targets).enumerate() {
                let steps = batch.input().lengths().map_or(window.len(), |all| all[sample]);
                let step = &window[self.naive_step(&forecast, steps)?];
                for ((sum, &feature), target) in sums.iter_mut().zip(&forecast.features).zip(target)
                {
                    *sum += (target - step[feature]).abs();
                }
            }
        }
        self.naive = sums.into_iter().map(|sum| sum / train.len() as f64).collect();
        Ok(())
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        if self.naive.is_empty() {
            return Err(self.needs("the training part (Metrics::prepare)", "it has had none"));
        }
        self.errors.update("mase", prediction, target, f64::abs)
    }

    fn value(&self) -> f64 {
        mean(self.values())
    }

    fn breakdown(&self) -> Option<Breakdown> {
        Some(by_value(&self.info(), self.errors.names(), self.values()))
    }

    fn save(&self) -> Value {
        json!([self.naive, self.errors.save()])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        let (naive, errors): (Vec<f64>, Value) = restored(saved)?;
        if naive != self.naive {
            return Err(Error::MetricState("mase of another training part".into()));
        }
        self.errors.restore(&summed(&self.errors.save(), &errors)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let (naive, errors): (Vec<f64>, Value) = restored(saved)?;
        self.errors.restore(&errors)?;
        self.naive = naive;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::Arc;

    use candle_core::Tensor;
    use fgn_data::{Reader as _, SeriesOptions, Tables, Task};

    use super::*;

    /// A table with two columns to forecast, whose rows `value` gives.
    fn series(task: Task, value: impl Fn(usize) -> [f64; 2]) -> Arc<dyn Samples> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("steps.csv");
        let mut text = "who,t,x,y\n".to_owned();
        for row in 0..40 {
            let [x, y] = value(row);
            writeln!(text, "{},{row},{x},{y}", row / 20).unwrap();
        }
        std::fs::write(&file, text).unwrap();
        let target = vec!["x".to_owned(), "y".into()];
        let options =
            SeriesOptions { task, id: Some("who".into()), target, ..SeriesOptions::default() };
        Tables::read(&file, &options, None, &mut |_| ()).unwrap()
    }

    fn forecast(window: usize, ahead: usize, stride: usize) -> Task {
        Task::Forecast { window, ahead, stride }
    }

    /// Values that no formula of a few terms gives.
    fn wave(row: usize) -> [f64; 2] {
        let row = row as f64;
        [(row * row * 0.37).sin(), (row * 1.7).cos() * row]
    }

    fn prepared(season: usize, samples: &dyn Samples) -> Result<MeanAbsoluteScaledError> {
        let target = &samples.schema().target;
        let mut metric = MeanAbsoluteScaledError::new(target, season).unwrap();
        metric.prepare(samples).map(|()| metric)
    }

    #[test]
    fn the_naive_forecast_is_a_season_before_the_target() {
        for (window, ahead, stride, season, lag) in
            [(5, 1, 1, 4, 4), (5, 1, 1, 1, 1), (6, 3, 2, 5, 5), (6, 3, 1, 2, 4), (4, 4, 3, 1, 4)]
        {
            let samples = series(forecast(window, ahead, stride), wave);
            let found = prepared(season, &*samples).unwrap().naive;
            // Over the targets of both sequences.
            let (mut sums, mut count) = ([0.0; 2], 0);
            for first in [0, 20] {
                let mut target = window + ahead - 1;
                while target < 20 {
                    let [now, before] = [first + target, first + target - lag].map(wave);
                    (0..2).for_each(|at| sums[at] += (now[at] - before[at]).abs());
                    count += 1;
                    target += stride;
                }
            }
            assert_eq!(samples.len(), count);
            for (found, sum) in found.iter().zip(sums) {
                assert!((found - sum / count as f64).abs() < 1e-12, "{found} of season {season}");
            }
        }
    }

    #[test]
    fn errors_are_scaled_by_it_and_go_on_from_a_saved_state() {
        // Steps of 2 and of 0.5.
        let samples = series(forecast(3, 1, 1), |row| [2.0 * row as f64, 0.5 * (row % 20) as f64]);
        let mut first = prepared(1, &*samples).unwrap();
        assert!(first.value().is_nan(), "there is no value before the first batch");
        let tensor = |row: [f64; 2]| Padded::new(Tensor::new(&[row], &Device::Cpu).unwrap());
        let values = |row| Prediction::Values(tensor(row));
        first.update(&values([1.0, 0.0]), &tensor([4.0, 1.0])).unwrap();
        let target = &samples.schema().target;
        let mut second = MeanAbsoluteScaledError::new(target, 1).unwrap();
        let saved = first.save().to_string();
        second.restore(&serde_json::from_str(&saved).unwrap()).unwrap();
        second.update(&values([1.0, 0.0]), &tensor([0.0, 0.0])).unwrap();
        // Mean errors of 2 and of 0.5.
        assert_eq!(second.value(), 1.0);
        second.update(&values([1.0, 0.0]), &tensor([9.0, 0.0])).unwrap();
        assert_eq!(second.value(), (2.0 + 2.0 / 3.0) / 2.0);
        let table = second.breakdown().unwrap();
        assert_eq!((table.columns[0].label.as_str(), table.columns[0].values[0]), ("MASE@1", 2.0));
        let logits = Prediction::Logits(tensor([1.0, 0.0]));
        assert!(second.update(&logits, &tensor([9.0, 0.0])).is_err());
        assert!(second.restore(&json!([1])).is_err());
    }

    #[test]
    fn what_the_data_cannot_give_is_refused() {
        let short = series(forecast(4, 1, 1), wave);
        let error = prepared(6, &*short).err().unwrap().to_string();
        assert_eq!(
            error,
            "the metric mase@6 needs a window (data.series.task.forecast.window) of 6 steps or more: it has 4, which \
             do not reach back a season from the target"
        );
        let other = series(Task::Regression, |row| [(row / 20) as f64; 2]);
        let error = prepared(1, &*other).err();
        let error = error.map(|error| error.to_string()).unwrap();
        assert!(
            error.contains("mase@1 needs a forecast") && error.contains("steps.csv"),
            "{error}"
        );
        let mut unprepared = MeanAbsoluteScaledError::new(&short.schema().target, 1).unwrap();
        let one = || Padded::new(Tensor::new(&[[1f64, 2.0]], &Device::Cpu).unwrap());
        let error = unprepared.update(&Prediction::Values(one()), &one()).unwrap_err().to_string();
        assert!(error.contains("needs the training part"), "{error}");
        let constant = series(forecast(4, 1, 1), |row| [1.0, row as f64]);
        let mut constant = prepared(1, &*constant).unwrap();
        constant.update(&Prediction::Values(one()), &one()).unwrap();
        assert!(constant.value().is_nan(), "the naive forecast is always right");
        let per_step = TargetSchema::Value { names: vec!["x".into()], per_step: true };
        assert!(MeanAbsoluteScaledError::new(&per_step, 1).is_none());
    }
}
