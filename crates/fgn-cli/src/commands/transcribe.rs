//! `fgn transcribe`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use fgn_nn::{Answer, InputConfig, Model};
use fgn_schema::{TargetSchema, text_of};
use fgn_train::TrainedModel;
use serde_json::{Value, json};

use crate::answers::{answer_files, shown_name};
use crate::error::{Error, Result};
use crate::output::{in_line, milliseconds, print, print_json};
use crate::recommendations::refuse_recommender;
use crate::stdin;

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
        refuse_recommender(&model, &self.run, "a model that reads sounds")?;
        let seconds = step_seconds(&model, &self.run)?;
        let model = model.frozen()?;
        let target = model.config().head.target();
        answer_files(&model, &data, &self.files, stdin::SOUND, &mut |file, title, answer| {
            let name = shown_name(file, title);
            match self.json {
                true => print_json(&object(&target, &name, answer, seconds)),
                false => print(&format!("{}: {answer}\n", in_line(&name))),
            }
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

fn object(target: &TargetSchema, name: &str, answer: &Answer, seconds: f64) -> Value {
    let answer = answer.json();
    let mut object = json!({ "file": name, "text": answer["text"] });
    let list = |key: &str| answer.get(key).and_then(Value::as_array);
    if let (Some(tokens), Some(steps)) = (list("tokens"), list("steps")) {
        let label = |(token, step): (&Value, &Value)| {
            let token = token.as_u64().unwrap_or_default() as u32;
            let time = step.as_f64().unwrap_or_default() * seconds;
            json!({ "text": text_of(target.tokenizer(), &[token]), "time": milliseconds(time) })
        };
        object["labels"] = tokens.iter().zip(steps).map(label).collect();
    }
    object
}
