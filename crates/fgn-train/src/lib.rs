//! Training of gated recurrent networks: a library, and the binary `fgn` as a thin shell over it.
//!
//! A [`Config`] says everything about a training: which data, which model, how the one learns from
//! the other. [`train`] does it and tells an [`Observer`] how it goes. A [`Recorder`] is the observer
//! that writes a run folder, and a [`Run`] is such a folder opened again: to [`evaluate`] its model,
//! or to tell what images and tables are with it ([`predict_image`], [`predict_table`]).
//!
//! ```
//! use candle_core::{DType, Device};
//! use fgn_train::{Config, Model, Override};
//!
//! // An embedded recipe, with a few keys overridden as `--set` does it.
//! let overrides = ["training.epochs=1".parse::<Override>()?, "model.recurrent.cell.name=lstm".parse()?];
//! let config = Config::load("mnist-rows", &overrides)?;
//!
//! // What it trains on, and the model before the first step.
//! let digits = config.data.open()?;
//! config.check_with(&digits)?;
//! let model = Model::new(&config.model, config.training.seed, DType::F32, &Device::Cpu)?;
//! assert_eq!(model.parameter_count(), 4 * 128 * (28 + 128 + 2) + 10 * (128 + 1));
//!
//! // From here `train(&config, &digits, &mut ())` takes minutes; the example at `train` seconds.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - **Recipes** ([`RECIPES`], [`Override`]) are TOML; an unknown key or a value that does not fit is an
//!   error that says what is known, and what is near.
//! - **Optimizers** ([`Optimizer`]) are SGD, RMSprop, Adam, AdamW and Lion, each one pass over memory,
//!   with [`Schedule`]s, clipping, accumulation, averages, and [`Group`]s of parameters.
//! - **A [`Trainer`]** trains a [`Learner`], which a model of one's own may be, on any samples. It is
//!   interrupted and goes on from a [`Checkpoint`] as if nothing had happened, bit for bit.
//! - **The same seed gives the same model**, bit for bit, whatever the number of threads.
//! - **The command line** is in [`cli`]; the binary prints its errors and nothing else.

mod checkpoint;
pub mod cli;
mod completion;
mod config;
mod console;
mod curves;
mod data;
mod device;
mod error;
mod evaluation;
mod gates;
mod inspect;
mod optimizer;
mod predict;
mod recipe;
mod report;
mod run;
mod schedule;
mod session;
mod sweep;
mod tensorboard;
#[cfg(test)]
mod testing;
mod trainer;

pub use checkpoint::{Checkpoint, Store};
pub use config::{CheckpointConfig, Config, ReportConfig, TrainingConfig};
pub use console::Console;
pub use curves::draw_curves;
pub use data::DataConfig;
pub use device::DeviceChoice;
pub use error::{Error, Result};
pub use evaluation::{ClassScore, Evaluation, NumberScore, evaluate};
pub use fgn_nn::{Model, ModelConfig};
pub use gates::{GATE_BINS, GateRecord, GateRecorder, LayerGates, NamedSpread, Spread};
pub use inspect::{ParameterSummary, summarize_parameters};
pub use optimizer::{Clip, Gradients, Group, NamedRows, Optimizer, OptimizerConfig};
pub use predict::{Prediction, predict_image, predict_table};
pub use recipe::{Override, RECIPES};
pub use report::write_report;
pub use run::{Recorder, Resumed, Run};
pub use schedule::{EarlyStopping, Place, Schedule};
pub use session::{Ended, Session};
pub use sweep::{RandomSearch, Range, Sweep, SweepPlan};
pub use trainer::{
    End, EpochMetrics, Learner, NonFinite, Observer, Pass, Plan, Progress, Scored, Step, Trained,
    Trainer, train,
};
