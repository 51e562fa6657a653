//! Sweeps: many trainings, and a table of what came of them.
//!
//! Each training is a run folder as any other. So an interrupted sweep resumes where it was: runs
//! that are finished stay, the one in progress resumes from its checkpoint.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use tracing::warn;

use crate::config::Config;
use crate::durable::replace_file;
use crate::error::{Error, Result};
use crate::metrics::LOSS;
use crate::model::head_metrics;
use crate::observer::Observer;
use crate::session::{ResumeOptions, Session};
use crate::trainer::End;
use plan::{SweepPlan, Trial};
use table::{Columns, FAILED, Outcome};

pub(crate) mod plan;
mod table;

const PLAN: &str = "sweep.toml";
const TABLE: &str = "results.md";
const RUNS: &str = "results.jsonl";

/// A sweep in a folder of its own.
pub struct Sweep {
    folder: PathBuf,
    trials: Vec<Trial>,
    seeds: Vec<u64>,
    /// One a trial and seed.
    configs: Vec<Vec<Config>>,
}

impl Sweep {
    /// Begins the sweep that `text` describes in `folder`, or in `sweeps/<name>`; or resumes it, if it
    /// is there. Every configuration is checked before anything is written.
    ///
    /// # Errors
    /// A text or a configuration that cannot be; a folder that holds another sweep.
    pub fn open(text: &str, origin: &str, folder: Option<&Path>) -> Result<Sweep> {
        let plan = SweepPlan::parse(text, origin)?;
        let trials = plan.trials()?;
        let of_trial = |trial: &Trial| {
            plan.seeds.iter().map(|&seed| plan.config(trial, seed)).collect::<Result<Vec<_>>>()
        };
        let configs = trials.iter().map(of_trial).collect::<Result<Vec<_>>>()?;
        let folder = folder.map_or_else(|| Path::new("sweeps").join(&plan.name), Path::to_path_buf);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let file = folder.join(PLAN);
        match fs::read_to_string(&file) {
            Ok(before) if before != text => return Err(Error::OtherSweep { folder }),
            Ok(_) => {}
            Err(_) => replace_file(&file, text.as_bytes())?,
        }
        Ok(Sweep { folder, trials, seeds: plan.seeds, configs })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file with a JSON object for each finished run, best trial first, which [`table`](Self::table) writes.
    pub fn results(&self) -> PathBuf {
        self.folder.join(RUNS)
    }

    /// How many trainings it has.
    pub fn len(&self) -> usize {
        self.trials.len() * self.seeds.len()
    }

    /// Whether it has none; never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Trains all that is not finished, one after the other. Before each training, `observe` gets its number,
    /// counted from 1, and its session, and gives its observer. Gives the table, or nothing if it was
    /// interrupted. A training that diverges counts as failed, and the sweep continues.
    ///
    /// # Errors
    /// Whatever keeps a training from beginning or being written, and what `observe` returns.
    pub fn run<O: Observer>(
        &self,
        device: &Device,
        interrupt: &Arc<AtomicBool>,
        mut observe: impl FnMut(usize, &Session) -> Result<O>,
    ) -> Result<Option<String>> {
        let mut number = 0;
        for (trial, configs) in (1..).zip(&self.configs) {
            for (seed, config) in self.seeds.iter().zip(configs) {
                number += 1;
                let folder = self.run_folder(trial, *seed);
                if Outcome::read(&folder)?.is_some() {
                    continue;
                }
                let options = ResumeOptions::default();
                let session = match Session::resume(&folder, &options, device) {
                    Err(Error::NoRun { .. }) => {
                        Session::begin(config.clone(), Some(&folder), device)
                    }
                    session => session,
                }?;
                let mut observer = observe(number, &session)?;
                if !train(session, interrupt, &mut observer)? {
                    return Ok(None);
                }
            }
        }
        self.table().map(Some)
    }

    /// The table of the runs that are finished, best trial first: a row a trial, with the mean over its
    /// seeds and their standard deviation. It is written to `results.md`, and each run to `results.jsonl`.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn table(&self) -> Result<String> {
        let mut rows = Vec::new();
        for (number, trial) in (1..).zip(&self.trials) {
            let runs = self.seeds.iter().map(|&seed| {
                let folder = self.run_folder(number, seed);
                Ok(Outcome::read(&folder)?.map(|outcome| (seed, outcome)))
            });
            let runs: Vec<_> = runs.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
            rows.push(table::Row { number, trial, runs });
        }
        let text = table::markdown(&self.columns()?, &mut rows);
        replace_file(&self.folder.join(TABLE), text.as_bytes())?;
        replace_file(&self.results(), table::lines(&rows).as_bytes())?;
        Ok(text)
    }

    /// The columns of the table: those of the first training.
    fn columns(&self) -> Result<Columns> {
        let Some(config) = self.configs.iter().flatten().next() else {
            return Ok(Columns::new(LOSS, &[]));
        };
        Ok(Columns::new(
            &config.monitor,
            &head_metrics(&config.model.head, &config.metrics)?.infos(),
        ))
    }

    fn run_folder(&self, trial: usize, seed: u64) -> PathBuf {
        self.folder.join(format!("trial-{trial:03}-seed-{seed}"))
    }
}

/// Whether the training came to an end: if not, it was interrupted.
fn train(
    session: Session,
    interrupt: &Arc<AtomicBool>,
    observer: &mut dyn Observer,
) -> Result<bool> {
    let folder = session.folder().to_owned();
    match session.run(interrupt.clone(), observer) {
        Ok(outcome) => Ok(outcome.end != End::Interrupted),
        Err(
            error @ (Error::NotFinite { .. } | Error::NotMeasured { .. } | Error::Diverged { .. }),
        ) => {
            warn!("{}: {error}", folder.display());
            replace_file(&folder.join(FAILED), error.to_string().as_bytes())?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
