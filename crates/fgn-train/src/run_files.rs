//! The names of the files in a run folder.
//!
//! A new run is refused in a folder that holds one of [`ALL`], those of other crates' observers included.

/// The configuration, a recipe that repeats the run.
pub const CONFIG: &str = "config.toml";
/// An [`EpochMetrics`](crate::EpochMetrics) a line, and a final line.
pub const METRICS: &str = "metrics.jsonl";
/// The model after the last finished epoch; of a finished run, that of the saved epoch.
pub const MODEL: &str = "model.safetensors";
/// The learning curves as a picture.
pub const CURVES: &str = "curves.svg";
/// A [`GateRecord`](crate::GateRecord) a line.
pub const GATES: &str = "gates.jsonl";
/// A [`TextSample`](crate::TextSample) a line.
pub const SAMPLES: &str = "samples.jsonl";
/// Of a recommender, what was measured of the baselines: a [`BaselineResult`](crate::BaselineResult) each.
pub const BASELINES: &str = "baselines.json";
/// The report.
pub const REPORT: &str = "report.html";
/// The folder of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// The files whose presence says that a folder holds a run.
pub const ALL: [&str; 8] = [CONFIG, METRICS, MODEL, CURVES, GATES, SAMPLES, BASELINES, REPORT];
