//! The last line of `metrics.jsonl`: the saved epoch, and the results on the test part.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::metrics::{LOSS, Measures};
use crate::run_files::METRICS;

/// What is known of a finished run beside its epochs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FinalMetrics {
    /// The epoch whose model is kept, counted from 1.
    pub epoch: usize,
    /// Its loss and metrics on the test part.
    pub test: Measures,
}

/// What the keys of the test part begin with.
const TEST: &str = "test_";
/// The key that no other line has.
const FINAL: &str = "final";
const EPOCH: &str = "epoch";

impl FinalMetrics {
    /// Those of the finished run in `folder`; none if the run is not finished, or there is none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<FinalMetrics>> {
        let file = folder.join(METRICS);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", file)(error)),
        };
        // A line that is cut off is not the last one of a finished run.
        let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Ok(last.and_then(|last| FinalMetrics::of(&last, text.lines().count() - 1)))
    }

    /// Of a line of `metrics.jsonl` after those of `epochs` epochs; none if it is not the last one of a finished run.
    pub(crate) fn of(line: &Map<String, Value>, epochs: usize) -> Option<FinalMetrics> {
        line.get(FINAL)?;
        // Runs of earlier versions have no such key: they saved the last epoch.
        let epoch = line.get(EPOCH).map_or(Some(epochs as u64), Value::as_u64)?;
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let tested =
            line.iter().filter_map(|(key, value)| Some((key.strip_prefix(TEST)?, number(value))));
        // The loss is the first of measures.
        let loss = tested.clone().find(|(name, _)| *name == LOSS)?.1;
        let metrics = tested.filter(|(name, _)| *name != LOSS);
        let test = metrics.fold(Measures::new(loss), |test, (name, value)| test.with(name, value));
        Some(FinalMetrics { epoch: epoch as usize, test })
    }

    /// The line; NaN is `null`.
    pub(crate) fn line(&self) -> Map<String, Value> {
        let values = self.test.iter().map(|(name, value)| {
            (format!("{TEST}{name}"), serde_json::Number::from_f64(value).into())
        });
        let mut line: Map<String, Value> = values.collect();
        line.insert(FINAL.into(), true.into());
        line.insert(EPOCH.into(), self.epoch.into());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_from_the_last_line_of_a_finished_run() {
        let test = Measures::new(0.25).with("accuracy", 0.5).with("r2", f64::NAN);
        let metrics = FinalMetrics { epoch: 3, test };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(FinalMetrics::read(folder.path()).unwrap(), None);
        let line = Value::from(metrics.line()).to_string();
        let write = |text: String| fs::write(folder.path().join(METRICS), text).unwrap();
        write(format!("{{\"epoch\":1}}\n{line}\n"));
        assert_eq!(FinalMetrics::read(folder.path()).unwrap(), Some(metrics));
        let before = "{\"epoch\":1}\n{\"epoch\":2}\n{\"final\":true,\"test_loss\":0.5}\n";
        write(before.into());
        assert_eq!(FinalMetrics::read(folder.path()).unwrap().unwrap().epoch, 2);
        write(format!("{{\"epoch\":1}}\n{}", &line[..line.len() - 1]));
        assert_eq!(FinalMetrics::read(folder.path()).unwrap(), None);
    }
}
