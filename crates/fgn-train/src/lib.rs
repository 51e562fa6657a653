//! Training of gated recurrent networks.
//!
//! A [`Config`] describes a whole training: the data, the model, and how the model is trained. [`train`] runs it
//! and reports to an [`Observer`]. A [`Recorder`] is the observer that writes a run folder, and a
//! [`TrainedRun`] is such a folder opened again: to [`evaluate`] its model, or to predict what images and
//! tables show ([`predict_file`]).
//!
//! ```
//! use candle_core::{DType, Device};
//! use fgn_train::{Config, Model, Override, open_data};
//!
//! // An embedded recipe, with a few keys overridden as `--set` does it.
//! let overrides = ["training.epochs=1".parse::<Override>()?, "model.recurrent.cell.name=lstm".parse()?];
//! let config = Config::load("mnist-rows", &overrides)?;
//!
//! // What it trains on, and the model before the first step.
//! let digits = open_data(&config.data)?;
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
//! - **Optimizers** ([`Optimizer`]) are SGD, RMSprop, Adagrad, Adam, AdamW and Lion, each one pass over memory,
//!   with [`Schedule`]s, clipping, accumulation, averages, and [`ParameterGroup`]s.
//! - **A [`Trainer`]** trains a [`Learner`], which a model of your own may be, on any samples. It can be
//!   interrupted and resumes from a [`Checkpoint`] as if nothing had happened, bit for bit.
//! - **Metrics** ([`Metric`]) are one file each; a model's head names those that suit it, a recipe may name
//!   others, and a program may bring its own.
//! - **Baselines** ([`Baseline`]) of recommendation are measured with the metrics of the model: popularity, Markov chains
//!   and nearest sessions ([`standard_baselines`]).
//! - **Observers** ([`Observer`]) get what is measured. Those that write files and pictures for people are in
//!   the crate `fgn-report`, the progress bar is in `fgn-cli`.
//! - **A [`Group`]** is several processes that train one model together; the crate `fgn-mpi` implements it by MPI.
//! - **The same seed gives the same model**, bit for bit, whatever the number of threads.
//!
//! No command line, terminal, plotting or allocator crate is among the dependencies.
#![forbid(unsafe_code)]

mod baselines;
mod checkpoint;
mod class_weights;
mod completion;
mod compute;
mod config;
mod data;
mod device;
mod difference;
mod durable;
mod epoch_lines;
mod epoch_metrics;
mod error;
mod evaluation;
mod final_metrics;
mod gates;
mod generation;
mod group;
mod initial_weights;
mod inspect;
mod keys;
mod learner;
mod loss_sum;
mod metrics;
mod model;
mod nearest;
mod observer;
mod optimizer;
mod overrides;
mod predict;
mod ranges;
mod recipe;
mod recorder;
mod run;
pub mod run_files;
mod run_folder;
mod schedule;
mod section;
mod session;
mod session_start;
mod settle;
mod state;
mod step_metrics;
mod sweep;
#[cfg(test)]
mod testing;
mod text_samples;
mod toml_error;
mod train;
mod trainer;
mod training_config;

pub use baselines::baseline::Baseline;
pub use baselines::evaluate::evaluate_baseline;
pub use baselines::recorder::BaselineRecorder;
pub use baselines::result::{BaselineResult, read_baselines};
pub use baselines::standard::{
    BaselineProgress, evaluate_baselines, have_baselines, standard_baselines,
};
pub use candle_core;
pub use checkpoint::files::Checkpoint;
pub use checkpoint::store::CheckpointStore;
pub use class_weights::ClassWeights;
pub use compute::Compute;
pub use config::{CheckpointConfig, Config, KeptModel, ReportConfig};
pub use data::{check_dataset, check_samples, log_progress, open_data, override_data};
pub use device::DeviceChoice;
pub use durable::replace_file;
pub use epoch_metrics::EpochMetrics;
pub use error::{Error, Result};
pub use evaluation::{EVALUATION_BATCH, Evaluation, evaluate, evaluate_with, evaluation_order};
pub use fgn_data::DataConfig;
pub use fgn_nn::{Model, ModelConfig, argmax, softmax};
pub use final_metrics::FinalMetrics;
pub use gates::observe::{gate_samples, record_gates};
pub use gates::record::{GATE_BINS, GateRecord, LayerGates, NamedSpread, Spread};
pub use gates::recorder::{GateRecorder, read_gates};
pub use generation::GeneratedText;
pub use group::{Alone, Group};
pub use initial_weights::{InitialWeights, KeptWeights};
pub use inspect::{ParameterSummary, summarize_parameters};
pub use keys::recipe_keys;
pub use learner::{Learner, Pass, Scored};
pub use metrics::{
    Breakdown, Column, Direction, Measures, Metric, MetricInfo, Metrics, Transcript, Transcripts,
    Unit, metric_names, restored,
};
pub use observer::{Finished, Observer, TrainingPlan};
pub use optimizer::Optimizer;
pub use optimizer::gradients::{Clip, Gradients};
pub use optimizer::groups::{NamedRows, ParameterGroup};
pub use {fgn_core, fgn_data, fgn_nn, fgn_schema, serde_json, toml};
// `OptimizerConfig`, and the options of each optimizer of the registry.
pub use optimizer::rules::*;
pub use overrides::Override;
pub use predict::{each_prediction, like, predict, predict_file};
pub use recipe::RECIPES;
pub use recorder::{Recorder, Resumed, read_metrics};
pub use run::{TrainedModel, TrainedRun};
pub use schedule::{EarlyStopping, Schedule, SchedulePosition};
pub use session::{ResumeOptions, Session, SessionOutcome};
pub use state::TrainerState;
pub use step_metrics::StepMetrics;
pub use sweep::Sweep;
pub use sweep::plan::{RandomSearch, Range, SweepPlan};
pub use text_samples::{SampleRecorder, TextSample, read_samples};
pub use train::{Trained, train};
pub use trainer::{End, Trainer};
pub use training_config::{NonFinite, TrainingConfig, TrainingPrecision};
