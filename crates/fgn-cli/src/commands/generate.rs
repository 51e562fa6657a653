//! `fgn generate`.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use candle_core::Device;
use clap::Args;
use fgn_nn::{Model, Stop};
use fgn_schema::{TargetSchema, significant};
use fgn_train::TrainedModel;
use serde_json::json;

use crate::error::{Error, Result};
use crate::generated_images::{ImageArgs, ImageOptions, generates_images};
use crate::output::{note, print, print_json};
use crate::recommendations::refuse_recommender;
use crate::sampling::SamplingArgs;
use crate::stdin::unreadable;

pub(crate) const HELP: &str = "\
Examples:
  fgn generate runs/shakespeare-1 --prompt 'ROMEO:'
  fgn generate runs/shakespeare-1 --prompt 'ROMEO:' --temperature 0.5 --top-p 0.9 --length 2000
  fgn generate runs/shakespeare-1 --prompt 'ROMEO:' --stop $'\\n\\n' --count 3 --json
  fgn generate runs/text-1 --prompt - < beginning.txt
  fgn generate weights.safetensors --precision int8    a file of `fgn export`

  fgn generate runs/scan-1 --prompt 'jump twice'       the answer of a model of pairs

  fgn generate runs/mnist-binary-1                     64 images, in generated.png
  fgn generate runs/mnist-binary-1 --count 100 --temperature 0.8 --out digits.png
  fgn generate runs/mnist-binary-1 --complete one.png two.png --known 10 --count 7

A text is printed as it is generated, after its prompt; how fast that was goes to standard error.

