//! What can go wrong on the command line.

use std::io;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which a command fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Processes that were started together, in a build that trains in one.
    #[error(
        "{count} processes were started together, expected 1: this build trains in one process; build it with \
         `--features mpi` to train in several"
    )]
    NoMpi {
        /// How many there are.
        count: usize,
    },
    /// A file that is there already.
    #[error("{} is there already: choose another name, or replace it with --force", file.display())]
    FileExists {
        /// The file.
        file: PathBuf,
    },
    /// A name for a file to write that says something else than what is written.
    #[error("{}: expected a name that ends in .{expected}; {reason}", file.display())]
    Ending {
        /// The file.
        file: PathBuf,
        /// The ending of what is written.
        expected: &'static str,
        /// What is written, and what to do.
        reason: &'static str,
    },
    /// An exported model to be measured on its own data, which is not in the file.
    #[error(
        "{}: an exported model does not say where its data is: name some with --data, or give the run folder",
        file.display()
    )]
    NoData {
        /// The model file.
        file: PathBuf,
    },
    /// An exported model, whose metrics need the training part.
    #[error(
        "{}: an exported model does not say where its training data is, which a metric of the run needs: give the \
         run folder",
        file.display()
    )]
    NoTrainingPart {
        /// The model file.
        file: PathBuf,
    },
    /// What went wrong with standard input in place of a file.
    #[error("{0}")]
    Stdin(String),
    /// Predictions of a head that a table has no columns for.
    #[error("--predictions writes classes and values, found predictions of another kind")]
    NoTable,
    /// Rows that cannot be written as CSV.
    #[error("cannot write the predictions")]
    Csv(#[from] csv::Error),
    /// A variable of the environment that cannot be understood.
    #[error("{key} is {found}, expected {expected}")]
    Variable {
        /// The variable.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Weights of another program that do not make the model.
    #[error("{}: {message}", file.display())]
    Weights {
        /// The file of the weights.
        file: PathBuf,
        /// What was found, and what was expected.
        message: String,
    },
    /// An export without a place to write to.
    #[error("nothing to write: expected a FILE.safetensors or FILE.onnx, or --c DIR for C source")]
    NothingToWrite,
    /// A file or folder that cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A model that cannot be written as C source.
    #[error(transparent)]
    CSource(#[from] fgn_c::Error),
    /// A recipe that cannot be printed.
    #[error("{name}: {source}")]
    Recipe {
        /// The recipe's name.
        name: String,
        /// Why it is not TOML.
        source: toml::de::Error,
    },
    /// A model's configuration that cannot be printed.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The run folder or model file.
        path: PathBuf,
        /// What TOML cannot hold.
        source: toml::ser::Error,
    },
    /// Standard output is closed, by `head` for example. This is not a failure: the command ends.
    #[error("standard output is closed")]
    Closed,
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    /// A thread pool that cannot be started.
    #[error("cannot start the threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A language model, which predicts nothing but the next token.
    #[error(
        "{} holds a language model, expected one that answers samples: `fgn generate` continues a text with it",
        .run.display()
    )]
    Continues {
        /// The run folder or file.
        run: PathBuf,
    },
    /// A model that recommends items, for a command that is for others.
    #[error(
        "{} holds a model of items (model.head.kind = \"next-item\"), expected {expected}: `fgn recommend` is for it",
        .run.display()
    )]
    Recommends {
        /// The run folder or file.
        run: PathBuf,
        /// What the command is for.
        expected: &'static str,
    },
    /// An option of `fgn generate` for a model of another kind.
    #[error(
        "{option} is for a model that generates {expected}, found one of another kind in {}",
        .run.display()
    )]
    OtherOption {
        /// The option.
        option: &'static str,
        /// What it is for.
        expected: &'static str,
        /// The run folder or file.
        run: PathBuf,
    },
    /// A model that does not recommend items.
    #[error(
        "{}: this model is for {found}, expected items and the next of them: a model with model.head.kind = \"next-item\"",
        .run.display()
    )]
    NoRecommender {
        /// The run folder or file.
        run: PathBuf,
        /// What it is for.
        found: String,
    },
    /// A line of a stream of events that cannot be read.
    #[error(
        "standard input, line {line}: found {found}, expected SESSION<tab>ITEM, SESSION,ITEM or \
         {{\"session\":…,\"item\":…}}"
    )]
    Event {
        /// The line, counted from 1.
        line: u64,
        /// What it holds.
        found: String,
    },
    /// A model that reads other samples than sounds.
    #[error("{}: this model reads {found}, expected a model that reads sounds", run.display())]
    NoSounds {
        /// The run folder or file.
        run: PathBuf,
        /// What it reads.
        found: String,
    },
    /// A model that does not write down what it hears.
    #[error(
        "{}: this model is for {found}, expected sounds and a text of each; `fgn predict` is for other models",
        run.display()
    )]
    NoTranscript {
        /// The run folder or file.
        run: PathBuf,
        /// What it is for.
        found: String,
    },
    /// A sound that cannot be read.
    #[error(transparent)]
    Sound(#[from] fgn_audio::Error),
    /// A handler for Ctrl-C that cannot be set.
    #[error("cannot listen for Ctrl-C")]
    Signals(#[source] ctrlc::Error),
    /// What the training crate refuses.
    #[error(transparent)]
    Train(Box<fgn_train::Error>),
    /// What the report crate refuses.
    #[error(transparent)]
    Report(Box<fgn_report::Error>),
    /// What cannot be exported to ONNX.
    #[error(transparent)]
    Onnx(#[from] fgn_onnx::Error),
    /// What Candle refuses.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// An error of this crate that went through a callback comes out as it was.
impl From<fgn_train::Error> for Error {
    fn from(error: fgn_train::Error) -> Error {
        match error {
            fgn_train::Error::Observer(inner) => match inner.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::Train(Box::new(fgn_train::Error::Observer(other))),
            },
            other => Error::Train(Box::new(other)),
        }
    }
}

impl From<fgn_report::Error> for Error {
    fn from(error: fgn_report::Error) -> Error {
        Error::Report(Box::new(error))
    }
}

impl From<fgn_data::Error> for Error {
    fn from(error: fgn_data::Error) -> Error {
        fgn_train::Error::from(error).into()
    }
}

impl From<fgn_nn::Error> for Error {
    fn from(error: fgn_nn::Error) -> Error {
        fgn_train::Error::from(error).into()
    }
}

/// So that observers and callbacks of a training can return it.
impl From<Error> for fgn_train::Error {
    fn from(error: Error) -> fgn_train::Error {
        match error {
            Error::Train(error) => *error,
            other => fgn_train::Error::observer(other),
        }
    }
}
