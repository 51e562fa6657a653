//! A training in a run folder: what `fgn train` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candle_core::DType;
use fgn_data::{DataConfig, Dataset};
use fgn_nn::Model;

use crate::compute::Compute;
use crate::config::Config;
use crate::data::open_data;
use crate::difference::{DATA_SOURCE, first_difference};
use crate::error::{Error, Result};
use crate::final_metrics::FinalMetrics;
use crate::gates::recorder::GateRecorder;
use crate::initial_weights::InitialWeights;
use crate::observer::Observer;
use crate::run_folder;
use crate::session_start::{self, Opened, Shared, in_first};
use crate::text_samples::SampleRecorder;
use crate::train::Trained;
use crate::trainer::{End, Trainer};

/// A training in a run folder, about to begin or to go on.
pub struct Session {
    config: Config,
    dataset: Dataset,
    trainer: Trainer<Model>,
    opened: Opened,
}

/// How a run is resumed.
#[derive(Clone, Debug, Default)]
pub struct ResumeOptions {
    /// If the last checkpoint is damaged, resume from the last that is not.
    pub last_good: bool,
    /// Where the data is now, if it was moved; `config.toml` then says so.
    pub data: Option<PathBuf>,
    /// Go on with data that has changed.
    pub accept_changed_data: bool,
    /// Train for so many epochs in all, more than the run was to have. Only for [`Session::resume`].
    pub epochs: Option<usize>,
}

/// How a session ended.
#[non_exhaustive]
pub struct SessionOutcome {
    /// The run folder.
    pub folder: PathBuf,
    /// Steps made, over all epochs.
    pub step: usize,
    /// How the training came to its end.
    pub end: End,
    /// What it gave; none if it was interrupted, and in all processes but the first.
    pub trained: Option<Trained>,
    /// What it began with, where that was another model and this session made the first step.
    pub initial: Option<InitialWeights>,
}

impl Session {
    /// A new run in `folder`, or in the first of `runs/<name>-1`, `runs/<name>-2`, … that is free.
    ///
    /// # Errors
    /// A configuration that does not fit the data, before anything is written; a folder that holds a run
    /// already, or cannot be written.
    pub fn begin(
        config: Config,
        folder: Option<&Path>,
        compute: impl Into<Compute>,
    ) -> Result<Session> {
        let dataset = open_data(&config.data)?;
        Session::begin_on(dataset, config, folder, compute)
    }

    /// As [`begin`](Self::begin), on a data set that was read already, as [`Config::open`] gives it.
    ///
    /// # Errors
    /// As there.
    pub fn begin_on(
        dataset: Dataset,
        mut config: Config,
        folder: Option<&Path>,
        compute: impl Into<Compute>,
    ) -> Result<Session> {
        let compute = compute.into();
        config.settle(&dataset)?;
        let (dataset, mut trainer) = prepare(dataset, &config, &compute)?;
        trainer.initialise()?;
        let opened = session_start::create(&*compute.group, folder, &config)?;
        Ok(Session { config, dataset, trainer, opened })
    }

    /// The run in `folder`, from its last checkpoint on.
    ///
    /// With [`ResumeOptions::epochs`] it goes on to that epoch, whether it was finished, stopped early or interrupted. Its
    /// learning rate is from now on that of a training of so many epochs: where the schedule depends on the end, as
    /// `cosine` and `one-cycle` do, it jumps. With the other schedules, the result is that of a training of so many epochs
    /// from the beginning, bit for bit. Early stopping begins to wait anew.
    ///
    /// # Errors
    /// Those of [`Recorder::resume`](crate::Recorder::resume); data that is not what it was; no more epochs than it was to have.
    pub fn resume(
        folder: &Path,
        options: &ResumeOptions,
        compute: impl Into<Compute>,
    ) -> Result<Session> {
        let compute = compute.into();
        let mut resumed = session_start::resume(&*compute.group, folder, options.last_good)?;
        if let Some(path) = &options.data {
            resumed.config.data.source = DataConfig::absolute(path)?;
        }
        if let Some(asked) = options.epochs {
            let has = resumed.config.training.epochs;
            if asked <= has {
                return Err(Error::FewerEpochs { folder: folder.to_owned(), has, asked });
            }
            resumed.config.training.epochs = asked;
        }
        let dataset = open_data(&resumed.config.data)?;
        Session::resume_on(dataset, resumed, options, &compute)?.with_config_written()
    }

