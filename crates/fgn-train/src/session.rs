//! A training in a run folder: what `fgn train` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device};
use fgn_data::Dataset;
use fgn_nn::Model;

use crate::checkpoint::files::Checkpoint;
use crate::config::Config;
use crate::data::open_data;
use crate::error::Result;
use crate::gates::recorder::GateRecorder;
use crate::observer::Observer;
use crate::recorder::{Recorder, Resumed};
use crate::train::Trained;
use crate::trainer::{End, Trainer};

/// A training in a run folder, about to begin or to go on.
pub struct Session {
    config: Config,
    dataset: Dataset,
    trainer: Trainer<Model>,
    recorder: Recorder,
}

/// How a session ended.
pub struct SessionOutcome {
    /// The run folder.
    pub folder: PathBuf,
    /// Steps made, over all epochs.
    pub step: usize,
    /// How the training came to its end.
    pub end: End,
    /// What it gave; none if it was interrupted.
    pub trained: Option<Trained>,
}

impl Session {
    /// A new run in `folder`, or in the first of `runs/<name>-1`, `runs/<name>-2`, … that is free.
    ///
    /// # Errors
    /// A configuration that does not fit the data, before anything is written; a folder that holds a run
    /// already, or cannot be written.
    pub fn begin(config: Config, folder: Option<&Path>, device: &Device) -> Result<Session> {
        let dataset = open_data(&config.data)?;
        Session::begin_on(dataset, config, folder, device)
    }

    /// As [`begin`](Self::begin), on a data set that was read already, as [`Config::open`] gives it.
    ///
    /// # Errors
    /// As there.
    pub fn begin_on(
        dataset: Dataset,
        mut config: Config,
        folder: Option<&Path>,
        device: &Device,
    ) -> Result<Session> {
        config.data.settle(&dataset)?;
        let (dataset, trainer) = prepare(dataset, &config, device)?;
        let recorder = Recorder::create(folder, &config)?;
        Ok(Session { config, dataset, trainer, recorder })
    }

    /// The run in `folder`, from its last checkpoint on; with `last_good`, from the last that is not
    /// damaged.
    ///
    /// # Errors
    /// Those of [`Recorder::resume`]; data that is no longer what it was.
    pub fn resume(folder: &Path, last_good: bool, device: &Device) -> Result<Session> {
        let resumed: Resumed = Recorder::resume(folder, last_good)?;
        let Resumed { recorder, config, checkpoint } = resumed;
        let (dataset, mut trainer) = prepare(open_data(&config.data)?, &config, device)?;
        let restore = |checkpoint: &Checkpoint| trainer.restore(checkpoint);
        checkpoint.as_ref().map_or(Ok(()), restore)?;
        Ok(Session { config, dataset, trainer, recorder })
    }

    /// Where the run is.
    pub fn folder(&self) -> &Path {
        self.recorder.folder()
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
    /// end of a step. The run folder and its `gates.jsonl` are written first, then `observer` is called.
    ///
    /// # Errors
    /// Those of [`Trainer::run`], and files that cannot be written.
    pub fn run(
        self,
        interrupt: Arc<AtomicBool>,
        observer: &mut dyn Observer,
    ) -> Result<SessionOutcome> {
        let Session { config, dataset, mut trainer, recorder } = self;
        let folder = recorder.folder().to_owned();
        trainer.interrupt_on(interrupt);
        let gates = GateRecorder::new(&folder, &dataset, config.report.gate_samples);
        let mut observers = (recorder, (gates, observer));
        let end = trainer.run(&dataset, &mut observers)?;
        let step = trainer.state().step();
        let trained = match end {
            End::Interrupted => None,
            End::Finished | End::StoppedEarly => {
                Some(trainer.evaluate_and_finish(&dataset, &mut observers)?)
            }
        };
        Ok(SessionOutcome { folder, step, end, trained })
    }
}

fn prepare(
    dataset: Dataset,
    config: &Config,
    device: &Device,
) -> Result<(Dataset, Trainer<Model>)> {
    config.check_with(&dataset)?;
    let dataset = config.data.divide(dataset, config.training.seed)?;
    let model = Model::new(&config.model, config.training.seed, DType::F32, device)?;
    Ok((dataset, Trainer::new(config, model)?))
}
