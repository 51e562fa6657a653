//! What samples, batches and predictions are: the vocabulary that data sets and models share.
//!
//! A data set knows no model, and a model knows no data set. Both know this crate:
//!
//! - [`Schema`]: what one sample and its target are, before any of them is read. A data set states it, an
//!   input layer and a head say which ones they accept.
//! - [`Batch`]: the tensors of several samples. Each is [`Padded`]: sequences of different lengths, filled up
//!   to the longest. Inputs and targets have lengths of their own.
//! - [`Prediction`]: what a model's head computes for a batch, which metrics compare with the targets.
//! - [`Statistics`]: means and standard deviations of a data set, from which a model takes its scales.
//! - [`Tokenizer`]: texts to tokens, and back. [`Catalogue`]: the items that a recommender knows.
//! - [`significant`]: how values of any size are written for people.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use fgn_schema::{Batch, InputSchema, Padded, Prediction, Schema, TargetSchema};
//!
//! // Sequences of two numbers a step; one of three classes for each step.
//! let names = ["rest", "walk", "run"].map(String::from).to_vec();
//! let target = TargetSchema::Class { names, per_step: true };
//! let schema = Schema::new(InputSchema::Series { features: 2 }, target);
//! assert_eq!(schema.to_string(), "series of 2 features, 3 classes per step");
//!
//! // Two of them, of 3 and 1 steps.
//! let device = &Device::Cpu;
//! let input = Tensor::zeros((2, 3, 2), candle_core::DType::F64, device)?;
//! let target = Tensor::new(&[[0u32, 1, 1], [2, 0, 0]], device)?;
//! let input = Padded::with_lengths(input, vec![3, 1])?;
//! let batch = Batch::new(input, Padded::with_lengths(target, vec![3, 1])?);
//!
//! // The logits of a model, and the rows that count: those of the padding do not.
//! let logits = Tensor::zeros((2, 3, 3), candle_core::DType::F32, device)?;
//! let prediction = Prediction::Logits(Padded::with_lengths(logits, vec![3, 1])?);
//! let (logits, classes) = prediction.rows(batch.target())?;
//! assert_eq!(logits.dims(), [4, 3]);
//! assert_eq!(classes.to_vec1::<u32>()?, [0, 1, 1, 2]);
//! # Ok::<(), fgn_schema::Error>(())
//! ```
#![forbid(unsafe_code)]

mod batch;
mod catalogue;
mod digits;
mod error;
mod limits;
mod padded;
mod prediction;
mod ranking;
mod schema;
mod statistics;
mod tokenizer;

pub use batch::Batch;
pub use candle_core;
pub use catalogue::Catalogue;
pub use digits::{decimals, significant, significant_among};
pub use error::{Error, Result};
pub use limits::MAX_SIZE;
pub use padded::Padded;
pub use prediction::Prediction;
pub use ranking::{RankedTargets, Ranking};
pub use schema::{IGNORED, InputSchema, Schema, TargetSchema};
pub use statistics::{Moments, Statistics};
pub use tokenizer::{TextStream, Tokenizer, text_of};
pub use tokenizers;
