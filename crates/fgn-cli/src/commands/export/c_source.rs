//! `fgn export RUN --c DIR`.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use clap::Args;
use fgn_c::{Options, Sources};
use fgn_train::TrainedModel;
use serde_json::json;

use crate::error::{Error, Result};
use crate::output::{print, print_json};

#[derive(Debug, Args)]
pub(super) struct CArgs {
    /// Write the model as C source into this folder, which is made
    #[arg(long, value_name = "DIR")]
    c: Option<PathBuf>,
    /// With --c: the name with which files and functions begin [default: model]
    #[arg(long, requires = "c", conflicts_with = "file")]
    name: Option<String>,
    /// With --c: matrices as whole numbers of 8 bits, with a scale for each row
    #[arg(long, requires = "c", conflicts_with = "file")]
    int8: bool,
}

impl CArgs {
    /// Writes the model of `run`.
    pub(super) fn run(&self, run: &Path, force: bool, as_json: bool) -> Result<()> {
        let folder = self.c.as_deref().ok_or(Error::NothingToWrite)?;
        let name = self.name.as_deref().unwrap_or("model");
        let model = TrainedModel::open(run, &Device::Cpu)?.model;
        let sources = fgn_c::export(&model, &Options::new(name).with_int8(self.int8))?;
        let texts = [
            (format!("{name}.h"), &sources.header),
            (format!("{name}.c"), &sources.source),
            ("main.c".to_owned(), &sources.main),
        ];
        let texts = texts.map(|(file, text)| (folder.join(file), text));
        if let Some((file, _)) = texts.iter().find(|(file, _)| file.exists() && !force) {
            return Err(Error::FileExists { file: file.clone() });
        }
        let unwritten = |path: &Path| {
            let path = path.to_owned();
            |source| Error::Write { path, source }
        };
        fs::create_dir_all(folder).map_err(unwritten(folder))?;
        for (file, text) in &texts {
            fs::write(file, text).map_err(unwritten(file))?;
        }
        let files: Vec<_> = texts.iter().map(|(file, _)| file.to_string_lossy()).collect();
        let Sources { weight_bytes, state_bytes, stack_bytes, .. } = sources;
        if as_json {
            return print_json(&json!({
                "files": files,
                "weight_bytes": weight_bytes,
                "state_bytes": state_bytes,
                "stack_bytes": stack_bytes,
            }));
        }
        print(&format!(
            "{}\n{weight_bytes} bytes of weights, {state_bytes} of state, {stack_bytes} on the stack\n",
            files.join("\n")
        ))
    }
}
