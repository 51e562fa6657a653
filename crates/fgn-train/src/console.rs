//! An observer that tells a person: a progress bar, and a line an epoch.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use fgn_nn::Model;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::{EpochMetrics, Observer, Plan, Result, Step};

/// Prints a line an epoch to standard output. While an epoch runs, standard error shows how far it
/// is: a bar on a terminal, elsewhere a plain line now and then.
pub struct Console {
    progress: Progress,
    plan: Option<Plan>,
    /// A running mean of the loss, which jumps from step to step.
    loss: f64,
}

impl Console {
    /// Looks at standard error to choose between bar and lines.
    #[expect(clippy::new_without_default, reason = "it looks at the terminal")]
    pub fn new() -> Console {
        let progress = match std::io::stderr().is_terminal() {
            true => Progress::Bar(ProgressBar::hidden()),
            false => Progress::Lines(Instant::now()),
        };
        Console { progress, plan: None, loss: 0.0 }
    }
}

impl Observer for Console {
    fn start(&mut self, plan: &Plan) -> Result<()> {
        let [train, valid, test] = plan.images.map(grouped);
        let (name, cell, parameters) = (&plan.name, &plan.cell, grouped(plan.parameters));
        writeln!(std::io::stdout(), "{name}: {cell}, {parameters} parameters")?;
        writeln!(
            std::io::stdout(),
            "{train} images to train on, {valid} held out for validation, {test} to test on\n"
        )?;
        self.plan = Some(plan.clone());
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        let weight = if step.step == 1 { 1.0 } else { SMOOTHING };
        self.loss += weight * (step.loss - self.loss);
        self.progress.show(step, plan, self.loss);
        Ok(())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, _: &Model) -> Result<()> {
        self.progress.clear();
        writeln!(std::io::stdout(), "{}", epoch_line(metrics))?;
        Ok(())
    }
}

/// The weight of a step in the running mean of the loss.
const SMOOTHING: f64 = 0.05;

/// How often a plain line tells of progress.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

enum Progress {
    /// Hidden until the first step, and between epochs.
    Bar(ProgressBar),
    /// Since the last line.
    Lines(Instant),
}

impl Progress {
    fn show(&mut self, step: &Step, plan: &Plan, loss: f64) {
        match self {
            Progress::Bar(bar) => {
                if step.step == 1 {
                    *bar = epoch_bar(step.epoch, plan);
                }
                bar.set_message(format!("{loss:.3}"));
                bar.set_position(step.images as u64);
            }
            Progress::Lines(since) => {
                if since.elapsed() >= BETWEEN_LINES {
                    *since = Instant::now();
                    eprintln!(
                        "  epoch {}: step {} of {}, loss {loss:.3}",
                        step.epoch, step.step, plan.steps
                    );
                }
            }
        }
    }

    fn clear(&mut self) {
        match self {
            Progress::Bar(bar) => bar.finish_and_clear(),
            Progress::Lines(since) => *since = Instant::now(),
        }
    }
}

fn epoch_bar(epoch: usize, plan: &Plan) -> ProgressBar {
    let template =
        "{prefix} [{bar:32}] {human_pos}/{human_len}  loss {msg}  {rate} images/s  {eta} left";
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A terminal line has room; there is nobody to tell if not.
        let _ = text.write_str(&grouped(state.per_sec() as usize));
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate)
        .progress_chars("=> ");
    let bar = ProgressBar::new(plan.images[0] as u64).with_style(style);
    bar.with_prefix(format!("Epoch {epoch}/{}", plan.epochs))
}

/// `Epoch: 1 cost = 0.495` and what follows it.
fn epoch_line(metrics: &EpochMetrics) -> String {
    let valid = metrics
        .valid_accuracy
        .map(|accuracy| format!("validation accuracy = {:.2} %  ", 100.0 * accuracy));
    format!(
        "Epoch: {} cost = {:.3}  {}{} images/s",
        metrics.epoch,
        metrics.train_loss,
        valid.unwrap_or_default(),
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
            train_accuracy: 0.84,
            valid_loss: Some(0.1),
            valid_accuracy: Some(0.97614),
            seconds: 2.0,
            samples_per_second: 12_345.6,
        };
        let line = "Epoch: 1 cost = 0.495  validation accuracy = 97.61 %  12,346 images/s";
        assert_eq!(epoch_line(&metrics), line);
        metrics.valid_accuracy = None;
        assert_eq!(epoch_line(&metrics), "Epoch: 1 cost = 0.495  12,346 images/s");
    }

    #[test]
    fn digits_stand_in_groups() {
        let found = [0, 999, 1_000, 412_810, 1_234_567].map(grouped);
        assert_eq!(found, ["0", "999", "1,000", "412,810", "1,234,567"]);
    }
}
