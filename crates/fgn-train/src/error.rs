//! What can go wrong around a training: what was found, what was expected, where, and what to do.

use std::io;
use std::path::PathBuf;

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
    /// A data set that the model cannot read.
    #[error(
        "the data set has {found}, the model expects {expected}: change one of [data] and [model]"
    )]
    Mismatch {
        /// What the data set has.
        found: String,
        /// What the model is configured for.
        expected: String,
    },
    /// A loss or a gradient that is not finite.
    #[error(
        "{what} in epoch {epoch}, step {step}; {tensors}; samples {samples} of the \
         training part. Try a lower optimizer.learning_rate, clip.norm = 1.0, or leave such steps out \
         with training.non_finite = \"skip\""
    )]
    NotFinite {
        /// The loss, or that it is a gradient.
        what: String,
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1, within the epoch.
        step: usize,
        /// The places of the step's samples, separated by commas.
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
                "the one of step {step} is whole: --last-good goes on from there, and keeps this one \
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
        "{} was changed since the run began: put it back, or begin a new run with it by \
         `fgn train {}`",
        file.display(), file.display()
    )]
    ConfigChanged {
        /// The file.
        file: PathBuf,
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
        "{} holds a run already ({file}): choose another folder, remove it, or go on with it by \
         `fgn train --resume`; nothing was changed",
        folder.display()
    )]
    RunExists {
        /// The folder.
        folder: PathBuf,
        /// The file that is in the way.
        file: &'static str,
    },
    /// A file that is there already.
    #[error("{} is there already: choose another name, or replace it with --force", file.display())]
    FileExists {
        /// The file.
        file: PathBuf,
    },
    /// A folder that holds no run, or half of one.
    #[error(
        "{} is no run folder: it has no {file}; `fgn train` makes one",
        folder.display()
    )]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// The missing file.
        file: &'static str,
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
    /// A file that the model cannot be used on.
    #[error("{}: the model does not read such files, expected {expected}", file.display())]
    NotThisFile {
        /// The file.
        file: PathBuf,
        /// What it reads.
        expected: String,
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
    /// Standard output is closed.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    /// A picture that cannot be drawn.
    #[error("cannot draw the learning curves: {0}")]
    Curves(String),
    /// A GPU asked for in a build that cannot use one.
    #[error(
        "this build computes on the CPU alone: build it with `--features cuda` to use a GPU, or leave out \
         --device, or say --device cpu"
    )]
    NoCuda,
    /// A GPU that is not there, or not usable.
    #[error(
        "cannot use GPU {number}: `nvidia-smi` lists the GPUs and tells whether the driver runs; --device cpu \
         computes without"
    )]
    NoGpu {
        /// Which, from 0.
        number: usize,
        /// What the driver says.
        source: candle_core::Error,
    },
    /// A report that cannot be made.
    #[error("cannot make the report: {0}")]
    Report(String),
    /// A thread pool that cannot be started.
    #[error("cannot start the threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A handler for Ctrl-C that cannot be set.
    #[error("cannot listen for Ctrl-C")]
    Signals(#[source] ctrlc::Error),
    /// What the data crate refuses.
    #[error(transparent)]
    Data(#[from] fgn_data::Error),
    /// What the model crate refuses.
    #[error(transparent)]
    Model(#[from] fgn_nn::Error),
    /// What Candle refuses.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Makes an [`Error::Io`] of what the system said, for `map_err`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}

/// The candidate that `name` is probably a slip for.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let slip = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let near = candidates.into_iter().map(|known| (slip(known), known));
    let (_, known) =
        near.filter(|&(edits, known)| edits <= MAX_EDITS.min(known.len() / 2)).min()?;
    Some(known.to_owned())
}

/// Edits by which a name may differ from a known one and still be taken for a slip.
const MAX_EDITS: usize = 4;

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["epochs", "batch_size", "learning_rate", "seed"];
        for (slip, meant) in [("epoch", "epochs"), ("batchsize", "batch_size"), ("Sead", "seed")] {
            assert_eq!(nearest(slip, known).as_deref(), Some(meant), "{slip}");
        }
        for stranger in ["", "threads", "z"] {
            assert_eq!(nearest(stranger, known), None, "{stranger}");
        }
    }
}
