//! `fgn predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use fgn_nn::{Answer, Model};
use fgn_train::{DataConfig, Override, TrainedRun, override_data, predict_file};

use crate::error::{Error, Result};
use crate::output::{print, print_error};
use crate::settings;

pub(crate) const HELP: &str = "\
Examples:
  fgn predict runs/mnist-1 mnist-3-0.png       an image; `fgn data mnist --save 3` writes some
  fgn predict runs/mnist-1 --invert --json scans/*.jpg
  fgn predict runs/images-1 holiday/           all images of a folder
  fgn predict runs/series-1 new.csv
  fgn predict runs/series-1 semicolons.csv --set 'data.series.delimiter=\";\"'

Files are read as the run's data was, but need no targets. Images are resized as in training; of a
model that was trained without data.images.size, --set data.images.size=[28,28] does it. Of a table, there is an answer for each
sequence, or for each window to forecast from; columns are found by name.

With --json, each sample is an object on a line of its own: its \"file\" and \"sample\", and the keys
of the answer, which depend on the head (model.head): \"class\", \"name\" and \"probabilities\" of a
classification, \"values\" of a regression.";

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The run folder
    run: PathBuf,
    /// Files or folders of the kind that the model was trained on: images, tables, …
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read images as negatives, for dark strokes on a light ground: data.images.invert=true
    #[arg(long)]
    invert: bool,
    /// Set a key of the run's [data]: how the files are read; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON object for each sample
    #[arg(long)]
    json: bool,
}

impl PredictArgs {
    /// An unreadable file among several is reported and skipped; the exit code is 1 then.
    pub(crate) fn run(self, device: &Device) -> Result<ExitCode> {
        let TrainedRun { config, model } = TrainedRun::open(&self.run, device)?;
        let data = override_data(&config.data, &self.overrides()?)?;
        let model = model.frozen()?;
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            if let Err(error) = self.predict(&model, &data, file) {
                print_error(&error);
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    }

    fn overrides(&self) -> Result<Vec<Override>> {
        let mut overrides = settings::parsed(&self.set)?;
        if self.invert {
            overrides.push(Override::new("data.images.invert", true));
        }
        Ok(overrides)
    }

    fn predict(&self, model: &Model, data: &DataConfig, file: &Path) -> Result<()> {
        let each = &mut |title: String, answer: Answer| {
            Ok(print(&match self.json {
                true => json(file, &title, &answer)?,
                false => text(file, &title, &answer),
            })?)
        };
        predict_file(model, data, file, each).map_err(|error| match error {
            // Options that the reader lacks: the run's data was of another kind.
            fgn_train::Error::Data(fgn_data::Error::Option { .. }) => Error::OtherKind {
                file: file.to_owned(),
                expected: model.config().input.samples().to_string(),
                source: error.into(),
            },
            error => error.into(),
        })
    }
}

fn json(file: &Path, title: &str, answer: &Answer) -> Result<String> {
    let mut object = answer.json().clone();
    object.insert("file".into(), file.to_string_lossy().into());
    object.insert("sample".into(), title.into());
    Ok(serde_json::to_string(&object).map_err(std::io::Error::from)? + "\n")
}

/// A sample that is called like its file is shown by the path typed, since files of several folders may have
/// the same name.
fn text(file: &Path, title: &str, answer: &Answer) -> String {
    match file.file_name().is_some_and(|name| name == title) {
        true => format!("{}: {answer}\n", file.display()),
        false => format!("{title}: {answer}\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn a_sample_goes_by_its_title_or_the_path_of_its_file() {
        let answer = Answer::new("cat", Map::new());
        let file = Path::new("photos/1.png");
        assert_eq!(text(file, "1.png", &answer), "photos/1.png: cat\n");
        assert_eq!(text(Path::new("photos"), "1.png", &answer), "1.png: cat\n");
    }

    #[test]
    fn json_has_the_keys_of_the_answer() {
        let answer = Answer::new("", Map::from_iter([("values".into(), json!([0.5]))]));
        let expected = "{\"file\":\"a/new.csv\",\"sample\":\"s1\",\"values\":[0.5]}\n";
        assert_eq!(json(Path::new("a/new.csv"), "s1", &answer).unwrap(), expected);
    }
}
