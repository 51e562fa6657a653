//! `fgn export`.

use std::path::PathBuf;

use candle_core::{Device, Var};
use clap::Args;
use fgn_train::TrainedRun;
use serde_json::json;

use crate::error::Result;
use crate::output::{new_file, print, print_json};

pub(crate) const HELP: &str = "\
Example:
  fgn export runs/mnist-1 weights.safetensors
  python -c 'import safetensors.torch as st; print(st.load_file(\"weights.safetensors\").keys())'

The tensors have PyTorch's names, shapes and gate order, wherever PyTorch has the layer. The metadata
has all that fgn needs to use the model: `fgn predict`, `fgn eval --data` and `fgn inspect` take the file
in place of a run folder.

safetensors is the only format that is written. The result of --json:
  {\"file\":\"weights.safetensors\",\"tensors\":[{\"name\":\"head.bias\",\"shape\":[10],\"dtype\":\"f32\"},…]}";

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run folder
    run: PathBuf,
    /// The file to write; it ends in .safetensors
    #[arg(value_name = "FILE.safetensors")]
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    pub(crate) fn run(self) -> Result<()> {
        let reason = "safetensors is the only format that is written, and other programs know it by its ending";
        new_file(&self.file, "safetensors", reason, self.force)?;
        let folder = TrainedRun::folder(&self.run).unwrap_or(self.run);
        let run = TrainedRun::open(&folder, &Device::Cpu)?;
        run.export(&self.file)?;
        let tensors = run.model.parameters().iter();
        if self.json {
            let tensors = tensors.map(|(name, var)| {
                json!({ "name": name, "shape": var.dims(), "dtype": var.dtype().as_str() })
            });
            let tensors: Vec<_> = tensors.collect();
            return print_json(&json!({ "file": self.file.to_string_lossy(), "tensors": tensors }));
        }
        let line = |(name, var): &(String, Var)| format!("{name} {:?}\n", var.dims());
        print(&tensors.map(line).collect::<String>())
    }
}
