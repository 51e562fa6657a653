//! An observer for people: a progress bar, and a line after each epoch.

use std::io::IsTerminal as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use fgn_report::grouped;
use fgn_schema::decimals;
use fgn_train::{EpochMetrics, MetricInfo, Observer, Result, StepMetrics, TrainingPlan};
use indicatif::{FormattedDuration, MultiProgress, ProgressBar, ProgressStyle};

use crate::output::{note, progress};

/// Prints a line to standard output after each epoch. While an epoch runs, standard error shows the progress:
/// as a bar on a terminal, elsewhere as a plain line now and then.
///
/// It observes the training of any model. Of the metrics it shows the first. Where standard output or standard
/// error is closed or full, the training goes on.
pub struct Console {
    lines: Lines,
    bar: Option<ProgressBar>,
    plan: Plan,
    /// The metric that is shown; the loss if there is none.
    metric: Option<MetricInfo>,
    /// An exponential moving average of the loss, which varies from step to step.
    loss: f64,
    begun: Instant,
    last_line: Instant,
}

/// Where the lines of the epochs go.
#[derive(Clone, Copy, PartialEq)]
enum Lines {
    /// To standard output.
    Output,
    /// To standard error, since standard output is for the result alone.
    Error,
    /// Nowhere; the progress is not shown either.
    Nowhere,
}

/// The length of a training.
#[derive(Clone, Copy, Default)]
struct Plan {
    epochs: usize,
    /// Training samples, and steps, of an epoch.
    samples: usize,
    steps: usize,
    /// Steps made before the training was resumed.
    done: usize,
}

impl Console {
    /// A bar if standard error is a terminal, lines otherwise.
    #[expect(clippy::new_without_default, reason = "it depends on the terminal")]
    pub fn new() -> Console {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::hidden);
        let now = Instant::now();
        let (lines, plan) = (Lines::Output, Plan::default());
        Console { lines, bar, plan, metric: None, loss: 0.0, begun: now, last_line: now }
    }

    /// As [`new`](Self::new), with the lines on standard error too: standard output is for the result alone.
    pub fn on_stderr() -> Console {
        Console { lines: Lines::Error, ..Console::new() }
    }

    /// One that shows nothing.
    pub fn quiet() -> Console {
        Console { lines: Lines::Nowhere, ..Console::new() }
    }

    fn line(&self, text: &str) {
        match self.lines {
            Lines::Output => progress(text),
            Lines::Error => beside_bars(|| note(text)),
            Lines::Nowhere => {}
        }
    }
}

impl<M: ?Sized> Observer<M> for Console {
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        let [train, valid, test] = plan.samples.map(grouped);
        let (name, model, parameters) = (&plan.name, &plan.model, grouped(plan.parameters));
        self.line(&format!(
            "{name}: {model}, {parameters} parameters\n\
             {train} training, {valid} validation and {test} test samples\n\n"
        ));
        if plan.done > 0 {
            self.line(&format!("Resuming after step {}\n", grouped(plan.done)));
        }
        let &TrainingPlan { epochs, samples: [samples, ..], steps, done, .. } = plan;
        self.plan = Plan { epochs, samples, steps, done };
        self.metric = plan.metrics.first().cloned();
        self.begun = Instant::now();
        Ok(())
    }

    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        if self.lines == Lines::Nowhere {
            return Ok(());
        }
        let plan = self.plan;
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
                    let loss = decimals(loss, 3);
                    bar.set_message(format!("loss {loss}  {rate} samples/s  {left} left"));
                }
                bar.set_position(step.samples as u64);
            }
            None if self.last_line.elapsed() >= BETWEEN_LINES => {
                self.last_line = Instant::now();
                let (rate, left) = pace(plan, step, self.begun.elapsed());
                note(&format!(
                    "  epoch {}: step {} of {}, loss {}, {rate} samples/s, {left} left\n",
                    step.epoch,
                    step.step,
                    plan.steps,
                    decimals(loss, 3)
                ));
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
        self.line(&(epoch_line(metrics, self.metric.as_ref()) + "\n"));
        Ok(())
    }
}

/// The weight of a step in the moving average of the loss.
const SMOOTHING: f64 = 0.05;

/// Steps between two updates of a bar's text.
const BETWEEN_BARS: usize = 8;

