//! `fgn predict`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use serde::Serialize;

use super::{print, tell};
use crate::{Prediction, Result, Run, classify};

pub(super) const HELP: &str = "\
Examples:
  fgn predict runs/mnist-1 digit.png
  fgn predict runs/mnist-1 --invert --json scans/*.jpg";

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The run folder
    run: PathBuf,
    /// Image files (PNG, JPEG, BMP, PNM) of the size that the model was trained on
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Read the images as negatives: for dark digits on a light ground
    #[arg(long)]
    invert: bool,
    /// Print one JSON object an image
    #[arg(long)]
    json: bool,
}

impl PredictArgs {
    /// A bad image among several is told and passed over; the exit code is 1 then.
    pub(super) fn run(self, device: &Device) -> Result<ExitCode> {
        let run = Run::open(&self.run, device)?;
        let mut code = ExitCode::SUCCESS;
        for file in &self.images {
            match classify(&run.model, file, self.invert) {
                Ok(prediction) => print(&told(file, &prediction, self.json)?)?,
                Err(error) => {
                    tell(&error);
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }
}

fn told(file: &Path, prediction: &Prediction, json: bool) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        file: Cow<'a, str>,
        #[serde(flatten)]
        prediction: &'a Prediction,
    }
    let name = file.to_string_lossy();
    if json {
        let line = Line { file: name, prediction };
        return Ok(serde_json::to_string(&line).map_err(std::io::Error::from)? + "\n");
    }
    let all = prediction.probabilities.iter().enumerate();
    let all: Vec<_> =
        all.map(|(class, probability)| format!("{class}: {probability:.3}")).collect();
    Ok(format!("{name}: {}\n  {}\n", prediction.class, all.join("  ")))
}
