//! Everything that can go wrong.

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model is not written as C source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that cannot begin the names of C functions, or the name of a file.
    #[error("the name {found:?} of the C source, expected {expected}")]
    Name {
        /// The name.
        found: String,
        /// Which names can be used.
        expected: String,
    },
    /// A part of the model that the C source does not have.
    #[error("`{field}` is {found}, which is not written as C source: expected {expected}")]
    Unsupported {
        /// The field, as a path from the [`ModelConfig`](fgn_nn::ModelConfig).
        field: String,
        /// Its value.
        found: String,
        /// What is written.
        expected: String,
    },
    /// A parameter that is missing, of another shape, or of a part that is not known.
    #[error("parameter `{name}` {reason}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// What was found, and what was expected.
        reason: String,
    },
    /// A number of the model that the `float` of C cannot hold.
    #[error("{what}: number {index} is {found:e}, expected a finite number that a `float` holds")]
    Number {
        /// The parameter or field that it belongs to.
        what: String,
        /// Its index there.
        index: usize,
        /// The number.
        found: f64,
    },
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] fgn_nn::Error),
    /// A tensor cannot be read.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn unsupported(
        field: &str,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Unsupported {
            field: field.into(),
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}
