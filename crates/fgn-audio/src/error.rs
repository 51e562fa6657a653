//! What can go wrong.

use std::io;

/// What was found, what was expected, where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that is out of range.
    #[error("`{setting}` is {found}, expected {expected}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A file that cannot be read.
    #[error("{name}: cannot be read: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Sound that is damaged, or that nothing here reads.
    #[error("{name}: found {found}, expected {expected}")]
    Sound {
        /// The file or stream, and where in it.
        name: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
}

/// A result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;
