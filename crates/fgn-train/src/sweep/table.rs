//! What came of a sweep's runs, as a table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fgn_schema::decimals;
use serde_json::{Map, Value};

use super::plan::Trial;
use crate::error::{Error, Result};
use crate::final_metrics::FinalMetrics;
use crate::metrics::{Direction, LOSS, MetricInfo, Unit};
use crate::run_files::METRICS;

/// In the folder of a run that diverged.
pub(super) const FAILED: &str = "failed.txt";

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It diverged.
    Failed,
    /// The measures of the epoch whose model is kept and of the test, by their keys in `metrics.jsonl`.
    Finished(BTreeMap<String, f64>),
}

/// The columns of the table, and what decides which trial is better.
pub(super) struct Columns {
    /// Of each its key in `metrics.jsonl`, its head and its unit.
    shown: Vec<(String, String, Unit)>,
    /// The monitored measure: of the validation part, or of the training where there is none.
    monitor: [String; 2],
    direction: Direction,
}

impl Columns {
    /// Loss and `metrics`, of which `monitor` decides.
    pub(super) fn new(monitor: &str, metrics: &[MetricInfo]) -> Columns {
        let loss = MetricInfo::new(LOSS, "loss", Direction::Lower, Unit::Number);
        let all: Vec<_> = [&loss].into_iter().chain(metrics).collect();
        let column = |prefix: &str, part: &str, info: &MetricInfo| {
            let percent = if info.unit == Unit::Share { " (%)" } else { "" };
            let head = format!("{part} {}{percent}", info.label);
            (format!("{prefix}_{}", info.name), head, info.unit)
        };
        let mut shown = vec![column("train", "training", &loss)];
        for (prefix, part) in [("valid", "validation"), ("test", "test")] {
            shown.extend(all.iter().map(|info| column(prefix, part, info)));
        }
        let monitored = all.iter().find(|info| info.name == monitor);
        Columns {
            shown,
            monitor: ["valid", "train"].map(|prefix| format!("{prefix}_{monitor}")),
            direction: monitored.map_or(Direction::Lower, |info| info.direction),
        }
    }
}

/// One trial and what came of it, by seed.
pub(super) struct Row<'a> {
    pub(super) number: usize,
    pub(super) trial: &'a Trial,
    pub(super) runs: Vec<(u64, Outcome)>,
}

impl Outcome {
    /// Of the run in `folder`; none if it is not finished.
    pub(super) fn read(folder: &Path) -> Result<Option<Outcome>> {
        if folder.join(FAILED).exists() {
            return Ok(Some(Outcome::Failed));
        }
        let file = folder.join(METRICS);
        let Ok(text) = fs::read_to_string(&file) else {
            return Ok(None);
        };
        let broken = |error: serde_json::Error| Error::io("read", &file)(error.into());
        let lines = text.lines().map(serde_json::from_str::<Map<String, Value>>);
        let lines = lines.collect::<serde_json::Result<Vec<_>>>().map_err(broken)?;
        let Some((last, epochs)) = lines.split_last() else {
            return Ok(None);
        };
        let Some(FinalMetrics { epoch, .. }) = FinalMetrics::of(last, epochs.len()) else {
            return Ok(None);
        };
        let is_kept = |line: &&Map<String, Value>| line.get("epoch") == Some(&epoch.into());
        let kept = epochs.iter().find(is_kept).into_iter().flatten();
        let is_measure =
            |key: &str| ["train_", "valid_", "test_"].iter().any(|prefix| key.starts_with(prefix));
        let values = kept.chain(last).filter(|(key, _)| is_measure(key));
        let values = values.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?)));
        Ok(Some(Outcome::Finished(values.collect())))
    }
}

impl Row<'_> {
    fn values(&self, key: &str) -> Vec<f64> {
        let of = |(_, outcome): &(u64, Outcome)| match outcome {
            Outcome::Failed => None,
            Outcome::Finished(values) => values.get(key).copied(),
        };
        self.runs.iter().filter_map(of).collect()
    }

    /// The lower the better. Trials with a failed run, or without any, come last.
    fn rank(&self, columns: &Columns) -> (bool, f64) {
        let monitored = columns.monitor.iter().map(|key| self.values(key));
        let monitored = monitored.into_iter().find(|values| !values.is_empty());
        let failed = self.runs.iter().any(|(_, outcome)| *outcome == Outcome::Failed);
        let score = monitored.as_ref().map_or(f64::INFINITY, |values| match columns.direction {
            Direction::Lower => mean(values),
            Direction::Higher => -mean(values),
        });
        (failed || monitored.is_none(), score)
    }
}

