//! What can go wrong around a training: what was found, what was expected, where, and what to do.

use std::io;
use std::path::PathBuf;

use fgn_schema::decimals;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which configuring, running or using a training fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe that is neither embedded nor the path of a TOML file.
    #[error(
        "unknown recipe {name:?}; known: {known}, or the path of a .toml file{}",
        did_you_mean(nearest)
    )]
    UnknownRecipe {
        /// The name asked for.
        name: String,
        /// The embedded recipes, separated by commas.
        known: String,
        /// The embedded recipe that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A recipe or an override that is not TOML, or has an unknown key or a value of a wrong kind.
    #[error("{origin}: {message}{}", did_you_mean(nearest))]
    Recipe {
        /// The file with its line, or the overrides.
        origin: String,
        /// What was found and what was expected there.
        message: String,
        /// The known name that is nearest to an unknown one, if one is near.
        nearest: Option<String>,
    },
    /// A value that no training can have, or that does not fit the data.
    #[error("{key} is {found}, expected {expected}")]
    Value {
        /// The dotted key of the configuration.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A metric that is unknown, or that does not suit the model.
    #[error(
        "metrics has {name:?}, {problem}: expected some of {expected}{}",
        did_you_mean(nearest)
    )]
    Metric {
        /// The metric's name.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// The metrics that suit, separated by commas.
        expected: String,
        /// The nearest of these, if one is near.
        nearest: Option<String>,
    },
    /// A prediction of another kind than a metric is for.
    #[error(
        "the metric {metric} compares {expected} with targets, the model predicts something else"
    )]
    MetricPrediction {
        /// The metric's name.
        metric: String,
        /// What it compares.
        expected: &'static str,
    },
    /// Data of which a metric cannot be computed.
    #[error("the metric {metric} needs {expected}: {found}")]
    MetricData {
        /// The metric's name.
        metric: String,
        /// What it needs.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A ranking of items that a metric cannot read.
    #[error("{metric} needs {expected}, the ranking has {found}")]
    Ranking {
        /// The metric's name.
        metric: String,
        /// What it needs.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Samples that are no sessions of items.
    #[error("{samples} has {found}, expected {expected}")]
    Sessions {
        /// The samples' name.
        samples: String,
        /// What was found.
        found: String,
        /// What a baseline reads.
        expected: String,
    },
    /// A saved state of a metric that cannot be one.
    #[error("the checkpoint's state of a metric cannot be read: {0}")]
    MetricState(String),
    /// A run of an earlier version.
    #[error(
        "{} was written by an earlier version of fgn, which this one does not read: train it again, or use that \
         version",
        file.display()
    )]
    OldRun {
        /// Its configuration.
        file: PathBuf,
    },
    /// A loss or a gradient that is not finite.
    #[error(
        "{what} in epoch {epoch}, step {step}; {tensors}; {samples}. Try a lower optimizer.learning_rate, \
         clip.norm = 1.0, or skip such steps with training.non_finite = \"skip\""
    )]
    NotFinite {
        /// The loss, or that it is a gradient.
        what: String,
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1, within the epoch.
        step: usize,
        /// The samples of the step: their indices, where they are known.
        samples: String,
        /// Which tensors are not finite.
        tensors: String,
    },
    /// A loss, measured after an epoch or at the end, that is not finite.
    #[error(
        "the measured loss is {loss} after epoch {epoch}: training has diverged; try a lower \
         optimizer.learning_rate, or clip.norm = 1.0"
    )]
    NotMeasured {
        /// The loss.
        loss: f64,
        /// Counted from 1.
        epoch: usize,
    },
    /// A training whose final loss is many times that of the untrained model.
    #[error(
        "training has diverged: on training samples the loss of the model of epoch {epoch} is {}, that of the \
         untrained model was {}; try a lower optimizer.learning_rate, or clip.norm = 1.0",
        decimals(*loss, 4), decimals(*untrained, 4)
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// The loss before the first step.
        untrained: f64,
        /// Whose weights these are, counted from 1.
        epoch: usize,
    },
    /// A model that cannot be trained: it has no parameters, or its loss does not depend on them.
    #[error("the model cannot be trained: {0}")]
    Untrainable(String),
    /// Samples to measure on, or an epoch of training, without a single target.
    #[error(
        "{samples}: none of the samples has a target, expected at least one to compute the loss of"
    )]
    NoTargets {
        /// The samples' name.
        samples: String,
    },
    /// Data that is not what the training began with.
    #[error(
        "the data has changed since this run was saved: {changes}. Put it back; if it was moved, say where it is with \
         --data PATH; to go on with it as it is now, add --accept-changed-data"
    )]
    ChangedData {
        /// What has changed, part by part.
        changes: String,
    },
    /// A model's loss that is not one number.
    #[error("the loss has the shape {0:?}, expected a scalar")]
    Loss(Vec<usize>),
    /// A group that no parameter is in.
    #[error(
        "groups: no parameter is called {pattern:?}; known: {}; their rows, behind a colon: {}",
        known.join(", "), parts.join(", ")
    )]
    NoParameters {
        /// The group's pattern.
        pattern: String,
        /// The parameters.
        known: Vec<String>,
        /// The rows that have a name of their own.
        parts: Vec<String>,
    },
    /// A pattern of `training.freeze` that no parameter's name has the form of.
    #[error(
        "training.freeze has {pattern:?}, which no parameter is called: expected some of {}",
        known.join(", ")
    )]
    NoFrozenParameters {
        /// The pattern.
        pattern: String,
        /// The parameters.
        known: Vec<String>,
    },
    /// A file that initial weights cannot be read from.
    #[error("training.init: {} holds no weights: {what}", file.display())]
    InitialFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A model of which no weights fit.
    #[error(
        "training.init: {} has no weights that fit: found {}, expected some of {}",
        source_path.display(), found.join(", "), expected.join(", ")
    )]
    NoInitialWeights {
        /// The run folder or file.
        source_path: PathBuf,
        /// Its tensors.
        found: Vec<String>,
        /// The parameters.
        expected: Vec<String>,
    },
    /// A run that is to train for fewer epochs than it has already.
    #[error(
        "{} is a run of {has} epochs, expected more than that, found {asked}: a finished run is given more epochs",
        folder.display()
    )]
    FewerEpochs {
        /// The run folder.
        folder: PathBuf,
        /// The epochs that it has.
        has: usize,
        /// The epochs that were asked for.
        asked: usize,
    },
    /// A checkpoint that is not as it was written.
    #[error("the checkpoint {} is damaged: {file}: {what}", folder.display())]
    Damaged {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// The file in it.
        file: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A run whose last checkpoint is damaged.
    #[error(
        "{error}; {}",
        match good {
            Some(step) => format!(
                "the one of step {step} is whole: --last-good resumes from there, and keeps this one \
                 aside"
            ),
            None => "no earlier one is whole: --last-good begins anew, and keeps this one aside".into(),
        }
    )]
    DamagedLast {
        /// What is wrong with the last one.
        error: Box<Error>,
        /// The step of the last that is whole, if there is one.
        good: Option<usize>,
    },
    /// A checkpoint of another training.
    #[error("the checkpoint is of another training: {what} is {found}, expected {expected}")]
    OtherTraining {
        /// What differs.
        what: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A configuration that is not the one its run was begun with.
    #[error(
        "{} was changed since the run began: {difference} before; put it back, or begin a new run with it by \
         `fgn train {}`",
        file.display(), file.display()
    )]
    ConfigChanged {
        /// The file.
        file: PathBuf,
        /// The first key that differs, and its values.
        difference: String,
    },
    /// A folder that holds a run of another configuration.
    #[error(
        "{} holds a run of another configuration: {difference} there; choose another folder with --out; nothing was \
         changed",
        folder.display()
    )]
    OtherRun {
        /// The folder.
        folder: PathBuf,
        /// The first key that differs, and its values.
        difference: String,
    },
    /// A folder that holds another sweep.
    #[error(
        "{} holds another sweep: choose another folder with --out, or put sweep.toml back as it was",
        folder.display()
    )]
    OtherSweep {
        /// The folder.
        folder: PathBuf,
    },
    /// A run that another process is writing.
    #[error(
        "{} is in use: another process is training there; nothing was changed",
        folder.display()
    )]
    InUse {
        /// The folder of its checkpoints.
        folder: PathBuf,
    },
    /// A parameter that the optimizer cannot update.
    #[error(
        "the optimizer updates contiguous f32 and f64 parameters with gradients alike, found {0}"
    )]
    Optimizer(String),
    /// A folder that holds a run already.
    #[error(
        "{} holds a run already ({file}): choose another folder, remove it, or resume it by \
         `fgn train --resume`; nothing was changed",
        folder.display()
    )]
    RunExists {
        /// The folder.
        folder: PathBuf,
        /// The file that is in the way.
        file: &'static str,
    },
    /// A folder that holds no run, or half of one.
    #[error(
        "{} is no run folder: it has no {file}; `fgn train` makes one{}",
        folder.display(), did_you_mean(nearest)
    )]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// The missing file.
        file: &'static str,
        /// The run folder with the most similar name, if the folder does not exist.
        nearest: Option<String>,
    },
    /// A model file that does not say how samples for its model are read.
    #[error(
        "{}: the model in it can be inspected, but the file does not say how its data is read: give the run \
         folder, or a file that `fgn export` wrote",
        file.display()
    )]
    NoUsage {
        /// The model file.
        file: PathBuf,
    },
    /// A model file whose reading options cannot be parsed.
    #[error("{}: how its data is read cannot be understood: {source}", file.display())]
    BadUsage {
        /// The model file.
        file: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A model file that does not belong to its configuration.
    #[error(
        "{}: the model in it is not the one that config.toml beside it describes",
        file.display()
    )]
    OtherModel {
        /// The model file.
        file: PathBuf,
    },
    /// A file or folder that cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A GPU asked for in a build that cannot use one.
    #[error(
        "this build computes on the CPU alone: build it with `--features cuda` to use a GPU, or leave out \
         --device, or say --device cpu"
    )]
    NoCuda,
    /// A GPU that is not there, or not usable.
    #[error(
        "cannot use GPU {number}: `nvidia-smi` lists the GPUs and shows whether the driver runs; --device cpu \
         computes without"
    )]
    NoGpu {
        /// Which, from 0.
        number: usize,
        /// What the driver says.
        source: candle_core::Error,
    },
    /// Processes that cannot exchange what they have to.
    #[error("between processes: {0}")]
    Group(String),
    /// Processes that were to train one model, but are of two minds.
    #[error("{processes} cannot train with process 0: {what}")]
    ProcessesDiffer {
        /// Which.
        processes: String,
        /// The first thing in which they differ from process 0.
        what: String,
    },
    /// What went wrong in another process.
    #[error("process {rank}: {what}")]
    OtherProcess {
        /// Which.
        rank: usize,
        /// Its error.
        what: String,
    },
    /// A step of no batch.
    #[error("a step needs at least one batch, found none")]
    NoBatches,
    /// What an observer outside of this crate fails with.
    #[error(transparent)]
    Observer(Box<dyn std::error::Error + Send + Sync>),
    /// What is wrong with a batch.
    #[error(transparent)]
    Batch(#[from] fgn_schema::Error),
    /// What the data crate refuses.
    #[error(transparent)]
    Data(#[from] fgn_data::Error),
    /// What the model crate refuses.
    #[error(transparent)]
    Model(Box<fgn_nn::Error>),
    /// What Candle refuses.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<fgn_nn::Error> for Error {
    fn from(error: fgn_nn::Error) -> Error {
        Error::Model(Box::new(error))
    }
}

impl Error {
    /// Wraps the error of an observer, whose methods return this crate's [`Result`].
    pub fn observer(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Observer(Box::new(error))
    }

    /// Makes an [`Error::Io`] of what the system said, for `map_err`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}
