//! What can go wrong on the command line.

use std::io;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which a command fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is there already.
    #[error("{} is there already: choose another name, or replace it with --force", file.display())]
    FileExists {
        /// The file.
        file: PathBuf,
    },
    /// A file that cannot be read with the options of the run: the model was trained on data of another kind.
    #[error("{}: {source}; the model is for {expected}", file.display())]
    OtherKind {
        /// The file.
        file: PathBuf,
        /// The samples that the model is for.
        expected: String,
        /// What its reader refuses.
        source: Box<fgn_train::Error>,
    },
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
    /// A model's configuration that cannot be printed.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The run folder or model file.
        path: PathBuf,
        /// What TOML cannot hold.
        source: toml::ser::Error,
    },
    /// Standard output is closed.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    /// A thread pool that cannot be started.
    #[error("cannot start the threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A handler for Ctrl-C that cannot be set.
    #[error("cannot listen for Ctrl-C")]
    Signals(#[source] ctrlc::Error),
    /// What the training crate refuses.
    #[error(transparent)]
    Train(#[from] fgn_train::Error),
    /// What the report crate refuses.
    #[error(transparent)]
    Report(#[from] fgn_report::Error),
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

/// So that observers and callbacks of a training can return it.
impl From<Error> for fgn_train::Error {
    fn from(error: Error) -> fgn_train::Error {
        match error {
            Error::Train(error) => error,
            other => fgn_train::Error::observer(other),
        }
    }
}
