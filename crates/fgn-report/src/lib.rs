//! What people look at during and after training: an HTML report, learning curves, and event files for TensorBoard.
//!
//! Each is written by an [`Observer`](fgn_train::Observer) into the run folder:
//!
//! | observer | file | when |
//! |---|---|---|
//! | [`TensorBoard`] | `events.out.tfevents.…`, for `tensorboard --logdir runs` | as it trains |
//! | [`Curves`] | `curves.svg`: loss and metrics over the epochs | after each epoch |
//! | [`ReportWriter`] | `report.html`: results, forecasts, worst mistakes, gates, configuration | at the end |
//!
//! They work for every model that implements [`Learner`](fgn_train::Learner), your own included. [`observers`] returns
//! all three. [`write_report`] writes the report of a run folder again, and [`draw_curves`] draws the curves of any
//! history.
//!
//! ```
//! use std::sync::Arc;
//!
//! use candle_core::Device;
//! use fgn_data::{Dataset, Images};
//! use fgn_train::{Config, Override, Result, Session};
//!
//! // Two classes of 4 x 4 images: the upper half is bright, or the lower.
//! let pixels: Vec<u8> = (0..16u8)
//!     .flat_map(|i| (0..16u8).map(move |at| if (at < 8) == (i % 2 == 0) { 200 + i } else { i }))
//!     .collect();
//! let labels: Vec<u8> = (0..16).map(|i| i % 2).collect();
//! let images = Images::new("halves", 4, 4, 2, pixels, labels)?;
//! let dataset = Dataset { train: images.clone(), valid: None, test: images }.shared();
//!
//! let settings = [
//!     "model.head.classes=2", "model.input.height=4", "model.input.width=4",
//!     "model.recurrent.hidden_size=4", "data.validation=4", "training.batch_size=4", "training.epochs=2",
//! ];
//! let settings: Vec<Override> = settings.map(str::parse).into_iter().collect::<Result<_>>()?;
//! let config = Config::load("mnist-rows", &settings)?;
//!
//! let parent = tempfile::tempdir()?;
//! let folder = parent.path().join("run");
//! let session = Session::begin_on(dataset, config, Some(&folder), &Device::Cpu)?;
//! let mut observers = fgn_report::observers(&folder, session.config())?;
//! session.run(Arc::default(), &mut observers)?;
//! for file in ["curves.svg", "report.html"] {
//!     assert!(folder.join(file).is_file());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod best;
mod curves;
mod drawing;
mod error;
mod grouped;
mod observers;
mod report;
mod tensorboard;
#[cfg(test)]
mod testing;

pub use curves::{Curves, draw_curves};
pub use error::{Error, Result};
pub use fgn_train;
pub use grouped::grouped;
pub use observers::observers;
pub use report::write_report;
pub use report::writer::ReportWriter;
pub use tensorboard::TensorBoard;
