//! The command line: what was typed, and what it does.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::console::grouped;
use crate::{
    Config, Console, Error, Evaluation, Override, Prediction, RECIPES, Recorder, Result, Run,
    classify, evaluate, train,
};

/// Reads the arguments, does what they say, prints an error if there is one. The exit code is 1 for
/// any error.
pub fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(usage) => {
            // A closed terminal is all that can go wrong here.
            let _ = usage.print();
            return ExitCode::from(u8::from(usage.use_stderr()));
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

/// Train a forgetting gate network, measure it, use it
///
/// `fgn train` alone trains the article's network on MNIST, which is built in.
#[derive(Debug, Parser)]
#[command(name = "fgn", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads to compute with; the results do not depend on it [default: one a core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model by a recipe, into a run folder
    #[command(after_help = TRAIN_HELP)]
    Train(TrainArgs),
    /// Measure the model of a run on the test images, class by class
    #[command(after_help = "Example:\n  fgn eval runs/mnist-1")]
    Eval(EvalArgs),
    /// Classify image files with the model of a run
    #[command(after_help = "Examples:\n  fgn predict runs/mnist-1 digit.png\n  \
        fgn predict runs/mnist-1 --invert --json scans/*.jpg")]
    Predict(PredictArgs),
}

const TRAIN_HELP: &str = "\
Examples:
  fgn train
  fgn train mnist-rows --epochs 3 --seed 7
  fgn train --data fashion-mnist/ --out runs/fashion
  fgn train --set model.recurrent.cell.z=linear --set data.validation=0
  fgn train runs/mnist-1/config.toml      the same training again

A value of --set is TOML, or a bare word for a string. The keys are those of config.toml, which
each run folder holds in full.";

#[derive(Debug, Args)]
struct TrainArgs {
    #[arg(default_value = "mnist", help = recipes())]
    recipe: String,
    /// Passes over the training images
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Images a step
    #[arg(long, value_name = "N")]
    batch_size: Option<u32>,
    /// The optimizer's step size
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Decides everything random: the same seed gives the same model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    /// The run folder [default: the first of runs/RECIPE-1, runs/RECIPE-2, … that is free]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A folder with the four files of a data set in MNIST's (IDX) form, plain or gzipped
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Sets any key of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
struct EvalArgs {
    /// The run folder
    run: PathBuf,
    /// Measure on the test images of this folder, not on those of the run's data set
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PredictArgs {
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

impl Cli {
    /// Does what was typed.
    ///
    /// # Errors
    /// Whatever keeps it from being done.
    pub fn run(self) -> Result<ExitCode> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
        }
        match self.command {
            Command::Train(args) => args.run().map(|()| ExitCode::SUCCESS),
            Command::Eval(args) => args.run().map(|()| ExitCode::SUCCESS),
            Command::Predict(args) => args.run(),
        }
    }
}

impl TrainArgs {
    fn run(self) -> Result<()> {
        let config = Config::load(&self.recipe, &self.overrides()?)?;
        let dataset = config.data.open()?;
        config.check_with(&dataset)?;
        let recorder = Recorder::create(self.out.as_deref(), &config)?;
        let folder = recorder.folder().to_owned();
        let mut observer = (recorder, Console::new());
        let trained = train(&config, &dataset, &mut observer)?;
        observer.0.finish(&trained.test)?;
        print(&summary(&folder, &trained.test))
    }

    /// The flags first, then what `--set` says.
    fn overrides(&self) -> Result<Vec<Override>> {
        let mut overrides = Vec::new();
        overrides.extend(self.epochs.map(|n| Override::new("training.epochs", i64::from(n))));
        overrides
            .extend(self.batch_size.map(|n| Override::new("training.batch_size", i64::from(n))));
        overrides.extend(self.learning_rate.map(|x| Override::new("training.learning_rate", x)));
        overrides.extend(self.seed.map(|n| Override::new("training.seed", n)));
        if let Some(folder) = &self.data {
            overrides.push(Override::new("data.source", source(folder)?));
        }
        for text in &self.set {
            overrides.push(text.parse()?);
        }
        Ok(overrides)
    }
}

impl EvalArgs {
    fn run(self) -> Result<()> {
        let mut run = Run::open(&self.run)?;
        if let Some(folder) = &self.data {
            run.config.data.source = source(folder)?;
        }
        let dataset = run.config.data.open()?;
        crate::config::fits(&run.config.model, &dataset)?;
        print(&table(&evaluate(&run.model, &dataset.test)?))
    }
}

impl PredictArgs {
    /// A bad image among several is told and passed over; the exit code is 1 then.
    fn run(self) -> Result<ExitCode> {
        let run = Run::open(&self.run)?;
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

/// A folder as `data.source`: absolute, so that the run can be evaluated from anywhere.
fn source(folder: &Path) -> Result<String> {
    let absolute = std::path::absolute(folder).map_err(Error::io("find", folder))?;
    absolute.into_os_string().into_string().map_err(|found| Error::Value {
        key: "data.source",
        found: format!("{found:?}"),
        expected: "a path in UTF-8".into(),
    })
}

fn summary(folder: &Path, test: &Evaluation) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "fgn".into());
    let (accuracy, loss, images) = (100.0 * test.accuracy(), test.loss, grouped(test.images()));
    let folder = folder.display();
    format!(
        "\nTest accuracy = {accuracy:.2} %  (loss {loss:.4}, {images} images)\n\n\
         The run is in {folder}: config.toml, metrics.jsonl, model.safetensors, curves.svg\n\
         Next:\n  {program} eval {folder}                 measure it class by class\n  \
         {program} predict {folder} digit.png    classify your own images\n"
    )
}

fn table(found: &Evaluation) -> String {
    let mut text = format!(
        "Test accuracy = {:.2} %  ({} of {} images), loss {:.4}\n\nclass  images  correct  accuracy\n",
        100.0 * found.accuracy(),
        grouped(found.correct()),
        grouped(found.images()),
        found.loss,
    );
    for (class, score) in found.classes.iter().enumerate() {
        let accuracy = match score.images {
            0 => "-".into(),
            images => format!("{:.2} %", 100.0 * score.correct as f64 / images as f64),
        };
        text += &format!("{class:>5} {:>7} {:>8} {accuracy:>9}\n", score.images, score.correct);
    }
    text
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

fn recipes() -> String {
    let names: Vec<_> = RECIPES.iter().map(|(name, _)| *name).collect();
    format!("A recipe, or the path of a .toml file with one; recipes: {}", names.join(", "))
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Prints an error with its causes, leaving out those that it quotes itself.
fn tell(error: &Error) {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = inner.source();
    }
    eprintln!("error: {}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn flags_become_overrides_and_set_has_the_last_word() {
        let typed = [
            "fgn",
            "train",
            "--epochs",
            "3",
            "--batch-size",
            "7",
            "--learning-rate",
            "0.5",
            "--seed",
            "9",
            "--data",
            "somewhere",
            "--set",
            "training.seed=8",
            "--set",
            "data.validation=6",
        ];
        let Command::Train(args) = Cli::try_parse_from(typed).unwrap().command else {
            panic!("not train");
        };
        let config = Config::load(&args.recipe, &args.overrides().unwrap()).unwrap();
        assert_eq!(config.name, "mnist");
        let training = &config.training;
        assert_eq!((training.epochs, training.batch_size, training.seed), (3, 7, 8));
        assert_eq!((training.learning_rate, config.data.validation), (0.5, 6));
        assert!(config.data.source.ends_with("/somewhere"), "{}", config.data.source);
        assert!(Path::new(&config.data.source).is_absolute());
    }

    #[test]
    fn a_class_without_images_has_no_accuracy() {
        let classes =
            vec![crate::ClassScore { images: 4, correct: 3 }, crate::ClassScore::default()];
        let text = table(&Evaluation { loss: 0.25, classes });
        assert!(
            text.starts_with("Test accuracy = 75.00 %  (3 of 4 images), loss 0.2500\n"),
            "{text}"
        );
        assert!(text.contains("\n    0       4        3   75.00 %\n"), "{text}");
        assert!(text.ends_with("\n    1       0        0         -\n"), "{text}");
    }
}
