//! `fgn train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;

use super::{interrupt, print, program};
use crate::console::grouped;
use crate::data::absolute;
use crate::{Config, Console, End, Ended, Override, RECIPES, Result, Session, Trained};

pub(super) const HELP: &str = "\
Examples:
  fgn train
  fgn train mnist-rows --epochs 3 --seed 7
  fgn train --data fashion-mnist/ --out runs/fashion
  fgn train images --data photos/         a folder for each class
  fgn train series --data steps.csv --set data.series.id=who --set data.series.target=kind
  fgn train --set model.recurrent.cell.z=linear --set data.validation=0
  fgn train --set optimizer.name=lion --set optimizer.learning_rate=3e-4
  fgn train --set checkpoint.every_steps=100 --set early_stopping.patience=3
  fgn train runs/mnist-1/config.toml      the same training again
  fgn train --resume runs/mnist-1         go on after an interruption, as if there had been none

A value of --set is TOML, or a bare word for a string. The keys are those of config.toml, which
each run folder holds in full.

Ctrl-C once ends the step, saves, and stops; twice stops at once. A run that was killed goes on from
its last checkpoint: there is one after each epoch, and one every checkpoint.every_steps steps.";

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[arg(default_value = "mnist", help = recipes())]
    recipe: String,
    /// Passes over the training samples
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Samples a batch
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
    /// Your own data: a table (.csv, .tsv, .parquet), a folder with a folder of images for each class, or a
    /// folder with four files in MNIST's (IDX) form
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Sets any key of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Go on with the run in this folder, as if it had never stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "recipe", "epochs", "batch_size", "learning_rate", "seed", "out", "data", "set",
    ])]
    resume: Option<PathBuf>,
    /// Where the last checkpoint is damaged, go on from the last that is not
    #[arg(long, requires = "resume")]
    last_good: bool,
}

impl TrainArgs {
    pub(super) fn run(self, device: &Device) -> Result<ExitCode> {
        let session = match &self.resume {
            Some(folder) => Session::resume(folder, self.last_good, device)?,
            None => {
                let (config, dataset) = Config::open(&self.recipe, &self.overrides()?)?;
                let dataset = dataset.map_or_else(|| config.data.open(), Ok)?;
                Session::begin_on(dataset, config, self.out.as_deref(), device)?
            }
        };
        let Ended { folder, step, end, trained } =
            session.run(interrupt::on_ctrl_c()?, &mut Console::new())?;
        match trained {
            Some(trained) => {
                print(&summary(&folder, end, &trained))?;
                Ok(ExitCode::SUCCESS)
            }
            None => {
                print(&interrupted(&folder, step))?;
                Ok(ExitCode::from(interrupt::EXIT_CODE))
            }
        }
    }

    /// The flags first, then what `--set` says.
    fn overrides(&self) -> Result<Vec<Override>> {
        let mut overrides = Vec::new();
        overrides.extend(self.epochs.map(|n| Override::new("training.epochs", i64::from(n))));
        overrides
            .extend(self.batch_size.map(|n| Override::new("training.batch_size", i64::from(n))));
        overrides.extend(self.learning_rate.map(|x| Override::new("optimizer.learning_rate", x)));
        overrides.extend(self.seed.map(|n| Override::new("training.seed", n)));
        if let Some(folder) = &self.data {
            overrides.push(Override::new("data.source", absolute(folder)?));
        }
        for text in &self.set {
            overrides.push(text.parse()?);
        }
        Ok(overrides)
    }
}

fn interrupted(folder: &Path, step: usize) -> String {
    let (program, folder) = (program(), folder.display());
    format!(
        "\nInterrupted after step {}, and saved. To go on:\n  {program} train --resume {folder}\n",
        grouped(step)
    )
}

fn summary(folder: &Path, end: End, trained: &Trained) -> String {
    let (program, test) = (program(), &trained.test);
    let early = match end {
        End::StoppedEarly => {
            "\nStopped early: the loss no longer fell. The model is the best epoch's.\n"
        }
        _ => "",
    };
    let (loss, samples) = (test.loss, grouped(test.targets));
    let measured = match test.accuracy() {
        Some(accuracy) => {
            format!(
                "Test accuracy = {:.2} %  (loss {loss:.4}, {samples} samples)",
                100.0 * accuracy
            )
        }
        None => format!("Test loss = {loss:.4}  ({samples} samples)"),
    };
    let by = if test.numbers.is_empty() { "class by class" } else { "number by number" };
    let folder = folder.display();
    format!(
        "{early}\n{measured}\n\n\
         The run is in {folder}: config.toml, metrics.jsonl, model.safetensors, curves.svg, report.html\n\
         Next:\n  open {folder}/report.html in a browser\n  {program} eval {folder}            measure it {by}\n  \
         {program} predict {folder} FILE    use it on an image or table of your own\n"
    )
}

fn recipes() -> String {
    let names: Vec<_> = RECIPES.iter().map(|(name, _)| *name).collect();
    format!("A recipe, or the path of a .toml file with one; recipes: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use fgn_data::Share;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn flags_become_overrides_and_set_has_the_last_word() {
        let typed = "fgn train --epochs 3 --batch-size 7 --learning-rate 0.5 --seed 9 \
                     --data somewhere --set training.seed=8 --set data.validation=6";
        let Command::Train(args) = Cli::try_parse_from(typed.split_whitespace()).unwrap().command
        else {
            panic!("not train");
        };
        let config = Config::load(&args.recipe, &args.overrides().unwrap()).unwrap();
        assert_eq!(config.name, "mnist");
        let training = &config.training;
        assert_eq!((training.epochs, training.batch_size, training.seed), (3, 7, 8));
        assert_eq!(
            (config.optimizer.learning_rate(), config.data.validation),
            (0.5, Share::Count(6))
        );
        assert!(config.data.source.ends_with("/somewhere"), "{}", config.data.source);
        assert!(Path::new(&config.data.source).is_absolute());
    }
}
