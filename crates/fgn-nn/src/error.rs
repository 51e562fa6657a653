//! Everything that can go wrong.

use std::path::PathBuf;

use candle_core::DType;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in building, running, saving or loading a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration holds an invalid value.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field, as a path from the [`ModelConfig`](crate::ModelConfig).
        field: &'static str,
        /// Its value.
        found: String,
        /// The valid values.
        expected: String,
    },
    /// A layer declares a parameter that cannot be.
    #[error("parameter `{name}` {reason}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// What was found, and what was expected.
        reason: String,
    },
    /// Samples or targets that a model's configuration is not for.
    #[error("the data has {found}, expected {expected}")]
    Mismatch {
        /// The samples or targets.
        found: String,
        /// Those that the model is for, and the key that says so.
        expected: String,
    },
    /// Sound that has no features, or settings of features that fit nothing.
    #[error("input.front_end: {0}")]
    Audio(#[from] fgn_audio::Error),
    /// A tensor has another shape than a layer takes.
    #[error("{what} have shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The expected shape.
        expected: String,
    },
    /// A state was asked for that is not there.
    #[error("states are {found}; expected one named {expected}")]
    State {
        /// The states that are there.
        found: String,
        /// The name of the one that was asked for.
        expected: &'static str,
    },
    /// A tensor has another data type than a layer takes.
    #[error("{what} are {found:?}, expected {expected}: convert them with `Tensor::to_dtype`")]
    DType {
        /// The tensor.
        what: &'static str,
        /// Its data type.
        found: DType,
        /// The expected type.
        expected: &'static str,
    },
    /// A number of a series is finite, but not in the model's data type.
    #[error(
        "feature {feature} is {found:e}{}, which does not fit {dtype:?}, the model's type: {}",
        if *.scaled { " after scaling" } else { "" },
        if *.scaled { "its scale (model.input.scale) is not that of these numbers" }
        else { "give model.input.scale a mean and a standard deviation for it" }
    )]
    Range {
        /// The feature, counted from 0.
        feature: usize,
        /// The size of the number.
        found: f64,
        /// Whether it was scaled already.
        scaled: bool,
        /// The model's type.
        dtype: DType,
    },
    /// A state of a recurrent layer is NaN, the first one in the order of computation.
    #[error(
        "state {state} of unit {unit} is NaN for the first time {when} of sequence {sequence}, in layer \
         {layer}{direction}",
        when = .step.map_or_else(|| "before step 0".to_owned(), |step| format!("after step {step}")),
        direction = if *.reverse { ", reverse" } else { "" }
    )]
    NanState {
        /// The state's name in the cell's equations.
        state: &'static str,
        /// The layer, counted from 0.
        layer: usize,
        /// Whether in the reverse direction.
        reverse: bool,
        /// The step; `None` for an initial state.
        step: Option<usize>,
        /// The sequence's index in the batch.
        sequence: usize,
        /// The unit.
        unit: usize,
    },
    /// A target is not a class of the logits.
    #[error(
        "target {index} of the batch is class {found}, but the logits have classes 0 to {last}"
    )]
    Target {
        /// The target's index in the batch.
        index: usize,
        /// Its class.
        found: u32,
        /// The last class there is.
        last: usize,
    },
    /// A target that is a sequence cannot be the target of its sample.
    #[error("the target of sample {sample} of the batch has {found}, expected {expected}")]
    TargetSequence {
        /// The sample's index in the batch.
        sample: usize,
        /// What the sequence has.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// A token is not in the model's vocabulary.
    #[error("token {found} in the input, but the model's vocabulary is 0 to {last}")]
    Token {
        /// The token.
        found: u32,
        /// The last one of the vocabulary.
        last: usize,
    },
    /// A head was given the prediction of another kind of head.
    #[error("a prediction of {found}, expected {expected}")]
    Prediction {
        /// What the prediction holds.
        found: &'static str,
        /// What this head predicts.
        expected: &'static str,
    },
    /// A model file cannot be read or written.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file is not a model file of this crate, or is damaged.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found in it, and what was expected.
        reason: FileError,
    },
    /// Lengths or targets that do not fit their tensors.
    #[error(transparent)]
    Batch(fgn_schema::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<fgn_schema::Error> for Error {
    fn from(error: fgn_schema::Error) -> Self {
        match error {
            fgn_schema::Error::Candle(error) => Self::Candle(error),
            error => Self::Batch(error),
        }
    }
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not in the safetensors format, or is truncated or damaged.
    #[error("not a complete safetensors file: {0}")]
    NotSafetensors(safetensors::SafeTensorError),
    /// It holds tensors, but no model configuration.
    #[error(
        "no model configuration in the metadata under `{key}`: not a file that `fgn export` or `Model::save` wrote"
    )]
    NoConfig {
        /// The key of the metadata that should hold it.
        key: &'static str,
    },
    /// Its configuration cannot be read.
    #[error("the model configuration in the metadata cannot be read: {0}")]
    BadConfig(serde_json::Error),
    /// Its configuration holds an invalid value.
    #[error("the model configuration in the metadata is invalid: {0}")]
    InvalidConfig(Box<Error>),
    /// It was saved by an earlier version of this library.
    #[error(
        "written by an earlier version: format {found}, which this version does not read (it reads format \
         {known})"
    )]
    OlderFormat {
        /// The file's format.
        found: u64,
        /// The format that can be read.
        known: u64,
    },
    /// It was saved by a later version of this library.
    #[error("format {found} is newer than format {known}, the newest known: update this program")]
    NewerFormat {
        /// The file's format.
        found: u64,
        /// The newest format that can be read.
        known: u64,
    },
    /// A tensor that the configuration requires is missing.
    #[error("tensor `{name}` is missing, expected with shape {expected:?}")]
    MissingTensor {
        /// The tensor's name.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor that the configuration does not have.
    #[error("unexpected tensor `{name}` of shape {found:?}")]
    ExtraTensor {
        /// The tensor's name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor has another shape than the configuration requires.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor has another data type than the model.
    #[error("tensor `{name}` holds {found}, expected {expected}")]
    TensorType {
        /// The tensor's name.
        name: String,
        /// Its type.
        found: String,
        /// The type it should have.
        expected: String,
    },
}

/// For modules of your own that return Candle's result.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            other => candle_core::Error::wrap(other),
        }
    }
}
