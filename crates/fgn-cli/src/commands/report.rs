//! `fgn report`.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;
use fgn_report::write_report;
use fgn_train::{TrainedRun, check_dataset, open_data};

use crate::error::Result;
use crate::output::print;

pub(crate) const HELP: &str = "\
Example:
  fgn report runs/mnist-1

`fgn train` writes the report at its end; this writes it again, also for an interrupted run.";

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The run folder
    run: PathBuf,
}

impl ReportArgs {
    pub(crate) fn run(self, device: &Device) -> Result<()> {
        let TrainedRun { config, model } = TrainedRun::open(&self.run, device)?;
        let dataset = open_data(&config.data)?;
        check_dataset(&config.model, &dataset)?;
        let dataset = config.data.divide(dataset, config.training.seed)?;
        let file = write_report(&self.run, &config, &model, &dataset)?;
        print(&format!("{}\n", file.display()))
    }
}
