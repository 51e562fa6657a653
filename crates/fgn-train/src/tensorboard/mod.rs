//! A run for TensorBoard: `tensorboard --logdir runs` shows every run.
//!
//! Each process that trains in a run folder writes a file of its own. TensorBoard reads the files of a
//! folder as one, in the order of their names; where a training goes on from a checkpoint, the new file
//! begins with a mark that takes back what an earlier one holds of later steps.

mod event;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use event::Event;

use crate::{EpochMetrics, Error, Evaluation, Plan, Result, Step};

/// The points of a curve over steps are at most about so many: as many as TensorBoard shows.
const POINTS: usize = 1000;

/// The event file of a run, in the making.
pub(crate) struct Events {
    path: PathBuf,
    file: File,
    /// Steps from one point of a curve to the next.
    every: usize,
    /// The last step told of.
    step: usize,
}

impl Events {
    /// Begins a file in `folder`, with the run's configuration as text; of a training that goes on, what
    /// files before hold of steps behind `plan.done` no longer counts.
    pub(crate) fn begin(folder: &Path, plan: &Plan, config: &str) -> Result<Events> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let last = last_number(folder)?;
        // Behind all others, also where two begin in the same second or the clock was put back.
        let number = last.map_or(now, |last| now.max(last.saturating_add(1)));
        let path = folder.join(event::file_name(number));
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(Error::io("create", &path))?;
        let every = (plan.steps * plan.epochs).div_ceil(POINTS).max(1);
        let mut events = Events { path, file, every, step: plan.done };
        events.write(&Event::version())?;
        if last.is_some() {
            events.write(&Event::start(plan.done + 1))?;
        } else {
            // Markdown, of which an indented block stands as it is.
            let text: String = config.lines().map(|line| format!("    {line}\n")).collect();
            events.write(&Event::text(0, "config", &text))?;
        }
        Ok(events)
    }

    pub(crate) fn step(&mut self, step: &Step) -> Result<()> {
        self.step = step.total;
        if !step.total.is_multiple_of(self.every) {
            return Ok(());
        }
        self.write(&Event::scalars(
            step.total,
            &[
                ("step/loss", Some(step.loss)),
                ("step/gradient_norm", Some(step.gradient_norm)),
                ("step/learning_rate", Some(step.learning_rate)),
            ],
        ))
    }

    /// Over steps too, so that all curves share an axis.
    pub(crate) fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        self.write(&Event::scalars(
            metrics.step,
            &[
                ("loss/train", Some(metrics.train_loss)),
                ("loss/valid", metrics.valid_loss),
                ("accuracy/train", metrics.train_accuracy),
                ("accuracy/valid", metrics.valid_accuracy),
                ("epoch", Some(metrics.epoch as f64)),
                ("samples_per_second", Some(metrics.samples_per_second)),
            ],
        ))
    }

    pub(crate) fn finish(&mut self, test: &Evaluation) -> Result<()> {
        let values = [("loss/test", Some(test.loss)), ("accuracy/test", test.accuracy())];
        self.write(&Event::scalars(self.step, &values))
    }

    /// In one piece, so that whoever reads along meets whole events.
    fn write(&mut self, event: &Event) -> Result<()> {
        self.file.write_all(&event.record()).map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
pub(crate) fn is_event_file(name: &str) -> bool {
    event::file_number(name).is_some()
}

/// The number of the last event file in a folder.
fn last_number(folder: &Path) -> Result<Option<u64>> {
    let mut last = None;
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let name = entry.map_err(Error::io("read", folder))?.file_name();
        last = last.max(name.to_str().and_then(event::file_number));
    }
    Ok(last)
}

#[cfg(test)]
mod tests;
