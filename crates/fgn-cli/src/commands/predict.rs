//! `fgn predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use fgn_nn::Answer;
use fgn_train::{Override, TrainedModel, override_data};
use serde_json::Value;

use super::generate::is_language_model;
use crate::answers::{answer_files, shown_name};
use crate::complete;
use crate::error::{Error, Result};
use crate::output::{in_line, print, print_json};
use crate::settings;
use crate::stdin;

pub(crate) const HELP: &str = "\
Examples:
  fgn predict runs/mnist-1 mnist-3-0.png       an image; `fgn data mnist --save 3` writes some
  fgn predict runs/mnist-1 --invert --json scans/*.jpg
  fgn predict runs/images-1 holiday/           all images of a folder
  fgn predict runs/digits-1 one.wav two.wav
  fgn predict runs/series-1 new.csv
  fgn predict runs/series-1 semicolons.csv --set 'data.series.delimiter=\";\"'
  fgn predict weights.safetensors new.csv      a file of `fgn export` in place of the run
  curl https://example.org/digit.png | fgn predict runs/mnist-1 -

Files are read as the run's data was, but need no targets. Images are resized as in training; of a
model that was trained without data.images.size, --set data.images.size=[28,28] does it. Of a table, there is an answer for each
sequence, or for each window to forecast from; columns are found by name.

With --json, each sample is an object on a line of its own: its \"file\" and \"sample\", and the keys
of the answer, which depend on the head (model.head):
  {\"class\":1,\"file\":\"a.png\",\"name\":\"dog\",\"probabilities\":{\"cat\":0.1,\"dog\":0.9},\"sample\":\"a.png\"}
  {\"file\":\"new.csv\",\"sample\":\"7\",\"values\":{\"level\":2.14}}
  {\"file\":\"log.csv\",\"items\":[{\"item\":\"tea\",\"score\":1.25},…],\"sample\":\"s1\"}
If each step has an answer, \"steps\" is a list of them.";

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The run folder, or a file that `fgn export` wrote
    run: PathBuf,
    /// Files or folders of the kind that the model was trained on: images, sounds, tables, …; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read images as negatives, for dark strokes on a light ground: data.images.invert=true
    #[arg(long)]
    invert: bool,
    /// Set a key of the run's [data]: how the files are read; may be repeated
    #[arg(long, value_name = "KEY=VALUE", add = ArgValueCompleter::new(complete::data_keys))]
    set: Vec<String>,
    /// What standard input holds, as the ending of a file [default: what the model reads: png, wav or csv]
    #[arg(long, value_name = "ENDING")]
    format: Option<String>,
    /// Print one JSON object for each sample
    #[arg(long)]
    json: bool,
}

impl PredictArgs {
    /// An unreadable file among several is reported and skipped; the exit code is 1 then.
    pub(crate) fn run(self, device: &Device) -> Result<ExitCode> {
        let TrainedModel { model, data, .. } = TrainedModel::open(&self.run, device)?;
        let data = override_data(&data, &self.overrides()?)?;
        if is_language_model(&model) {
            return Err(Error::Continues { run: self.run });
        }
        let model = model.frozen()?;
        let input = model.config().input.samples();
        let format = stdin::format(self.format.as_deref(), input, &self.files)?;
        answer_files(&model, &data, &self.files, format, &mut |file, title, answer| match self.json
        {
            true => print_json(&json(file, title, answer)),
            false => print(&text(file, title, answer)),
        })
    }

    fn overrides(&self) -> Result<Vec<Override>> {
        let mut overrides = settings::parsed(&self.set)?;
        if self.invert {
            overrides.push(Override::new("data.images.invert", true));
        }
        Ok(overrides)
    }
}

fn json(file: &Path, title: &str, answer: &Answer) -> Value {
    let mut object = answer.json().clone();
    object.insert("file".into(), file.to_string_lossy().into());
    object.insert("sample".into(), title.into());
    object.into()
}

fn text(file: &Path, title: &str, answer: &Answer) -> String {
    format!("{}: {answer}\n", in_line(&shown_name(file, title)))
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
        let answer = Answer::new("", Map::from_iter([("values".into(), json!({ "x": 0.5 }))]));
        let expected = "{\"file\":\"a/new.csv\",\"sample\":\"s1\",\"values\":{\"x\":0.5}}";
        assert_eq!(super::json(Path::new("a/new.csv"), "s1", &answer).to_string(), expected);
    }
}
