//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which an export fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of a model that has no graph here.
    #[error("{part} cannot be exported to ONNX: {reason}")]
    Unsupported {
        /// The part, as a path from the model's configuration.
        part: String,
        /// Why.
        reason: String,
    },
    /// A parameter that the model's configuration implies and that the model lacks.
    #[error("the model has no parameter {name}, expected one of shape {expected:?}")]
    MissingParameter {
        /// Its name.
        name: String,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// A parameter of another shape than the model's configuration implies.
    #[error("the parameter {name} has shape {found:?}, expected {expected:?}")]
    ParameterShape {
        /// Its name.
        name: String,
        /// The shape found.
        found: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// More bytes than a file of this format holds.
    #[error(
        "the ONNX model takes {bytes} bytes, expected less than {MAX_BYTES}: the format holds no more in one file"
    )]
    TooLarge {
        /// The bytes that it would take.
        bytes: usize,
    },
    /// A file that cannot be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A configuration that cannot be written as JSON.
    #[error("cannot write the model's configuration")]
    Json(#[from] serde_json::Error),
    /// An error of Candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The limit of Protocol Buffers: 2 GiB.
pub(crate) const MAX_BYTES: usize = (1 << 31) - 1;

impl Error {
    pub(crate) fn unsupported(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { part: part.into(), reason: reason.into() }
    }
}
