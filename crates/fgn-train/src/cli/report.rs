//! `fgn report`.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;

use super::print;
use crate::{Result, Run, write_report};

pub(super) const HELP: &str = "\
Example:
  fgn report runs/mnist-1

`fgn train` writes the report at its end; this writes it anew, also of a run that was interrupted.";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run folder
    run: PathBuf,
}

impl ReportArgs {
    pub(super) fn run(self, device: &Device) -> Result<()> {
        let Run { config, model } = Run::open(&self.run, device)?;
        let dataset = config.data.open()?;
        crate::data::fits(&config.model, &dataset)?;
        let dataset = config.data.divide(dataset, config.training.seed)?;
        let file = write_report(&self.run, &config, &model, &dataset)?;
        print(&format!("{}\n", file.display()))
    }
}
