//! `fgn export`.

mod c_source;

use std::path::{Path, PathBuf};

use c_source::CArgs;
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
  fgn export runs/mnist-rows-1 --c firmware --name digits --int8

The tensors have PyTorch's names, shapes and gate order, wherever PyTorch has the layer. The metadata
has all that fgn needs to use the model: `fgn predict`, `fgn eval --data` and `fgn inspect` take the file
in place of a run folder.

With --c the model is C99 source for firmware, in place of a file: NAME.h, NAME.c and main.c, an example
program that runs the model over the rows of a CSV file. The source allocates nothing and needs nothing
but math.h, stdint.h and string.h. docs/c.md says how it is called and which models it can hold.

safetensors is the only format of files. The results of --json:
  {\"file\":\"weights.safetensors\",\"tensors\":[{\"name\":\"head.bias\",\"shape\":[10],\"dtype\":\"f32\"},…]}
  {\"files\":[\"firmware/digits.h\",…],\"weight_bytes\":9064,\"state_bytes\":64,\"stack_bytes\":416}";

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run folder
    run: PathBuf,
    /// The file to write; it ends in .safetensors
    #[arg(value_name = "FILE.safetensors", conflicts_with = "c")]
    file: Option<PathBuf>,
    #[command(flatten)]
    c: CArgs,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    pub(crate) fn run(self) -> Result<()> {
        match &self.file {
            Some(file) => self.safetensors(file),
            None => self.c.run(&self.run, self.force, self.json),
        }
    }

    fn safetensors(&self, file: &Path) -> Result<()> {
        let reason = "safetensors is the only format that is written, and other programs know it by its ending";
        new_file(file, "safetensors", reason, self.force)?;
        let folder = TrainedRun::folder(&self.run).unwrap_or_else(|| self.run.clone());
        let run = TrainedRun::open(&folder, &Device::Cpu)?;
        run.export(file)?;
        let tensors = run.model.parameters().iter();
        if self.json {
            let tensors = tensors.map(|(name, var)| {
                json!({ "name": name, "shape": var.dims(), "dtype": var.dtype().as_str() })
            });
            let tensors: Vec<_> = tensors.collect();
            return print_json(&json!({ "file": file.to_string_lossy(), "tensors": tensors }));
        }
        let line = |(name, var): &(String, Var)| format!("{name} {:?}\n", var.dims());
        print(&tensors.map(line).collect::<String>())
    }
}
