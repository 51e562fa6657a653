//! An observer that tells a person: a progress bar, and a line an epoch.

use std::io::{IsTerminal as _, Write as _};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{FormattedDuration, MultiProgress, ProgressBar, ProgressStyle};

use crate::{EpochMetrics, Observer, Plan, Result, Step};

/// Prints a line an epoch to standard output. While an epoch runs, standard error shows how far it
/// is: a bar on a terminal, elsewhere a plain line now and then.
pub struct Console {
    bar: Option<ProgressBar>,
    plan: Option<Plan>,
    /// A running mean of the loss, which jumps from step to step.
    loss: f64,
    begun: Instant,
    last_line: Instant,
}

impl Console {
    /// Looks at standard error to choose between bar and lines.
    #[expect(clippy::new_without_default, reason = "it looks at the terminal")]
    pub fn new() -> Console {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::hidden);
        let now = Instant::now();
        Console { bar, plan: None, loss: 0.0, begun: now, last_line: now }
    }
}

impl<M: ?Sized> Observer<M> for Console {
    fn start(&mut self, plan: &Plan) -> Result<()> {
        let [train, valid, test] = plan.samples.map(grouped);
        let (name, model, parameters) = (&plan.name, &plan.model, grouped(plan.parameters));
        let mut out = std::io::stdout();
        writeln!(out, "{name}: {model}, {parameters} parameters")?;
        writeln!(
            out,
            "{train} samples to train on, {valid} held out for validation, {test} to test on\n"
        )?;
        if plan.done > 0 {
            writeln!(out, "Going on after step {}", grouped(plan.done))?;
        }
        self.plan = Some(plan.clone());
        self.begun = Instant::now();
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        let is_first = step.step == 1 || step.total == plan.done + 1;
        if step.loss.is_finite() {
            self.loss += if is_first { 1.0 } else { SMOOTHING } * (step.loss - self.loss);
        }
        let loss = self.loss;
        match &mut self.bar {
            Some(bar) => {
                if is_first {
                    *bar = epoch_bar(step.epoch, plan);
                }
                if is_first || step.total.is_multiple_of(BETWEEN_BARS) {
                    let (rate, left) = pace(plan, step, self.begun.elapsed());
                    bar.set_message(format!("loss {loss:.3}  {rate} samples/s  {left} left"));
                }
                bar.set_position(step.samples as u64);
            }
            None if self.last_line.elapsed() >= BETWEEN_LINES => {
                self.last_line = Instant::now();
                let (rate, left) = pace(plan, step, self.begun.elapsed());
                eprintln!(
                    "  epoch {}: step {} of {}, loss {loss:.3}, {rate} samples/s, {left} left",
                    step.epoch, step.step, plan.steps
                );
            }
            None => {}
        }
        Ok(())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, _: &M) -> Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.last_line = Instant::now();
        writeln!(std::io::stdout(), "{}", epoch_line(metrics))?;
        Ok(())
    }
}

/// The weight of a step in the running mean of the loss.
const SMOOTHING: f64 = 0.05;

/// Steps between two texts of a bar.
const BETWEEN_BARS: usize = 8;

/// How often a plain line tells of progress.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Every bar, so that logs can step aside.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes to standard error without breaking a bar.
pub(crate) fn beside_bars<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// Samples a second, and the time that is left of the whole training, as text.
fn pace(plan: &Plan, step: &Step, elapsed: Duration) -> (String, String) {
    let made = (step.total - plan.done) as f64;
    let left = (plan.steps * plan.epochs).saturating_sub(step.total) as f64;
    let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let samples = made / plan.steps as f64 * plan.samples[0] as f64;
    let left = Duration::try_from_secs_f64(seconds * left / made).unwrap_or(Duration::MAX);
    let whole = Duration::from_secs(left.as_secs());
    (grouped((samples / seconds) as usize), FormattedDuration(whole).to_string())
}

fn epoch_bar(epoch: usize, plan: &Plan) -> ProgressBar {
    let template = "{prefix} [{bar:28}] {human_pos}/{human_len}  {msg}";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = BARS.add(ProgressBar::new(plan.samples[0] as u64)).with_style(style);
    bar.with_prefix(format!("Epoch {epoch}/{}", plan.epochs))
}

/// `Epoch: 1 cost = 0.495` and what follows it.
fn epoch_line(metrics: &EpochMetrics) -> String {
    let valid = match (metrics.valid_accuracy, metrics.valid_loss) {
        (Some(accuracy), _) => format!("validation accuracy = {:.2} %  ", 100.0 * accuracy),
        (None, Some(loss)) => format!("validation cost = {loss:.3}  "),
        (None, None) => String::new(),
    };
    format!(
        "Epoch: {} cost = {:.3}  {valid}{} samples/s",
        metrics.epoch,
        metrics.train_loss,
        grouped(metrics.samples_per_second.round() as usize),
    )
}

/// `412,810`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_told_in_the_articles_form() {
        let mut metrics = EpochMetrics {
            epoch: 1,
            train_loss: 0.4951,
            step: 55,
            train_accuracy: Some(0.84),
            learning_rate: 0.1,
            valid_loss: Some(0.1),
            valid_accuracy: Some(0.97614),
            seconds: 2.0,
            samples_per_second: 12_345.6,
        };
        let line = "Epoch: 1 cost = 0.495  validation accuracy = 97.61 %  12,346 samples/s";
        assert_eq!(epoch_line(&metrics), line);
        metrics.valid_accuracy = None;
        let line = "Epoch: 1 cost = 0.495  validation cost = 0.100  12,346 samples/s";
        assert_eq!(epoch_line(&metrics), line);
        metrics.valid_loss = None;
        assert_eq!(epoch_line(&metrics), "Epoch: 1 cost = 0.495  12,346 samples/s");
    }

    #[test]
    fn the_time_left_is_that_of_the_whole_training() {
        let plan = Plan {
            name: "a".into(),
            model: "b".into(),
            parameters: 1,
            samples: [1000, 0, 1],
            epochs: 5,
            steps: 100,
            done: 50,
            history: Vec::new(),
        };
        let step = Step {
            epoch: 2,
            step: 50,
            total: 150,
            loss: 1.0,
            samples: 500,
            learning_rate: 1.0,
            gradient_norm: 1.0,
        };
        let (rate, left) = pace(&plan, &step, Duration::from_secs(20));
        assert_eq!((&rate[..], &left[..]), ("50", "00:01:10"));
    }

    #[test]
    fn digits_stand_in_groups() {
        let found = [0, 999, 1_000, 412_810, 1_234_567].map(grouped);
        assert_eq!(found, ["0", "999", "1,000", "412,810", "1,234,567"]);
    }
}
