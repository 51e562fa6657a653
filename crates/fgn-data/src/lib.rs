//! Data sets for recurrent networks: from files to checked samples to batches of [Candle] tensors.
//!
//! ```
//! use candle_core::Device;
//! use fgn_data::{Batches, Order, Samples, open};
//!
//! // 60,000 + 10,000 digits, embedded in the crate: no download, no folder. Some training images are held
//! // out for validation, drawn by a seed; the test part is for the end.
//! let seed = 1;
//! let digits = open("mnist")?.hold_out(5_000, seed)?;
//! assert_eq!((digits.train.len(), digits.test.len()), (55_000, 10_000));
//! assert_eq!(digits.train.schema().to_string(), "images of 28 x 28 pixels, 10 classes");
//!
//! for epoch in 0..2 {
//!     let order = Order::Shuffled { seed, epoch };
//!     for batch in Batches::new(&digits.train, order, 100, &Device::Cpu)?.take(3) {
//!         let batch = batch?;
//!         assert_eq!(batch.input().tensor().dims(), [100, 28, 28]); // f32, 0 to 1
//!         assert_eq!(batch.target().tensor().dims(), [100]); // u32, 0 to 9
//!     }
//! }
//! # Ok::<(), fgn_data::Error>(())
//! ```
//!
//! # From files to samples
//!
//! [`DataConfig`] says what is read and how; it is the `[data]` of a recipe. Its `source` is a data set's name,
//! which [`open`] knows, or a path. A [`Reader`] for what is at the path makes [`Samples`] of it:
//!
//! - [`Tables`]: time series in CSV or Parquet files.
//! - [`TsFiles`]: time series in the `.ts` format of aeon and sktime.
//! - [`Documents`]: texts with a class or number each, in the same files.
//! - [`Pairs`]: pairs of texts, of which a model reads one and writes the other, in the same files.
//! - [`InteractionLogs`]: sessions of items that users took, for recommenders.
//! - [`Corpora`]: text files, for language models.
//! - [`Dialogues`]: dialogues in JSON lines, for language models that reply.
//! - [`Tags`]: sentences with a class for each word.
//! - [`Sounds`]: sound files in a folder for each class, in one folder, or listed in a table.
//! - [`ImageFolders`]: image files in a folder for each class.
//! - [`Idx`]: a folder with MNIST's four files, as those of Fashion-MNIST and EMNIST.
//!
//! Every field, size and label is checked while it is read. A file that is truncated, damaged or of another kind
//! is an [`Error`] that says what was found, what was expected and where. No header is trusted with memory.
//!
//! # From samples to batches
//!
//! [`Samples`] say what they are in a [`Schema`] and make a [`Batch`] of any of them; [`Batches`] goes through
//! them in an [`Order`]. Sequences in a batch may differ in length: inputs and targets are [`Padded`], and carry
//! their own lengths. Data of your own is an implementation of [`Samples`]; for grey images in memory there is
//! [`Images`]. [`statistics`] computes the means and standard deviations by which a model scales its numbers.
//!
//! Orders and splits depend on a seed (and an epoch) alone, not on the machine and not on what was drawn before.
//!
//! # What is not here
//!
//! This crate knows no model. What data and models share is the vocabulary of [`fgn_schema`], re-exported here.
//!
//! The embedded MNIST database is by Yann LeCun and Corinna Cortes, under [CC BY-SA 3.0]; its files are
//! recompressed and otherwise unchanged. That licence is the data's, not the code's.
//!
//! [Candle]: candle_core
//! [CC BY-SA 3.0]: https://creativecommons.org/licenses/by-sa/3.0/
#![forbid(unsafe_code)]

mod batches;
mod classes;
mod config;
mod cut;
mod dataset;
mod error;
mod fingerprint;
mod folders;
mod generated;
mod grey_levels;
mod image_grid;
mod images;
mod mnist;
mod names;
mod pixels;
mod reader;
pub mod readers;
mod registry;
mod samples;
mod sampling;
mod save;
mod shakespeare;
mod share;
mod spill;
mod statistics;
mod subset;
mod table;
mod text;

pub use batches::Batches;
pub use candle_core;
pub use dataset::{Dataset, TestSplit};
pub use error::{Error, Result};
pub use fgn_schema::{
    self, Batch, Catalogue, InputSchema, Moments, Padded, Schema, Statistics, TargetSchema,
    Tokenizer,
};
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use generated::shop::Shop;
pub use generated::tasks::options::TaskOptions;
pub use grey_levels::Rounding;
pub use image;
pub use image_grid::ImageGrid;
pub use images::Images;
pub use mnist::{mnist, mnist_binary};
pub use pixels::input;
pub use reader::{Like, Parts, ReadProgress, Reader};
pub use readers::DataConfig;
pub use readers::audio::{AudioOptions, AudioTask, Sounds, StringOptions, TestFiles};
pub use readers::dialogues::{DialogueOptions, Dialogues};
pub use readers::documents::{DocumentOptions, DocumentTask, Documents};
pub use readers::idx::format::{read_idx, read_idx_folder};
pub use readers::idx::{Idx, IdxOptions};
pub use readers::images::{Background, ImageFolders, ImageOptions};
pub use readers::pairs::{PairOptions, Pairs};
pub use readers::series::{Missing, SeriesOptions, Tables, Task};
pub use readers::sessions::{InteractionLogs, SessionBatches, SessionOptions, SessionSplit};
pub use readers::tags::{TagOptions, Tags};
pub use readers::text::{Corpora, TextOptions};
pub use readers::ts::{TsFiles, TsOptions};
pub use registry::{names, open};
pub use samples::{Divided, Forecast, Samples, Windows};
pub use sampling::{Order, split};
pub use save::{save_sample, saved_ending};
pub use share::Share;
pub use statistics::{indistinct, statistics};
pub use subset::Subset;
pub use text::tokenizers::{TokenizerKind, TokenizerOptions};