    /// The run in `folder`: a new one if there is none, else the one there, from its last checkpoint on; none if
    /// that one is finished. So one command, given again and again, brings a run to its end. The data may lie
    /// elsewhere than before; `options.data` is of no effect, `config` says where it is.
    ///
    /// # Errors
    /// Those of [`begin_on`](Self::begin_on) and [`resume`](Self::resume); a run of another configuration.
    pub fn begin_or_resume(
        dataset: Dataset,
        mut config: Config,
        folder: &Path,
        options: &ResumeOptions,
        compute: impl Into<Compute>,
    ) -> Result<Option<Session>> {
        let compute = compute.into();
        let group = &*compute.group;
        if in_first(group, || Ok(run_folder::run_in(folder).is_none()))? {
            return Session::begin_on(dataset, config, Some(folder), compute).map(Some);
        }
        config.settle(&dataset)?;
        let mut resumed = session_start::resume(group, folder, options.last_good)?;
        resumed.config.data.source.clone_from(&config.data.source);
        let session = Session::resume_on(dataset, resumed, options, &compute)?;
        // What a recipe leaves out of the model follows from the data.
        let changed = if options.accept_changed_data {
            &["model", "training.class_weights"][..]
        } else {
            &[]
        };
        let aside = [&[DATA_SOURCE], changed].concat();
        let [one, other] = [config.to_toml()?, session.config.to_toml()?];
        if let Some(difference) = first_difference(&one, &other, &aside) {
            return Err(Error::OtherRun { folder: folder.to_owned(), difference });
        }
        match in_first(group, || Ok(FinalMetrics::read(folder)?.is_some()))? {
            true => Ok(None),
            false => session.with_config_written().map(Some),
        }
    }

    fn resume_on(
        dataset: Dataset,
        resumed: Shared,
        options: &ResumeOptions,
        compute: &Compute,
    ) -> Result<Session> {
        let Shared { opened, config, checkpoint } = resumed;
        let (dataset, mut trainer) = prepare(dataset, &config, compute)?;
        if options.accept_changed_data {
            trainer.accept_changed_data();
        }
        if let Some(checkpoint) = &checkpoint {
            trainer.restore(checkpoint)?;
            trainer.check_data(&dataset)?;
        }
        Ok(Session { config, dataset, trainer, opened })
    }

    /// With `config.toml` as it is now: of data that was moved.
    fn with_config_written(self) -> Result<Session> {
        if let Some(recorder) = &self.opened.recorder {
            recorder.replace_config(&self.config.to_toml()?)?;
        }
        Ok(self)
    }

    /// Where the run is.
    pub fn folder(&self) -> &Path {
        &self.opened.folder
    }

    /// What is trained, and how.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it is trained on.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Trains to the end and evaluates the model on the test set; or, once `interrupt` is set, trains to the
    /// end of a step. The run folder with its `gates.jsonl` and `samples.jsonl` is written first, then `observer` is
    /// called.
    ///
    /// # Errors
    /// Those of [`Trainer::run`], and files that cannot be written.
    pub fn run(
        self,
        interrupt: Arc<AtomicBool>,
        observer: &mut dyn Observer,
    ) -> Result<SessionOutcome> {
        let Session { config, dataset, mut trainer, opened } = self;
        let Opened { folder, recorder } = opened;
        trainer.interrupt_on(interrupt);
        let is_first = recorder.is_some();
        let own = recorder.map(|recorder| {
            let gates = GateRecorder::new(&folder, &dataset, config.report.gate_samples);
            let samples = SampleRecorder::new(&folder, &config.report, config.training.seed);
            (recorder, (gates, samples))
        });
        let mut observers = (own, observer);
        let end = trainer.run(&dataset, &mut observers)?;
        let step = trainer.state().step();
        let initial = trainer.initial_weights().cloned();
        let trained = match end {
            // One process measures the test part: the model of a moment, not of a training.
            End::Finished | End::StoppedEarly if is_first => {
                Some(trainer.evaluate_and_finish(&dataset, &mut observers)?)
            }
            _ => None,
        };
        Ok(SessionOutcome { folder, step, end, trained, initial })
    }
}

fn prepare(
    dataset: Dataset,
    config: &Config,
    compute: &Compute,
) -> Result<(Dataset, Trainer<Model>)> {
    config.check_with(&dataset)?;
    let dataset = config.data.divide(dataset, config.training.seed)?;
    let model = Model::new(&config.model, config.training.seed, DType::F32, &compute.device)?;
    let mut trainer = Trainer::new(config, model)?;
    trainer.prepare_metrics(&dataset.train)?;
    trainer.join(compute.group.clone(), &dataset)?;
    Ok((dataset, trainer))
}
