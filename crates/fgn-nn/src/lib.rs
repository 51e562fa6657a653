//! Models of gated recurrent networks on [Candle](candle_core): configuration, layers, first values,
//! loss, files.
//!
//! A [`ModelConfig`] describes a model as plain data: it tells classes or numbers of images, series or
//! sequences of symbols. A [`Model`] is built from it and
//! a seed. Inside, an [`InputLayer`] makes a sequence of each image, a [`Dense`] layer may follow, a
//! [`Recurrent`] stack over any cell of `fgn-core` runs over the sequence, each layer and direction as one
//! operation of `fgn-kernels`, and a [`Linear`] head turns its last output into logits. Each layer can be used
//! alone. No data set is known here, and nothing is trained: the parameters are Candle's variables,
//! and the loss is differentiated by Candle.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use fgn_core::AnyCell;
//! use fgn_nn::{InputConfig, Mode, Model, ModelConfig, RecurrentConfig, cross_entropy};
//! use rand_chacha::ChaCha8Rng;
//! use rand_chacha::rand_core::SeedableRng;
//!
//! let rows = InputConfig::ImageRows { height: 28, width: 28 };
//! let config = ModelConfig::classifier(10, rows, RecurrentConfig::new(AnyCell::FGN, 16));
//! let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
//!
//! // Two images, of a 3 and of a 7, say.
//! let images = Tensor::zeros((2, 28, 28), DType::F32, &Device::Cpu)?;
//! let target = Tensor::new(&[3u32, 7], &Device::Cpu)?;
//! let mut dropout = ChaCha8Rng::seed_from_u64(1);
//! let logits = model.forward(&images, Mode::Train(&mut dropout))?;
//! assert_eq!(logits.dims(), [2, 10]);
//!
//! let gradients = cross_entropy(&logits, &target)?.backward()?;
//! for (name, parameter) in model.parameters() {
//!     let gradient = gradients.get(parameter).ok_or(name.clone())?;
//!     assert_eq!(gradient.dims(), parameter.dims());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything random comes from seeds: the same seed gives the same model, and the same model the
//! same file, bit for bit.
#![forbid(unsafe_code)]

mod config;
mod dense;
mod dropout;
mod error;
mod files;
pub mod init;
mod input;
mod keras;
mod loss;
mod model;
mod parameters;
mod recurrent;
pub mod rnn;
mod weights;

pub use config::{DenseConfig, InputConfig, ModelConfig, Scale};
pub use dense::{Dense, Linear};
pub use dropout::{Dropout, Mode};
pub use error::{Error, FileError, Result};
#[cfg(feature = "mimalloc")]
pub use fgn_kernels::keep_freed_memory;
pub use fgn_kernels::{Emit, Gate, GateTrace, Isa, Precision, Trace};
pub use init::{ForgetBias, InitConfig, InitRule, RecurrentInit, WeightInit};
pub use input::InputLayer;
pub use keras::Keras;
pub use loss::{cross_entropy, smoothed_cross_entropy, squared_error, unpadded};
pub use model::{Given, Model, Told};
pub use parameters::Parameters;
pub use recurrent::{
    LayerTrace, Outputs, Recurrent, RecurrentConfig, Run, SequenceDropout, State, Stream,
    StreamWeights,
};
