//! `fgn export`.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;
use fgn_train::{TrainedRun, replace_file};

use crate::error::{Error, Result};
use crate::output::print;

pub(crate) const HELP: &str = "\
Example:
  fgn export runs/mnist-1 weights.safetensors
  python -c 'import safetensors.torch as st; print(st.load_file(\"weights.safetensors\").keys())'

The tensors have PyTorch's names, shapes and gate order, wherever PyTorch has the layer.";

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run folder
    run: PathBuf,
    /// The file to write
    #[arg(value_name = "FILE.safetensors")]
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl ExportArgs {
    pub(crate) fn run(self) -> Result<()> {
        let run = TrainedRun::open(&self.run, &Device::Cpu)?;
        if self.file.exists() && !self.force {
            return Err(Error::FileExists { file: self.file });
        }
        let tensors = run.model.parameters().iter().map(|(name, var)| (name, var.as_tensor()));
        let bytes = safetensors::serialize(tensors, None);
        replace_file(&self.file, &bytes.map_err(|error| Error::Tensor(error.into()))?)?;
        for (name, var) in run.model.parameters() {
            print(&format!("{name} {:?}\n", var.dims()))?;
        }
        Ok(())
    }
}
