//! `fgn predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use fgn_nn::ModelConfig;
use serde::Serialize;

use super::{print, tell};
use crate::data::is_table;
use crate::{Prediction, Result, Run, predict_image, predict_table};

pub(super) const HELP: &str = "\
Examples:
  fgn predict runs/mnist-1 digit.png
  fgn predict runs/mnist-1 --invert --json scans/*.jpg
  fgn predict runs/series-1 new.csv

Of a table, a line tells what each sequence is, or what follows each window; the columns are those of the
table that the model learned from, but for the target, which need not be there.";

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The run folder
    run: PathBuf,
    /// Image files (PNG, JPEG, BMP, PNM), or tables (.csv, .tsv, .parquet), as the model was trained on
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read images as negatives: for dark digits on a light ground
    #[arg(long)]
    invert: bool,
    /// Print one JSON object a sample
    #[arg(long)]
    json: bool,
}

impl PredictArgs {
    /// A bad file among several is told and passed over; the exit code is 1 then.
    pub(super) fn run(self, device: &Device) -> Result<ExitCode> {
        let mut run = Run::open(&self.run, device)?;
        run.model = run.model.frozen()?;
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            if let Err(error) = self.predict(&run, file) {
                tell(&error);
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    }

    fn predict(&self, run: &Run, file: &Path) -> Result<()> {
        let name = file.to_string_lossy();
        let (config, data) = (&run.config.model, &run.config.data);
        let line = |sample: Option<String>, prediction: &Prediction| match self.json {
            true => print(&json(&name, sample, prediction)?),
            false => print(&told(config, sample.as_deref().unwrap_or(&name), prediction)),
        };
        if is_table(file) {
            return predict_table(&run.model, data, file, &mut |sample, prediction| {
                line(Some(sample), &prediction)
            });
        }
        line(None, &predict_image(&run.model, data, file, self.invert)?)
    }
}

fn json(file: &str, sample: Option<String>, prediction: &Prediction) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        file: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sample: Option<String>,
        #[serde(flatten)]
        prediction: &'a Prediction,
    }
    let line = Line { file, sample, prediction };
    Ok(serde_json::to_string(&line).map_err(std::io::Error::from)? + "\n")
}

fn told(config: &ModelConfig, sample: &str, prediction: &Prediction) -> String {
    let list = |values: &[f32]| -> String {
        let one = |(at, value): (usize, &f32)| format!("{}: {value:.3}", config.name(at));
        values.iter().enumerate().map(one).collect::<Vec<_>>().join("  ")
    };
    match prediction {
        Prediction::Class { name, probabilities, .. } => {
            format!("{sample}: {name}\n  {}\n", list(probabilities))
        }
        Prediction::Numbers { numbers } => format!("{sample}: {}\n", list(numbers)),
    }
}
