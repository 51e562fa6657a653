//! What a run measured: its `metrics.jsonl`.
//!
//! A run writes a line for each epoch, and one with the test part when it is finished. A line without an epoch that has a
//! step was measured within an epoch. The last line of an interrupted run may be cut off.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// The keys of a line.
type Line = Map<String, Value>;

/// The lines of a `metrics.jsonl`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Metrics {
    epochs: Vec<Line>,
    /// Those of the epochs, and of steps between them.
    steps: Vec<Line>,
    /// The test part, of a finished run.
    last: Option<Line>,
}

/// The key that the last line of a finished run has.
const FINAL: &str = "final";
const EPOCH: &str = "epoch";
const STEP: &str = "step";

impl Metrics {
    /// Reads the text of a `metrics.jsonl`.
    pub(super) fn parse(text: &str) -> Result<Metrics> {
        let mut metrics = Metrics::default();
        for (number, text_of_line) in (1..).zip(text.lines()) {
            let line: Line = match serde_json::from_str(text_of_line) {
                Ok(line) => line,
                // What a killed process did not write to the end.
                Err(_) if number == text.lines().count() && !text.ends_with('\n') => break,
                Err(error) => return Err(error).with_context(|| format!("line {number}")),
            };
            if line.contains_key(FINAL) {
                metrics.last = Some(line);
            } else if line.contains_key(EPOCH) {
                metrics.steps.push(line.clone());
                metrics.epochs.push(line);
            } else if line.contains_key(STEP) {
                metrics.steps.push(line);
            } else {
                bail!(
                    "line {number}: expected a line with `epoch`, `step` or `final`, found {}",
                    keys(&line)
                );
            }
        }
        Ok(metrics)
    }

    /// Whether the run has come to its end.
    pub(super) fn is_finished(&self) -> bool {
        self.last.is_some()
    }

    /// The number of finished epochs.
    pub(super) fn epochs(&self) -> u64 {
        self.epochs.len() as u64
    }

    /// The steps of the optimizer over all epochs.
    pub(super) fn steps(&self) -> Option<u64> {
        self.steps.iter().filter_map(step).max()
    }

    /// How long the steps of all epochs took, without validation.
    pub(super) fn seconds(&self) -> f64 {
        self.epochs.iter().filter_map(|line| number(line, "seconds")).sum()
    }

    /// The training loss of each epoch.
    pub(super) fn costs(&self) -> Vec<f64> {
        let loss = |line| number(line, "train_loss").unwrap_or(f64::NAN);
        self.epochs.iter().map(loss).collect()
    }

    /// What was measured on the test part, for instance `test_accuracy`.
    pub(super) fn test(&self, key: &str) -> Result<f64> {
        let last = self.last.as_ref().context("the run is not finished")?;
        number(last, key).with_context(|| format!("expected `{key}`, found {}", keys(last)))
    }

    /// What was measured on the validation part, for instance `valid_accuracy`, after the epoch whose model is kept.
    pub(super) fn valid(&self, key: &str) -> Result<f64> {
        let last = self.last.as_ref().context("the run is not finished")?;
        // Runs of earlier versions do not say which epoch it is: the last one.
        let kept = last.get(EPOCH).and_then(Value::as_u64).unwrap_or(self.epochs());
        let line = self.epochs.iter().find(|line| line.get(EPOCH) == Some(&kept.into()));
        let line = line.with_context(|| format!("there is no line of epoch {kept}"))?;
        number(line, key)
            .with_context(|| format!("epoch {kept}: expected `{key}`, found {}", keys(line)))
    }

    /// After how many steps of the optimizer `key` was first measured below `bar`; none if it never was.
    pub(super) fn steps_until(&self, key: &str, bar: f64) -> Result<Option<u64>> {
        let mut measured = self.steps.iter().filter(|line| line.contains_key(key)).peekable();
        if measured.peek().is_none() {
            let found = self.steps.first().map_or("no line".into(), keys);
            bail!("expected lines with `{key}`, found {found}");
        }
        let first = measured.find(|line| number(line, key).is_some_and(|value| value < bar));
        first
            .map(|line| {
                step(line).with_context(|| format!("expected `step`, found {}", keys(line)))
            })
            .transpose()
    }
}

