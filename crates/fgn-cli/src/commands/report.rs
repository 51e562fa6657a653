//! `fgn report`.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;
use fgn_report::write_report;
use fgn_train::{TrainedRun, check_dataset, open_data};
use serde_json::json;

use crate::error::Result;
use crate::output::{print, print_json};

pub(crate) const HELP: &str = "\
Example:
  fgn report runs/mnist-1

`fgn train` writes the report at its end; this writes it again, also for an interrupted run.";

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The run folder
    run: PathBuf,
    /// Print one JSON object: {"file":"runs/mnist-1/report.html"}
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    pub(crate) fn run(self, device: &Device) -> Result<()> {
        let folder = TrainedRun::folder(&self.run).unwrap_or(self.run);
        let TrainedRun { config, model } = TrainedRun::open(&folder, device)?;
        let dataset = open_data(&config.data)?;
        check_dataset(&config.model, &dataset)?;
        let dataset = config.data.divide(dataset, config.training.seed)?;
        let file = write_report(&folder, &config, &model, &dataset)?;
        match self.json {
            true => print_json(&json!({ "file": file.to_string_lossy() })),
            false => print(&format!("{}\n", file.display())),
        }
    }
}
