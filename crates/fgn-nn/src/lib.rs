//! Models of gated recurrent networks on [Candle](candle_core): configuration, layers, initialisation,
//! losses, files.
//!
//! A model is four parts in a row:
//!
//! | part | configuration | from | to |
//! |---|---|---|---|
//! | input layer | [`InputConfig`]: [`ImageRows`], [`ImageConv`], [`ImagePixels`], [`ImageRaster`], [`Series`], [`Embedding`], [`Audio`] | samples `[B, ..]` | features `[T, B, I]` |
//! | dense layer, if any | [`DenseConfig`] | `[T, B, I]` | `[T, B, size]` |
//! | recurrent layer | [`RecurrentConfig`]: a stack over any cell of `fgn-core` | `[T, B, I]` | `[B, H]` or `[T, B, H]` |
//! | head | [`HeadConfig`]: [`Classification`], [`Regression`], [`NextToken`], [`Decoder`], [`Ctc`], [`NextItem`], [`Pixels`] | outputs | [`Prediction`](fgn_schema::Prediction), loss, [`Answer`]s |
//!
//! `B` is the number of samples, `T` the number of time steps, `I` the number of features, `H` the size of
//! the recurrent layer's output.
//!
//! ```
//! use fgn_core::AnyCell;
//! use fgn_nn::candle_core::{DType, Device, Tensor};
//! use fgn_nn::{
//!     Classification, Generator, ImageRows, LossOptions, Mode, Model, ModelConfig, RecurrentConfig,
//! };
//!
//! // A model is described by plain data, and built from it and a seed.
//! let rows = ImageRows::new(28, 28);
//! let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
//! let config = ModelConfig::new(rows, recurrent, Classification::new(10));
//! let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
//!
//! // Two images, and the digits on them.
//! let images = Tensor::zeros((2, 28, 28), DType::F32, &Device::Cpu)?;
//! let target = Tensor::new(&[3u32, 7], &Device::Cpu)?.into();
//!
//! // Training: a forward pass, the loss, and Candle's gradient for each parameter.
//! let mut dropout = Generator::seed_from_u64(1);
//! let output = model.forward(&images, Mode::Train(&mut dropout))?;
//! let loss = model.loss(&output.prediction, &target, &LossOptions::default())?;
//! let gradients = loss.mean.backward()?;
//! for (name, parameter) in model.parameters() {
//!     let gradient = gradients.get(parameter).ok_or(name.clone())?;
//!     assert_eq!(gradient.dims(), parameter.dims());
//! }
//!
//! // Inference: what people and programs read.
//! let output = model.forward(&images, Mode::Eval)?;
//! for answer in model.decode(&output.prediction)? {
//!     println!("{answer}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every layer can be used alone: see [`Recurrent`] for the recurrent one, with states, streams and traces.
//! The parameters are Candle's variables, and named as in PyTorch where PyTorch has the layer: see
//! [`Parameters::load`] for its state dicts, and [`Keras`].
//!
//! Everything random comes from seeds: the same seed gives the same model, and the same model the same file,
//! bit for bit.
//!
//! This crate knows no data set and does not train. Samples and predictions are described by the vocabulary
//! of [`fgn_schema`], which data sets share.
#![forbid(unsafe_code)]

mod attention_pool;
mod check;
mod completion;
mod config;
mod cross_entropy;
mod ctc;
mod dense;
mod dropout;
mod error;
mod files;
mod heads;
mod image_generator;
pub mod init;
mod inputs;
mod keras;
mod layer_direction;
mod logits;
mod loss;
mod model;
mod model_file;
mod parameters;
mod predictor;
mod random;
mod recommender;
mod recurrent;
pub mod rnn;
mod row_table;
mod sampler;
mod scaling;
mod scorer;
mod sequences;
mod sound;
mod text_generator;
mod token_embedding;
mod token_generator;
mod top;

pub use attention_pool::AttentionPool;
pub use candle_core;
pub use candle_nn;
pub use config::ModelConfig;
pub use cross_entropy::{CrossEntropy, cross_entropy, smoothed_cross_entropy};
pub use ctc::{
    CtcBeamSearch, CtcDecoder, CtcHypothesis, CtcLabel, CtcOptions, NGram, ctc_greedy, ctc_loss,
};
pub use dense::{Dense, DenseConfig, Linear};
pub use dropout::{Dropout, Mode};
pub use error::{Error, FileError, Result};
pub use fgn_audio;
pub use fgn_core::{self, AnyCell};
#[cfg(feature = "mimalloc")]
pub use fgn_kernels::keep_freed_memory;
pub use fgn_kernels::{
    Bf16Engine, Emit, GateStatistics, GateTrace, Isa, Precision, SampledLoss, Trace,
};
pub use fgn_schema;
pub use heads::*;
pub use image_generator::{GeneratedImage, ImageGenerator, ImageRequest};
pub use init::{ForgetBias, InitConfig, InitRule, RecurrentInit, Ring, WeightInit};
pub use inputs::*;
pub use keras::{Keras, KerasOptions};
pub use logits::{argmax, softmax};
pub use loss::{Loss, LossOptions, mean_squared_error};
pub use model::{Model, ModelInput, ModelOutput};
pub use parameters::Parameters;
pub use random::Generator;
pub use recommender::{Recommender, Session};
pub use recurrent::{
    BlockConfig, BlockNorm, LayerTrace, Recurrent, RecurrentConfig, RecurrentInput,
    RecurrentOptions, RecurrentOutput, RowNorm, SequenceDropout, State, Stream, StreamWeights,
};
pub use row_table::TouchedRows;
pub use sampler::{Sampler, SamplerOptions};
pub use scorer::Scorer;
pub use sequences::Sequences;
pub use serde_json;
pub use sound::{Detection, Detector, DetectorOptions, Label, SoundStep, SoundStream, Transcriber};
pub use text_generator::{Pieces, Stop, TextGenerator};
pub use token_embedding::TokenEmbedding;
pub use token_generator::{TokenGenerator, Tokens};
pub use top::{rank, top};