fn step(line: &Line) -> Option<u64> {
    line.get(STEP)?.as_u64()
}

/// JSON has no NaN: it is `null`.
fn number(line: &Line, key: &str) -> Option<f64> {
    let value = line.get(key)?;
    if value.is_null() { Some(f64::NAN) } else { value.as_f64() }
}

fn keys(line: &Line) -> String {
    let keys: Vec<_> = line.keys().map(|key| format!("`{key}`")).collect();
    keys.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCHS: &str = r#"{"epoch":1,"step":55,"train_loss":0.5,"valid_loss":0.3,"valid_rmse":0.4,"seconds":2.0}
{"step":80,"valid_rmse":0.09}
{"epoch":2,"step":110,"train_loss":null,"valid_loss":0.2,"valid_rmse":0.05,"seconds":3.5}
"#;
    const FINISHED: &str = r#"{"final":true,"epoch":1,"test_loss":0.25,"test_rmse":0.1,"test_r2":null}
"#;

    #[test]
    fn a_finished_run_has_its_epochs_and_its_test() {
        let metrics = Metrics::parse(&format!("{EPOCHS}{FINISHED}")).unwrap();
        assert!(metrics.is_finished());
        assert_eq!((metrics.epochs(), metrics.steps(), metrics.seconds()), (2, Some(110), 5.5));
        assert_eq!(metrics.costs()[0], 0.5);
        assert!(metrics.costs()[1].is_nan());
        assert_eq!(metrics.test("test_rmse").unwrap(), 0.1);
        assert!(metrics.test("test_r2").unwrap().is_nan());
        // That of the epoch whose model is kept.
        assert_eq!(metrics.valid("valid_rmse").unwrap(), 0.4);
    }

    #[test]
    fn a_run_of_an_earlier_version_kept_its_last_epoch() {
        let metrics =
            Metrics::parse(&format!("{EPOCHS}{{\"final\":true,\"test_loss\":1}}")).unwrap();
        assert_eq!(metrics.valid("valid_loss").unwrap(), 0.2);
        assert_eq!(metrics.test("test_loss").unwrap(), 1.0);
    }

    #[test]
    fn a_line_that_is_cut_off_does_not_count() {
        let text = format!("{EPOCHS}{}", &FINISHED[..30]);
        let metrics = Metrics::parse(&text).unwrap();
        assert!(!metrics.is_finished());
        assert_eq!(metrics.epochs(), 2);
        assert!(metrics.test("test_loss").is_err());
        assert_eq!(Metrics::parse("").unwrap(), Metrics::default());
    }

    #[test]
    fn what_is_no_line_of_metrics_is_an_error() {
        let error = |text: &str| format!("{:#}", Metrics::parse(text).unwrap_err());
        assert!(error("{\"epoch\":1}\n{\"epo\n{\"epoch\":3}\n").starts_with("line 2"));
        assert!(error("{\"epohc\":1}\n").contains("found `epohc`"));
    }

    #[test]
    fn a_metric_that_is_missing_is_an_error_that_names_those_there_are() {
        let metrics = Metrics::parse(&format!("{EPOCHS}{FINISHED}")).unwrap();
        let error = metrics.test("test_accuracy").unwrap_err().to_string();
        assert!(error.contains("expected `test_accuracy`"), "{error}");
        assert!(error.contains("`test_rmse`"), "{error}");
        assert!(metrics.valid("valid_accuracy").is_err());
        assert!(metrics.steps_until("valid_accuracy", 1.0).is_err());
    }

    #[test]
    fn steps_are_counted_to_the_first_line_below_the_bar() {
        let metrics = Metrics::parse(EPOCHS).unwrap();
        assert_eq!(metrics.steps_until("valid_rmse", 0.5).unwrap(), Some(55));
        assert_eq!(metrics.steps_until("valid_rmse", 0.1).unwrap(), Some(80));
        assert_eq!(metrics.steps_until("valid_rmse", 0.06).unwrap(), Some(110));
        assert_eq!(metrics.steps_until("valid_rmse", 0.05).unwrap(), None);
    }
}
