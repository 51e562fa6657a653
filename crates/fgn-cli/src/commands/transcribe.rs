//! `fgn transcribe`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use fgn_nn::{Answer, InputConfig, Model};
use fgn_schema::TargetSchema;
use fgn_train::{DataConfig, TrainedModel, predict_file};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::output::{in_line, print, print_error, print_json};
use crate::stdin::{self, Source};

pub(crate) const HELP: &str = "\
Examples:
  fgn transcribe runs/dtmf-1 call.wav
  fgn transcribe runs/digit-strings-1 --json calls/*.wav
  curl https://example.org/call.wav | fgn transcribe runs/dtmf-1 -

Sounds are resampled to the model's rate. For sound that is still coming in there is `fgn listen`.

With --json, each sound is an object on a line of its own; \"time\" is when the model wrote a label, in seconds:
  {\"file\":\"call.wav\",\"labels\":[{\"text\":\"4\",\"time\":0.21},{\"text\":\"2\",\"time\":0.53}],\"text\":\"42\"}
A model that writes its answer word by word (a decoder) knows no moments: there are no \"labels\" then.";

#[derive(Debug, Args)]
pub(crate) struct TranscribeArgs {
    /// The run folder of a model that reads sounds and answers texts, or a file that `fgn export` wrote
    run: PathBuf,
    /// Sound files, or folders of them; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object for each sound
    #[arg(long)]
    json: bool,
}

impl TranscribeArgs {
    /// An unreadable file among several is reported and skipped; the exit code is 1 then.
    pub(crate) fn run(self, device: &Device) -> Result<ExitCode> {
        let TrainedModel { model, data, .. } = TrainedModel::open(&self.run, device)?;
        let seconds = step_seconds(&model, &self.run)?;
        let model = model.frozen()?;
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            match self.transcribe(&model, &data, file, seconds) {
                Ok(()) => {}
                Err(error @ (Error::Closed | Error::Output(_))) => return Err(error),
                Err(error) => {
                    print_error(&error);
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }

    fn transcribe(
        &self,
        model: &Model,
        data: &DataConfig,
        file: &Path,
        seconds: f64,
    ) -> Result<()> {
        let input = Source::open(file, stdin::SOUND)?;
        let each = &mut |title: String, answer: Answer| {
            let title = input.as_typed(&title);
            let name = match file.file_name().is_some_and(|name| name == &*title) {
                true => file.display().to_string(),
                false => title.into_owned(),
            };
            match self.json {
                true => print_json(&object(model, &name, &answer, seconds))?,
                false => print(&format!("{}: {answer}\n", in_line(&name)))?,
            }
            Ok(())
        };
        let predicted = predict_file(model, data, input.path(), each).map_err(Error::from);
        predicted.map_err(|error| match error {
            Error::Closed | Error::Output(_) => error,
            error => input.explain(error),
        })
    }
}

/// The seconds from one step of the model to the next.
fn step_seconds(model: &Model, run: &Path) -> Result<f64> {
    let config = model.config();
    match (&config.input, config.head.target()) {
        (InputConfig::Audio(audio), TargetSchema::Sequence { .. }) => Ok(audio.step_seconds()?),
        (input, target) => Err(Error::NoTranscript {
            run: run.to_owned(),
            found: format!("{}, {target}", input.samples()),
        }),
    }
}

fn object(model: &Model, name: &str, answer: &Answer, seconds: f64) -> Value {
    let answer = answer.json();
    let mut object = json!({ "file": name, "text": answer["text"] });
    let list = |key: &str| answer.get(key).and_then(Value::as_array);
    if let (Some(tokens), Some(steps)) = (list("tokens"), list("steps")) {
        let target = model.config().head.target();
        let label = |(token, step): (&Value, &Value)| {
            let token = token.as_u64().unwrap_or_default() as u32;
            let text = match target.tokenizer() {
                Some(tokenizer) => tokenizer.decode(&[token]),
                None => token.to_string(),
            };
            let time = step.as_f64().unwrap_or_default() * seconds;
            json!({ "text": text, "time": (1000.0 * time).round() / 1000.0 })
        };
        object["labels"] = tokens.iter().zip(steps).map(label).collect();
    }
    object
}