With --json, each text is an object on a line of its own: {\"prompt\":\"ROMEO:\",\"text\":\"…\",
\"tokens\":500,\"stopped\":false,\"seed\":1,\"tokens_per_second\":3100.0}; the text is without its prompt.

Images are written side by side to a PNG file. With --complete, the upper rows of each image are kept and the others
generated, --count times; the image itself comes first. With --json: {\"file\":\"generated.png\",\"images\":64,
\"completed\":[],\"known_rows\":0,\"height\":28,\"width\":28,\"nats\":[81.2,…],\"seed\":1,\"seconds\":1.5,
\"pixels_per_second\":33000.0}; \"nats\" has the negative log-likelihood of each image.";

/// The most tokens of a text where nothing else is asked for.
const LENGTH: usize = 500;

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The run folder of a language model or a model of images, or a file that `fgn export` wrote
    run: PathBuf,
    /// What the text begins with; - reads it from standard input [default: a line end]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// How many tokens to generate at most [default: 500]
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// End before this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// How many texts or images to generate, each with a seed of its own: the next number [default: 1 text, 64 images, or
    /// 4 completions of each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    images: ImageArgs,
    /// Print one JSON object for each text, or for the picture
    #[arg(long)]
    json: bool,
}

/// What was generated.
struct Generated {
    text: String,
    tokens: usize,
    stopped: bool,
    elapsed: Duration,
}

impl GenerateArgs {
    pub(crate) fn run(self, device: &Device, quiet: bool) -> Result<()> {
        self.sampling.sampler(0)?;
        let trained = TrainedModel::open(&self.run, device)?;
        if generates_images(&trained.model.config().head.target()) {
            return self.generate_images(&trained, quiet);
        }
        let TrainedModel { model, .. } = trained;
        refuse_recommender(&model, &self.run, "a model that writes texts or generates images")?;
        self.refuse(&self.images.given(), "images")?;
        let prompt = self.prompt()?;
        if !is_language_model(&model) {
            let answer = model.answer(&prompt)?;
            return if self.json { print_json(&answer) } else { print(&format!("{answer}\n")) };
        }
        let mut total = (0, Duration::ZERO);
        for text in 0..self.count.unwrap_or(1) {
            let generated = self.generate(&model, &prompt, text)?;
            total = (total.0 + generated.tokens, total.1 + generated.elapsed);
            if self.json {
                self.print_json(&prompt, text, &generated)?;
            }
        }
        if !self.json {
            let speed = significant(speed(total.0, total.1));
            note(&format!("\n{} tokens, {speed} tokens a second\n", total.0));
        }
        Ok(())
    }

    fn generate_images(&self, trained: &TrainedModel, quiet: bool) -> Result<()> {
        let of_texts = [
            ("--prompt", self.prompt.is_some()),
            ("--length", self.length.is_some()),
            ("--stop", !self.stop.is_empty()),
            ("--repetition-penalty", self.sampling.penalizes_repetition()),
        ];
        self.refuse(&of_texts, "texts")?;
        let options = ImageOptions {
            count: self.count,
            sampling: &self.sampling,
            threads: threads(&trained.model),
            json: self.json,
            quiet,
        };
        self.images.run(trained, &options)
    }

    /// Refuses options that are given but are for another kind of model.
    fn refuse(&self, options: &[(&'static str, bool)], expected: &'static str) -> Result<()> {
        match options.iter().find(|(_, is_given)| *is_given) {
            Some(&(option, _)) => {
                Err(Error::OtherOption { option, expected, run: self.run.clone() })
            }
            None => Ok(()),
        }
    }

    fn prompt(&self) -> Result<String> {
        match self.prompt.as_deref() {
            Some("-") => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
                Ok(text)
            }
            prompt => Ok(prompt.unwrap_or_default().to_owned()),
        }
    }

    fn generate(&self, model: &Model, prompt: &str, text: u64) -> Result<Generated> {
        let (precision, sampler) = (self.sampling.precision(), self.sampling.sampler(text)?);
        let mut generator = model.text_generator(precision, threads(model), sampler)?;
        match prompt {
            "" => drop(generator.begin()?),
            prompt => generator.read(prompt)?,
        }
        let mut generated =
            Generated { text: String::new(), tokens: 0, stopped: false, elapsed: Duration::ZERO };
        if !self.json {
            let before = if text == 0 { "" } else { "\n\n" };
            print(&format!("{before}{prompt}"))?;
        }
        let stop = Stop { texts: self.stop.clone(), tokens: Vec::new() };
        let mut pieces = generator.pieces(&stop);
        let start = Instant::now();
        while generated.tokens < self.length.unwrap_or(LENGTH) {
            let Some(piece) = pieces.next().transpose()? else { break };
            generated.tokens += 1;
            self.add(&mut generated, &piece)?;
        }
        generated.elapsed = start.elapsed();
        generated.stopped = pieces.has_stopped();
        let rest = pieces.rest();
        self.add(&mut generated, &rest)?;
        if !self.json {
            print("\n")?;
        }
        Ok(generated)
    }

    fn add(&self, generated: &mut Generated, piece: &str) -> Result<()> {
        generated.text += piece;
        if self.json { Ok(()) } else { print(piece) }
    }

    fn print_json(&self, prompt: &str, text: u64, generated: &Generated) -> Result<()> {
        let Generated { tokens, elapsed, .. } = *generated;
        print_json(&json!({
            "prompt": prompt,
            "text": generated.text,
            "tokens": tokens,
            "stopped": generated.stopped,
            "seed": self.sampling.seed.wrapping_add(text),
            "tokens_per_second": speed(tokens, elapsed),
        }))
    }
}

fn speed(tokens: usize, elapsed: Duration) -> f64 {
    tokens as f64 / elapsed.as_secs_f64().max(1e-9)
}

/// Whether a model continues texts, rather than answer them.
pub(crate) fn is_language_model(model: &Model) -> bool {
    matches!(model.config().head.target(), TargetSchema::NextToken { .. })
}

/// Threads share a step of large layers; of small ones they would only wait for each other.
pub(crate) fn threads(model: &Model) -> usize {
    const LARGE: usize = 256;
    match model.config().recurrent.hidden_size {
        LARGE.. => rayon::current_num_threads().min(4),
        _ => 1,
    }
}
