//! A run for TensorBoard: `tensorboard --logdir runs` shows every run.
//!
//! Each process that trains in a run folder writes a file of its own. TensorBoard reads the files of a
//! folder as one, in the order of their names; where a training resumes from a checkpoint, the new file
//! begins with a mark that takes back what an earlier one holds of later steps. The evaluation on the test set
//! belongs to the last step, which no mark takes back: it is written only where no earlier file has it.

mod event;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use event::Event;
use fgn_train::{
    EpochMetrics, Evaluation, Finished, Measures, Observer, StepMetrics, TrainingPlan,
};

use crate::error::{Error, Result};

/// The points of a curve over steps are at most about so many: as many as TensorBoard shows.
const POINTS: usize = 1000;

/// An observer that writes an event file into a folder: loss, gradient norm and learning rate of steps, the metrics
/// of each epoch, and the evaluation on the test set. A resumed training writes a file of its own.
pub struct TensorBoard {
    folder: PathBuf,
    /// From the start of the training on.
    events: Option<Events>,
}

impl TensorBoard {
    /// Writes into `folder`, which is there.
    pub fn new(folder: &Path) -> TensorBoard {
        TensorBoard { folder: folder.to_owned(), events: None }
    }

    fn with(&mut self, write: impl FnOnce(&mut Events) -> Result<()>) -> fgn_train::Result<()> {
        Ok(self.events.as_mut().map_or(Ok(()), write)?)
    }
}

impl<M: ?Sized> Observer<M> for TensorBoard {
    fn start(&mut self, plan: &TrainingPlan) -> fgn_train::Result<()> {
        self.events = Some(Events::begin(&self.folder, plan)?);
        Ok(())
    }

    fn step(&mut self, step: &StepMetrics) -> fgn_train::Result<()> {
        self.with(|events| events.step(step))
    }

    fn epoch(&mut self, metrics: &EpochMetrics, _: &M) -> fgn_train::Result<()> {
        self.with(|events| events.epoch(metrics))
    }

    fn finish(&mut self, finished: &Finished<'_, M>) -> fgn_train::Result<()> {
        self.with(|events| events.finish(finished.test))
    }
}

/// An event file that is being written.
struct Events {
    path: PathBuf,
    file: File,
    /// Steps from one point of a curve to the next.
    every: usize,
    /// The last step.
    step: usize,
    /// Whether an earlier file has the evaluation on the test set.
    has_test: bool,
}

impl Events {
    /// Begins a file in `folder`, with the configuration as text. Of a training that is resumed, what earlier
    /// files hold of steps after `plan.done` no longer counts.
    fn begin(folder: &Path, plan: &TrainingPlan) -> Result<Events> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let files = files(folder)?;
        let last = files.last().map(|&(number, _)| number);
        let mut has_test = false;
        for (_, path) in &files {
            let bytes = fs::read(path).map_err(Error::io("read", path))?;
            for event in event::events(&bytes) {
                has_test = (has_test && !event.takes_back(plan.done))
                    || event.is_point_of(plan.done, TEST);
            }
        }
        // Behind all others, also where two begin in the same second or the clock was put back.
        let number = last.map_or(now, |last| now.max(last.saturating_add(1)));
        let path = folder.join(event::file_name(number));
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(Error::io("create", &path))?;
        let every = (plan.steps * plan.epochs).div_ceil(POINTS).max(1);
        let mut events = Events { path, file, every, step: plan.done, has_test };
        let begin = match last {
            Some(_) => Event::start(plan.done + 1),
            None => {
                // Markdown, of which an indented block stands as it is.
                let text = plan.config.lines().map(|line| format!("    {line}\n"));
                Event::text(0, "config", &text.collect::<String>())
            }
        };
        // Both in one piece: a file that is there has its mark, or the configuration.
        events.append(&[Event::version().record(), begin.record()].concat())?;
        Ok(events)
    }

    fn step(&mut self, step: &StepMetrics) -> Result<()> {
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
    fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let mut values = tagged(&metrics.train, "train");
        values.extend(metrics.valid.iter().flat_map(|valid| tagged(valid, "valid")));
        values.push(("epoch".into(), metrics.epoch as f64));
        values.push(("samples_per_second".into(), metrics.samples_per_second));
        self.scalars(metrics.step, &values)
    }

    fn finish(&mut self, test: &Evaluation) -> Result<()> {
        if self.has_test {
            return Ok(());
        }
        self.scalars(self.step, &tagged(&test.measures, TEST))
    }

    fn scalars(&mut self, step: usize, values: &[(String, f64)]) -> Result<()> {
        let values: Vec<_> = values.iter().map(|(tag, value)| (&tag[..], Some(*value))).collect();
        self.write(&Event::scalars(step, &values))
    }

    /// In one piece, so that whoever reads along meets whole events.
    fn write(&mut self, event: &Event) -> Result<()> {
        self.append(&event.record())
    }

    fn append(&mut self, records: &[u8]) -> Result<()> {
        self.file.write_all(records).map_err(Error::io("write", &self.path))
    }
}

/// The part of the data that is measured once, at the end.
const TEST: &str = "test";

/// The values of a part of the data: `loss/train`, `accuracy/train`, ….
fn tagged(measures: &Measures, part: &str) -> Vec<(String, f64)> {
    measures.iter().map(|(name, value)| (format!("{name}/{part}"), value)).collect()
}

#[cfg(test)]
fn is_event_file(name: &str) -> bool {
    event::file_number(name).is_some()
}

/// The event files in a folder with their numbers, in order.
fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let number = entry.file_name().to_str().and_then(event::file_number);
        files.extend(number.map(|number| (number, entry.path())));
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests;
