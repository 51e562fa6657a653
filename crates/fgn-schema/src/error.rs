//! What can be wrong with a batch.

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which a batch can be wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Lengths that do not fit their tensor.
    #[error("lengths {found} for a tensor of shape {shape:?}, expected {expected}")]
    Lengths {
        /// What was found: how many lengths, or the first that is out of range.
        found: String,
        /// The shape of the tensor, `[B, T, ..]`.
        shape: Vec<usize>,
        /// What would fit.
        expected: String,
    },
    /// A prediction and a target whose shapes do not belong together.
    #[error("targets have shape {found:?}, expected {expected}")]
    Target {
        /// The target's shape.
        found: Vec<usize>,
        /// What would fit the prediction.
        expected: String,
    },
    /// Resets that do not fit the input of their batch.
    #[error("resets of shape {found:?} in {dtype}, expected {expected:?} in u8")]
    Resets {
        /// The shape of the resets.
        found: Vec<usize>,
        /// Their data type.
        dtype: &'static str,
        /// One for each step: `[B, T]`.
        expected: Vec<usize>,
    },
    /// A prediction that is not compared with its target row by row.
    #[error(
        "a prediction of {found} has no rows, expected one with a target for each sample or step"
    )]
    Rows {
        /// What the prediction holds.
        found: &'static str,
    },
    /// Symbols of a text that a vocabulary lacks.
    #[error("the vocabulary has no {found}, expected symbols among its {vocabulary}")]
    Symbol {
        /// The symbols that were found, in their order, each once.
        found: String,
        /// The size of the vocabulary.
        vocabulary: usize,
    },
    /// Items that are no catalogue.
    #[error("the catalogue has {found}, expected {expected}")]
    Catalogue {
        /// What was found.
        found: String,
        /// What a catalogue has.
        expected: String,
    },
    /// A tokenizer that cannot be made, or that fails.
    #[error("the tokenizer cannot be used: {0}")]
    Tokenizer(String),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
