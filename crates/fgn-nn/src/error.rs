use std::path::PathBuf;

use candle_core::DType;

/// What this crate's functions give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in building, running, saving or loading a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration holds a value that no model can be built with.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field, as a path from the [`ModelConfig`](crate::ModelConfig).
        field: &'static str,
        /// Its value.
        found: String,
        /// The values that it may have.
        expected: String,
    },
    /// A tensor given to a layer has another shape than the layer takes.
    #[error("{what} have shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the layer takes.
        expected: String,
    },
    /// A tensor given to a layer has another type of number than the layer computes in.
    #[error("{what} are {found:?}, expected {expected}: convert them with `Tensor::to_dtype`")]
    DType {
        /// The tensor.
        what: &'static str,
        /// Its type.
        found: DType,
        /// The type that the layer takes.
        expected: &'static str,
    },
    /// A state of a recurrent layer is not a number; none of those computed before it was.
    #[error(
        "state {state} of unit {unit} is not a number for the first time {when} of sequence {sequence}, in \
         layer {layer}{way}",
        when = .step.map_or_else(|| "before step 0".to_owned(), |step| format!("after step {step}")),
        way = if *.reverse { ", reverse" } else { "" }
    )]
    NotANumber {
        /// The state's name in the cell's equations.
        state: &'static str,
        /// The layer, counted from 0.
        layer: usize,
        /// Whether in the reverse direction.
        reverse: bool,
        /// The step; `None` for an initial state.
        step: Option<usize>,
        /// The sequence's place in the batch.
        sequence: usize,
        /// The unit.
        unit: usize,
    },
    /// A target is no class of the logits.
    #[error(
        "target {index} of the batch is class {found}, but the logits have classes 0 to {last}"
    )]
    Target {
        /// The target's place in the batch.
        index: usize,
        /// Its class.
        found: u32,
        /// The last class there is.
        last: usize,
    },
    /// A symbol is none that the model knows.
    #[error("symbol {found} in the input, but the model knows 0 to {last}")]
    Symbol {
        /// The symbol.
        found: u32,
        /// The last one there is.
        last: usize,
    },
    /// A model file cannot be read or written.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file is no model file of this crate, or a damaged one.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found in it, and what was expected.
        reason: FileError,
    },
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not in the safetensors format, or is cut off or damaged.
    #[error("not a whole safetensors file: {0}")]
    NotSafetensors(safetensors::SafeTensorError),
    /// It holds tensors, but no configuration of a model.
    #[error(
        "no model configuration in the metadata under `{key}`: not a file saved by this library"
    )]
    NoConfig {
        /// The metadata's key that was looked for.
        key: &'static str,
    },
    /// Its configuration cannot be read.
    #[error("the model configuration in the metadata cannot be read: {0}")]
    BadConfig(serde_json::Error),
    /// Its configuration is read, but holds a value that no model can be built with.
    #[error("the model configuration in the metadata is wrong: {0}")]
    WrongConfig(Box<Error>),
    /// It was saved by a later version of this library.
    #[error("format {found} is newer than format {known}, the newest known: update this program")]
    NewerFormat {
        /// The file's format.
        found: u64,
        /// The newest format that can be read.
        known: u64,
    },
    /// A tensor that the configuration asks for is not there.
    #[error("tensor `{name}` is missing, expected with shape {expected:?}")]
    MissingTensor {
        /// The tensor's name.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor is there that the configuration does not ask for.
    #[error("tensor `{name}` of shape {found:?} has no place in what is read")]
    ExtraTensor {
        /// The tensor's name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor holds another type of number than the file says its model has.
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