/// The time between two plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Every bar, so that they can be hidden while a log is written.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes to standard error without breaking a bar.
pub(crate) fn beside_bars<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// A bar that is hidden while a log is written.
pub(crate) fn shown(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// Samples per second, and the time that is left of the whole training, as text.
fn pace(plan: Plan, step: &StepMetrics, elapsed: Duration) -> (String, String) {
    let made = (step.total - plan.done) as f64;
    let left = (plan.steps * plan.epochs).saturating_sub(step.total) as f64;
    let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let samples = made / plan.steps as f64 * plan.samples as f64;
    let left = Duration::try_from_secs_f64(seconds * left / made).unwrap_or(Duration::MAX);
    let whole = Duration::from_secs(left.as_secs());
    (grouped((samples / seconds) as usize), FormattedDuration(whole).to_string())
}

fn epoch_bar(epoch: usize, plan: Plan) -> ProgressBar {
    let template = "{prefix} [{bar:28}] {human_pos}/{human_len}  {msg}";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = shown(ProgressBar::new(plan.samples as u64)).with_style(style);
    bar.with_prefix(format!("Epoch {epoch}/{}", plan.epochs))
}

/// `Epoch: 1 cost = 0.495` and what follows it.
fn epoch_line(epoch: &EpochMetrics, metric: Option<&MetricInfo>) -> String {
    let valid = epoch.valid.as_ref().map(|valid| {
        let value = metric.and_then(|metric| Some((metric, valid.get(&metric.name)?)));
        match value {
            Some((metric, value)) => {
                format!("validation {} = {}  ", metric.label, metric.format(value))
            }
            None => format!("validation cost = {}  ", decimals(valid.loss(), 3)),
        }
    });
    format!(
        "Epoch: {} cost = {}  {}{} samples/s",
        epoch.epoch,
        decimals(epoch.train.loss(), 3),
        valid.unwrap_or_default(),
        grouped(epoch.samples_per_second.round() as usize),
    )
}

#[cfg(test)]
mod tests {
    use fgn_train::{Direction, Unit};

    use super::*;

    /// A line of `metrics.jsonl`.
    fn epoch(valid: &str) -> EpochMetrics {
        let text = format!(
            r#"{{"epoch":1,"step":55,"train_loss":0.4951,"train_accuracy":0.84,{valid}
                "learning_rate":0.1,"seconds":2.0,"samples_per_second":12345.6}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_epoch_line_is_as_in_the_article() {
        let accuracy = MetricInfo::new("accuracy", "accuracy", Direction::Higher, Unit::Share);
        let measured = epoch(r#""valid_loss":0.1,"valid_accuracy":0.97614,"#);
        let line = "Epoch: 1 cost = 0.495  validation accuracy = 97.61 %  12,346 samples/s";
        assert_eq!(epoch_line(&measured, Some(&accuracy)), line);
        let line = "Epoch: 1 cost = 0.495  validation cost = 0.100  12,346 samples/s";
        assert_eq!(epoch_line(&measured, None), line);
        let line = "Epoch: 1 cost = 0.495  12,346 samples/s";
        assert_eq!(epoch_line(&epoch(""), Some(&accuracy)), line);
    }

    #[test]
    fn an_epoch_line_shows_a_small_loss() {
        let mut small = epoch(r#""valid_loss":1e-7,"#);
        small.train = fgn_train::Measures::new(2e-7);
        let line = "Epoch: 1 cost = 2.000e-7  validation cost = 1.000e-7  12,346 samples/s";
        assert_eq!(epoch_line(&small, None), line);
    }

    #[test]
    fn an_epoch_line_shows_the_first_metric_in_its_unit() {
        let mae = MetricInfo::new("mae", "MAE", Direction::Lower, Unit::Number);
        let line = "Epoch: 1 cost = 0.495  validation MAE = 12.346  12,346 samples/s";
        let measured = epoch(r#""valid_loss":0.1,"valid_mae":12.345678,"valid_r2":0.5,"#);
        assert_eq!(epoch_line(&measured, Some(&mae)), line);
    }

    #[test]
    fn the_time_left_is_that_of_the_whole_training() {
        let plan = Plan { epochs: 5, samples: 1000, steps: 100, done: 50 };
        let step = StepMetrics {
            epoch: 2,
            step: 50,
            total: 150,
            loss: 1.0,
            samples: 500,
            learning_rate: 1.0,
            gradient_norm: 1.0,
        };
        let (rate, left) = pace(plan, &step, Duration::from_secs(20));
        assert_eq!((&rate[..], &left[..]), ("50", "00:01:10"));
    }
}
