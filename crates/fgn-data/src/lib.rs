//! Data sets for gated recurrent networks: from files to checked samples to batches of [Candle]
//! tensors. It knows no model: whatever takes a tensor can be fed.
//!
//! ```
//! use candle_core::Device;
//! use fgn_data::{Batches, Order, open};
//!
//! // 60,000 + 10,000 digits, embedded in the crate: no download, no folder. Some training images are
//! // held out, drawn by a seed, to see how training goes; the test set is for the end.
//! let seed = 1;
//! let digits = open("mnist")?.hold_out(5_000, seed)?;
//! assert_eq!((digits.train.len(), digits.test.len()), (55_000, 10_000));
//!
//! for epoch in 0..2 {
//!     let order = Order::Shuffled { seed, epoch };
//!     for batch in Batches::new(&digits.train, order, 100, &Device::Cpu)?.take(3) {
//!         let batch = batch?;
//!         assert_eq!(batch.input.dims(), [100, 28, 28]); // f32, 0 to 1
//!         assert_eq!(batch.target.dims(), [100]); // u32, 0 to 9
//!     }
//! }
//! # Ok::<(), fgn_data::Error>(())
//! ```
//!
//! - **Where data comes from.** [`mnist`] is embedded; [`open`] finds data sets by name;
//!   [`read_idx_folder`] reads a folder in MNIST's four-file form (Fashion-MNIST, say), plain or
//!   gzipped; [`ImageFolder`] a folder of image files a class; [`Series`] a table of time series.
//!   [`open_path`] tells these apart. [`Images::new`] takes over pixels and labels from anywhere else.
//! - **What holds of it.** Whatever is in an [`Images`] was checked: sizes, counts, labels. A file
//!   that is truncated, too long, corrupted or of another kind is an [`Error`] that says what was
//!   found, what was expected and where; a header that lies costs no memory.
//! - **What all of it is to others.** [`Samples`]: how many, what they are, and a [`Batch`] of any of
//!   them. A set of one's own is an implementation of it; [`Subset`] is a part of one.
//! - **In what order.** [`split`] and [`Order`] depend on the seed (and the epoch) alone, not on
//!   the machine nor on what was drawn before.
//! - **What a model gets.** [`Batches`] gives a [`Batch`] at a time; [`input`] makes one of loose
//!   images.
//!
//! The embedded MNIST database is by Yann LeCun and Corinna Cortes, under [CC BY-SA 3.0]; its files
//! are recompressed and otherwise unchanged. That licence is the data's, not the code's.
//!
//! [Candle]: candle_core
//! [CC BY-SA 3.0]: https://creativecommons.org/licenses/by-sa/3.0/

mod batches;
mod error;
mod idx;
mod image_folder;
mod images;
mod mnist;
mod open;
mod picture;
mod registry;
mod samples;
mod sampling;
mod series;
mod statistics;
mod table;

pub use batches::{Batches, input};
pub use error::{Error, Result};
pub use idx::{read_idx, read_idx_folder};
pub use image_folder::{ImageFolder, ImageOptions};
pub use images::Images;
pub use mnist::mnist;
pub use open::{OpenOptions, Progress, Share, open_path};
pub use picture::Picture;
pub use registry::{names, open};
pub use samples::{Batch, Dataset, Form, Input, Samples, Subset, Target};
pub use sampling::{Order, split};
pub use series::{Known, Missing, Series, SeriesOptions, Task};
pub use statistics::{Moments, Statistics};
