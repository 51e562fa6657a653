//! What can go wrong in making a report, curves or event files.

use std::io;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which making a report, curves or event files fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Curves that cannot be drawn.
    #[error("cannot draw the learning curves: {0}")]
    Curves(String),
    /// A report that cannot be made.
    #[error("cannot make the report: {0}")]
    Report(String),
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
    /// What the training crate refuses.
    #[error(transparent)]
    Train(Box<fgn_train::Error>),
    /// What is wrong with a batch.
    #[error(transparent)]
    Batch(#[from] fgn_schema::Error),
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

impl From<fgn_train::Error> for Error {
    fn from(error: fgn_train::Error) -> Error {
        Error::Train(Box::new(error))
    }
}

/// So that an observer can return it.
impl From<Error> for fgn_train::Error {
    fn from(error: Error) -> fgn_train::Error {
        match error {
            Error::Train(error) => *error,
            other => fgn_train::Error::observer(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_returns_the_message_and_its_cause_unchanged() {
        let cause = io::Error::other("the disk is full");
        let error = fgn_train::Error::from(Error::io("write", "a.svg")(cause));
        assert_eq!(error.to_string(), "cannot write a.svg");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is full");
        let error = fgn_train::Error::from(Error::from(fgn_train::Error::NoBatches));
        assert!(matches!(error, fgn_train::Error::NoBatches), "{error:?}");
    }
}