/// A table in Markdown, of `rows` sorted from the best to the worst.
pub(super) fn markdown(columns: &Columns, rows: &mut [Row<'_>]) -> String {
    rows.sort_by(|one, other| {
        let ((failed, score), (other_failed, other_score)) =
            (one.rank(columns), other.rank(columns));
        failed.cmp(&other_failed).then(score.total_cmp(&other_score))
    });
    let keys: Vec<&str> = match rows.first() {
        Some(row) => row.trial.iter().map(|(key, _)| &key[..]).collect(),
        None => Vec::new(),
    };
    let shown = columns.shown.iter();
    let shown: Vec<_> =
        shown.filter(|(key, ..)| rows.iter().any(|row| !row.values(key).is_empty())).collect();
    let heads = shown.iter().map(|(_, head, _)| &head[..]);
    let heads: Vec<_> = ["trial"].into_iter().chain(keys).chain(heads).chain(["runs"]).collect();
    let mut lines = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    for row in rows.iter() {
        let values = row.trial.iter().map(|(_, value)| short(value));
        let measured = shown.iter().map(|(key, _, unit)| {
            let (scale, count) = if *unit == Unit::Share { (100.0, 2) } else { (1.0, 4) };
            mean_and_std(&row.values(key), |value| decimals(scale * value, count))
        });
        let failed = row.runs.iter().filter(|(_, outcome)| *outcome == Outcome::Failed).count();
        let runs = match failed {
            0 => row.runs.len().to_string(),
            failed => format!("{}, {failed} diverged", row.runs.len()),
        };
        let number = [row.number.to_string()].into_iter();
        lines.push(number.chain(values).chain(measured).chain([runs]).collect());
    }
    aligned(&lines)
}

/// A JSON object a run.
pub(super) fn lines(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for Row { number, trial, runs } in rows {
        for (seed, outcome) in runs {
            let mut object = Map::new();
            object.insert("trial".into(), (*number).into());
            object.insert("seed".into(), (*seed).into());
            for (key, value) in *trial {
                let value = serde_json::to_value(value).unwrap_or_default();
                object.insert(key.clone(), value);
            }
            match outcome {
                Outcome::Failed => object.insert("failed".into(), true.into()),
                Outcome::Finished(numbers) => {
                    let numbers = numbers.iter().map(|(key, &x)| (key.clone(), x.into()));
                    object.extend(numbers);
                    None
                }
            };
            text += &Value::Object(object).to_string();
            text.push('\n');
        }
    }
    text
}

/// `0.1234 ± 0.0012`: the mean, and the standard deviation of several.
fn mean_and_std(numbers: &[f64], text: impl Fn(f64) -> String) -> String {
    let middle = mean(numbers);
    match numbers {
        [] => "-".into(),
        [one] => text(*one),
        _ => {
            let squares = numbers.iter().map(|x| (x - middle).powi(2)).sum::<f64>();
            let std = (squares / (numbers.len() - 1) as f64).sqrt();
            format!("{} ± {}", text(middle), text(std))
        }
    }
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn short(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(x) if x.abs() >= 1e-3 && x.abs() < 1e4 => {
            let text = format!("{x:.5}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        toml::Value::Float(x) => format!("{x:.3e}"),
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let widest = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(widest).collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} |"));
        text += &format!("|{}\n", cells.collect::<String>());
        if at == 0 {
            let rule = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2)));
            text += &format!("|{}\n", rule.collect::<String>());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_keep_their_digits() {
        let text = |numbers: &[f64]| mean_and_std(numbers, |value| decimals(value, 4));
        assert_eq!(text(&[1e-7, 3e-7]), "2.000e-7 ± 1.414e-7");
        assert_eq!(text(&[0.25]), "0.2500");
    }

    #[test]
    fn the_epoch_whose_model_is_kept_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let epoch =
            |epoch: usize, loss: f64| format!("{{\"epoch\":{epoch},\"valid_loss\":{loss}}}\n");
        let text = epoch(1, 0.5) + &epoch(2, 0.25) + &epoch(3, 0.75);
        fs::write(folder.path().join(METRICS), &text).unwrap();
        assert_eq!(Outcome::read(folder.path()).unwrap(), None);
        let text = text + "{\"epoch\":2,\"final\":true,\"test_loss\":0.3}\n";
        fs::write(folder.path().join(METRICS), text).unwrap();
        let expected = BTreeMap::from([("valid_loss".into(), 0.25), ("test_loss".into(), 0.3)]);
        assert_eq!(Outcome::read(folder.path()).unwrap(), Some(Outcome::Finished(expected)));
    }

    #[test]
    fn rows_are_sorted_and_have_their_std() {
        let trial = |rate: f64| vec![("rate".to_owned(), toml::Value::Float(rate))];
        let (slow, fast, wild) = (trial(1e-4), trial(0.01), trial(10.0));
        let run = |seed, loss: f64, accuracy: f64| {
            let numbers =
                BTreeMap::from([("valid_loss".into(), loss), ("test_accuracy".into(), accuracy)]);
            (seed, Outcome::Finished(numbers))
        };
        let mut rows = [
            Row { number: 1, trial: &wild, runs: vec![run(1, 0.1, 0.9), (2, Outcome::Failed)] },
            Row { number: 2, trial: &slow, runs: vec![run(1, 0.5, 0.8), run(2, 0.7, 0.9)] },
            Row { number: 3, trial: &fast, runs: vec![run(1, 0.25, 0.95), run(2, 0.25, 0.96)] },
        ];
        let expected = "\
| trial | rate     | validation loss | test accuracy (%) | runs          |
|-------|----------|-----------------|-------------------|---------------|
| 3     | 0.01     | 0.2500 ± 0.0000 | 95.50 ± 0.71      | 2             |
| 2     | 1.000e-4 | 0.6000 ± 0.1414 | 85.00 ± 7.07      | 2             |
| 1     | 10       | 0.1000          | 90.00             | 2, 1 diverged |
";
        let info = MetricInfo::new("accuracy", "accuracy", Direction::Higher, Unit::Share);
        let columns = Columns::new(LOSS, &[info]);
        assert_eq!(markdown(&columns, &mut rows), expected);
        let lines = lines(&rows);
        assert_eq!(lines.lines().count(), 6);
        let line = r#"{"failed":true,"rate":10.0,"seed":2,"trial":1}"#;
        assert!(lines.contains(line), "{lines}");
    }
}
