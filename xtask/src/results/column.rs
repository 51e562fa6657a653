//! The columns of a table: which measure of the runs, and how it is shown.

use anyhow::{Context as _, Result};

use super::run::Outcome;
use super::statistics::{grouped, mean, std};

/// A column with a measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) shown: Shown,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// A measure of the test part, by its key in the last line of `metrics.jsonl`.
    Test { key: &'static str, unit: Unit },
    /// The training loss of each epoch.
    Costs,
    /// The steps of the optimizer until a measure of the validation part was first below a bar.
    StepsUntil { key: &'static str, below: f64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    /// A share, in percent.
    Percent,
    /// A number, with so many decimals.
    Number(usize),
    /// The square of a number, with so many decimals.
    Square(usize),
}

impl Column {
    /// The column of a share of the test part.
    pub(super) const fn percent(head: &'static str, key: &'static str) -> Column {
        Column { head, shown: Shown::Test { key, unit: Unit::Percent } }
    }

    /// The column of a number of the test part with three decimals.
    pub(super) const fn number(head: &'static str, key: &'static str) -> Column {
        Column { head, shown: Shown::Test { key, unit: Unit::Number(3) } }
    }

    /// What these runs measured; empty without runs. Of several it is the mean and the standard deviation.
    ///
    /// # Errors
    /// A run that did not measure it.
    pub(super) fn text(&self, outcomes: &[&Outcome]) -> Result<String> {
        if outcomes.is_empty() {
            return Ok(String::new());
        }
        Ok(match self.shown {
            Shown::Test { key, unit } => unit.text(&values(outcomes, |run| run.metrics.test(key))?),
            Shown::Costs => costs(outcomes),
            Shown::StepsUntil { key, below } => {
                let steps = values(outcomes, |run| run.metrics.steps_until(key, below))?;
                steps_text(&steps, outcomes.iter().filter_map(|run| run.metrics.steps()).max())
            }
        })
    }
}

fn values<T>(outcomes: &[&Outcome], value: impl Fn(&Outcome) -> Result<T>) -> Result<Vec<T>> {
    let value = |run: &&Outcome| value(run).with_context(|| format!("{}/metrics.jsonl", run.name));
    outcomes.iter().map(value).collect()
}

impl Unit {
    /// `99.3 %`, or `99.3 ± 0.1 %` for several values.
    pub(super) fn text(self, values: &[f64]) -> String {
        let value = |value: f64| match self {
            Unit::Percent => value * 100.0,
            Unit::Number(_) => value,
            Unit::Square(_) => value * value,
        };
        let values: Vec<_> = values.iter().copied().map(value).collect();
        let (decimals, suffix) = match self {
            Unit::Percent => (2, " %"),
            Unit::Number(decimals) | Unit::Square(decimals) => (decimals, ""),
        };
        let mean = mean(&values);
        match std(&values) {
            Some(std) => format!("{mean:.decimals$} ± {std:.decimals$}{suffix}"),
            None => format!("{mean:.decimals$}{suffix}"),
        }
    }
}

/// The cost of each epoch that all runs have, their mean.
fn costs(outcomes: &[&Outcome]) -> String {
    let runs: Vec<_> = outcomes.iter().map(|run| run.metrics.costs()).collect();
    let epochs = runs.iter().map(Vec::len).min().unwrap_or_default();
    let cost = |epoch| mean(&runs.iter().map(|costs| costs[epoch]).collect::<Vec<_>>());
    let costs: Vec<_> = (0..epochs).map(|epoch| format!("{:.3}", cost(epoch))).collect();
    costs.join(" ")
}

/// `1,900`, `1,900 ± 20`, `1,900 (3 of 5 seeds)`, or `not in 20,000` where no run reached it.
fn steps_text(steps: &[Option<u64>], most: Option<u64>) -> String {
    let reached: Vec<f64> = steps.iter().flatten().map(|steps| *steps as f64).collect();
    if reached.is_empty() {
        return format!("not in {}", grouped(most.unwrap_or_default()));
    }
    let rounded = |value: f64| grouped(value.round() as u64);
    let spread = std(&reached).map(|std| format!(" ± {}", rounded(std))).unwrap_or_default();
    let share = match reached.len() == steps.len() {
        true => String::new(),
        false => format!(" ({} of {} seeds)", reached.len(), steps.len()),
    };
    format!("{}{spread}{share}", rounded(mean(&reached)))
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Metrics;
    use super::*;

    fn outcome(text: &str) -> Outcome {
        let metrics = Metrics::parse(text).unwrap();
        Outcome { name: "t/a-seed1".into(), metrics, parameters: 1, machines: Vec::new() }
    }

    #[test]
    fn a_value_has_its_unit_and_the_spread_of_several_seeds() {
        assert_eq!(Unit::Percent.text(&[0.99321]), "99.32 %");
        assert_eq!(Unit::Percent.text(&[0.99, 0.98]), "98.50 ± 0.71 %");
        assert_eq!(Unit::Number(3).text(&[1.4616]), "1.462");
        assert_eq!(Unit::Square(4).text(&[0.1, 0.1]), "0.0100 ± 0.0000");
        assert_eq!(Unit::Percent.text(&[f64::NAN]), "NaN %");
    }

    #[test]
    fn costs_are_the_means_of_the_seeds() {
        let one = outcome("{\"epoch\":1,\"train_loss\":0.5}\n{\"epoch\":2,\"train_loss\":0.25}\n");
        let other =
            outcome("{\"epoch\":1,\"train_loss\":0.7}\n{\"epoch\":2,\"train_loss\":0.35}\n");
        let column = Column { head: "cost", shown: Shown::Costs };
        assert_eq!(column.text(&[&one, &other]).unwrap(), "0.600 0.300");
        assert_eq!(column.text(&[]).unwrap(), "");
    }

    #[test]
    fn steps_until_the_bar_say_how_many_seeds_reached_it() {
        assert_eq!(steps_text(&[Some(1_900)], Some(9_000)), "1,900");
        assert_eq!(steps_text(&[Some(1_000), Some(2_000)], None), "1,500 ± 707");
        assert_eq!(steps_text(&[Some(1_000), None], None), "1,000 (1 of 2 seeds)");
        assert_eq!(steps_text(&[None, None], Some(20_000)), "not in 20,000");
    }

    #[test]
    fn a_measure_that_is_missing_is_an_error_that_names_the_run() {
        let run = outcome("{\"final\":true,\"test_loss\":0.5}\n");
        let error = Column::percent("accuracy", "test_accuracy").text(&[&run]).unwrap_err();
        assert!(format!("{error:#}").starts_with("t/a-seed1/metrics.jsonl: expected"), "{error:#}");
    }
}
