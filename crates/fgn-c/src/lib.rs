//! Trained models as C source, for firmware: one header and one C99 file without dependencies.
//!
//! ```
//! use fgn_core::AnyCell;
//! use fgn_nn::candle_core::{DType, Device};
//! use fgn_nn::{Classification, Model, ModelConfig, RecurrentConfig, Series};
//!
//! let series = Series::new(3);
//! let config = ModelConfig::new(series, RecurrentConfig::new(AnyCell::FGN, 16), Classification::new(2));
//! let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
//!
//! let sources = fgn_c::export(&model, &fgn_c::Options::new("gesture"))?;
//! let step = "void gesture_step(gesture_state *state, const float *input, float *output);";
//! assert!(sources.header.contains(step));
//! assert!(sources.source.contains("#include \"gesture.h\""));
//! // An FGN has two states of 16 units.
//! assert_eq!(sources.state_bytes, 2 * 16 * 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The C functions run one time step: from raw input to the head's output, with everything between. They allocate
//! nothing and call `math.h` and `string.h` alone. A cell's equations are the text that
//! [`fgn_core::print`] makes of them, so every cell can be written.
//!
//! What a step cannot compute is refused by name: convolutions of images, features of sound, both directions, decoders.
//! So is every option that this crate does not know, because source that ignored it would be wrong without a word.
#![forbid(unsafe_code)]

mod block;
mod cell;
mod code;
mod error;
mod head;
mod header;
mod helpers;
mod known;
mod layer;
mod linear;
mod main_file;
mod matrix;
mod name;
mod network;
mod output;
mod parameters;
mod residual;
mod source;
mod stack;
mod step;
mod table;

pub use error::{Error, Result};
pub use fgn_nn;
use fgn_nn::Model;
use header::Facts;
use network::Network;

/// How a model is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The name with which files, functions and macros begin: a C identifier of at most 31 characters.
    pub name: String,
    /// Whether matrices are whole numbers of 8 bits, with a scale for each row: about a quarter of the bytes. They are
    /// those of a stream of [`Precision::Int8`](fgn_nn::Precision::Int8); what they are multiplied by stays `float`.
    /// The matrices of embedding, dense layer and head are rounded too. What a threshold of the cell depends on
    /// directly stays `float`: a binary forgetting gate would switch by a rounding error.
    pub int8: bool,
}

impl Options {
    /// A model called `name`, its weights as `float`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), int8: false }
    }

    /// Sets [`int8`](Self::int8).
    #[must_use]
    pub fn with_int8(self, int8: bool) -> Self {
        Self { int8, ..self }
    }
}

/// A model as C source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sources {
    /// `NAME.h`: the state, the functions, and what the model is.
    pub header: String,
    /// `NAME.c`: the weights and the functions.
    pub source: String,
    /// `main.c`: a program that runs the model over the rows of a CSV file.
    pub main: String,
    /// The bytes of the constant arrays in `NAME.c`.
    pub weight_bytes: usize,
    /// The bytes of a state.
    pub state_bytes: usize,
    /// The bytes of the arrays on the stack in a step. Registers and return addresses come to them.
    pub stack_bytes: usize,
}

/// Writes `model` as C source. A model of `f64` is rounded to `float`.
///
/// # Errors
/// [`Error::Name`] for a name that is no C identifier, [`Error::Unsupported`] or [`Error::Parameter`] for a model with
/// a part that is not written, [`Error::Number`] for a weight that is not finite.
pub fn export(model: &Model, options: &Options) -> Result<Sources> {
    let Options { name, int8 } = options;
    name::check(name)?;
    let network = Network::new(model, *int8)?;
    let source = source::write(&network, name);
    let facts = Facts {
        config: model.config(),
        parameters: model.parameter_count(),
        weight_bytes: source.weight_bytes,
        state_bytes: header::state_bytes(&network),
        stack_bytes: source.stack_bytes,
    };
    Ok(Sources {
        header: header::write(&network, name, &facts),
        main: main_file::write(&network, name),
        source: source.text,
        weight_bytes: facts.weight_bytes,
        state_bytes: facts.state_bytes,
        stack_bytes: facts.stack_bytes,
    })
}
