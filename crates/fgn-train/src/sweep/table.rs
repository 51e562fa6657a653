//! What came of a sweep's runs, as a table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::{FAILED, Trial};
use crate::{Error, Result};

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It diverged.
    Failed,
    /// Its numbers, of [`SHOWN`] those that it has.
    Finished(BTreeMap<&'static str, f64>),
}

/// The numbers of a run's last epoch and last line that are told, and their heads; shares are told in
/// percent. The first that there is decides which trial is better.
const SHOWN: [(&str, &str, bool); 5] = [
    ("valid_loss", "validation loss", false),
    ("train_loss", "training loss", false),
    ("valid_accuracy", "validation accuracy (%)", true),
    ("test_loss", "test loss", false),
    ("test_accuracy", "test accuracy (%)", true),
];

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
        let file = folder.join("metrics.jsonl");
        let Ok(text) = fs::read_to_string(&file) else {
            return Ok(None);
        };
        let broken = |error: serde_json::Error| Error::io("read", &file)(error.into());
        let lines = text.lines().map(serde_json::from_str::<Map<String, Value>>);
        let lines = lines.collect::<serde_json::Result<Vec<_>>>().map_err(broken)?;
        let [.., epoch, last] = &lines[..] else {
            return Ok(None);
        };
        if !last.contains_key("final") {
            return Ok(None);
        }
        let number = |key: &str| last.get(key).or_else(|| epoch.get(key))?.as_f64();
        let found = SHOWN.iter().filter_map(|&(key, ..)| Some((key, number(key)?)));
        Ok(Some(Outcome::Finished(found.collect())))
    }
}

impl Row<'_> {
    fn numbers(&self, key: &str) -> Vec<f64> {
        let of = |(_, outcome): &(u64, Outcome)| match outcome {
            Outcome::Failed => None,
            Outcome::Finished(numbers) => numbers.get(key).copied(),
        };
        self.runs.iter().filter_map(of).collect()
    }

    /// Trials with a failed run, or without any, come last.
    fn rank(&self) -> (bool, f64) {
        let loss = SHOWN[..2].iter().map(|&(key, ..)| self.numbers(key));
        let loss = loss.into_iter().find(|numbers| !numbers.is_empty());
        let failed = self.runs.iter().any(|(_, outcome)| *outcome == Outcome::Failed);
        (failed || loss.is_none(), loss.map_or(f64::INFINITY, |numbers| mean(&numbers)))
    }
}

/// A table in Markdown, of `rows` sorted from the best to the worst.
pub(super) fn markdown(rows: &mut [Row<'_>]) -> String {
    rows.sort_by(|one, other| {
        let ((failed, loss), (other_failed, other_loss)) = (one.rank(), other.rank());
        failed.cmp(&other_failed).then(loss.total_cmp(&other_loss))
    });
    let keys: Vec<&str> = match rows.first() {
        Some(row) => row.trial.iter().map(|(key, _)| &key[..]).collect(),
        None => Vec::new(),
    };
    let shown: Vec<_> = SHOWN
        .iter()
        .filter(|(key, ..)| rows.iter().any(|row| !row.numbers(key).is_empty()))
        .collect();
    let heads = shown.iter().map(|(_, head, _)| *head);
    let heads: Vec<_> = ["trial"].into_iter().chain(keys).chain(heads).chain(["runs"]).collect();
    let mut lines = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    for row in rows.iter() {
        let values = row.trial.iter().map(|(_, value)| short(value));
        let measured = shown.iter().map(|(key, _, percent)| {
            let scale = if *percent { 100.0 } else { 1.0 };
            let digits = if *percent { 2 } else { 4 };
            told(&row.numbers(key), scale, digits)
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
                    let numbers = numbers.iter().map(|(&key, &x)| (key.to_owned(), x.into()));
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
fn told(numbers: &[f64], scale: f64, digits: usize) -> String {
    let middle = mean(numbers);
    match numbers {
        [] => "-".into(),
        [one] => format!("{:.digits$}", scale * one),
        _ => {
            let squares = numbers.iter().map(|x| (x - middle).powi(2)).sum::<f64>();
            let deviation = (squares / (numbers.len() - 1) as f64).sqrt();
            format!("{:.digits$} ± {:.digits$}", scale * middle, scale * deviation)
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
    fn rows_are_sorted_and_told_with_their_deviation() {
        let trial = |rate: f64| vec![("rate".to_owned(), toml::Value::Float(rate))];
        let (slow, fast, wild) = (trial(1e-4), trial(0.01), trial(10.0));
        let run = |seed, loss: f64, accuracy: f64| {
            let numbers = BTreeMap::from([("valid_loss", loss), ("test_accuracy", accuracy)]);
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
        assert_eq!(markdown(&mut rows), expected);
        let lines = lines(&rows);
        assert_eq!(lines.lines().count(), 6);
        let line = r#"{"failed":true,"rate":10.0,"seed":2,"trial":1}"#;
        assert!(lines.contains(line), "{lines}");
    }
}
