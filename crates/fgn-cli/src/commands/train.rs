//! `fgn train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCompleter;
use fgn_report::{grouped, observers};
use fgn_schema::decimals;
use fgn_train::{
    BaselineRecorder, BaselineResult, Compute, Config, DataConfig, End, InitialWeights, Override,
    RECIPES, ResumeOptions, Session, SessionOutcome, Trained, open_data, read_baselines,
};

use serde_json::{Value, json};

use crate::baselines;
use crate::complete;
use crate::console::Console;
use crate::error::Result;
use crate::interrupt;
use crate::measured::{self, main_measure, targets};
use crate::output::{print, print_json, program};
use crate::processes::Processes;
use crate::settings;

pub(crate) const HELP: &str = "\
Examples:
  fgn train
  fgn train mnist-rows --epochs 3 --seed 7
  fgn train --data fashion-mnist/ --out runs/fashion
  fgn train images --data photos/         a folder for each class
  fgn train series --data steps.csv --set data.series.id=who --set data.series.target=kind
  fgn train series --data steps.csv --set data.series.id=who --set data.series.target=level \\
    --set data.series.task=regression
  fgn train --set model.recurrent.cell.z=linear --set data.validation=0
  fgn train mine.toml --set model.head.kind=classification --set 'metrics=[\"accuracy\"]'
  fgn train --set optimizer.name=lion --set optimizer.learning_rate=3e-4
  fgn train --set checkpoint.every_steps=100
  fgn train --set early_stopping.patience=3 --set monitor=accuracy
  fgn train runs/mnist-1/config.toml      the same training again
  fgn train --resume runs/mnist-1         resume after an interruption, as if there had been none
  fgn train --resume runs/mnist-1 --epochs 20         more epochs for a run, finished or not
  fgn train images --data photos/ --init runs/images-1       begin with the weights of another run
  fgn train images --data photos/ --init runs/images-1 --set 'training.freeze=[\"input.*\"]'
  fgn train --resume runs/images-1 --data /new/place/photos       after the data was moved
  mpirun -n 8 fgn train mnist-rows        train in 8 processes, in a build with the feature `mpi`
  fgn train mnist-rows --out runs/job --continue      begin, or resume, or do nothing if it is done

A value of --set is TOML, or a bare word for a string. The keys are those of a recipe; config.toml
in each run folder has all of them. What a recipe leaves out of [model], as model.input and
model.head, is taken from the data.

Ctrl-C once finishes the step, saves and stops; twice stops at once. A run that was killed resumes
from its last checkpoint: there is one after each epoch, and one every checkpoint.every_steps steps.

The model that is saved is that of the best epoch, by `monitor` on the validation part; without such
a part, or with --set checkpoint.model=last, that of the last epoch. A training that has diverged,
to a loss that is not finite or ten times that of the untrained model, is an error.";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("again").args(["resume", "continue"]))]
pub(crate) struct TrainArgs {
    #[arg(default_value = "mnist", help = recipes(), add = ArgValueCompleter::new(complete::recipes))]
    recipe: String,
    /// Passes over the training samples; with --resume, more than the run has: it goes on to that epoch
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Samples per batch
    #[arg(long, value_name = "N")]
    batch_size: Option<u32>,
    /// The optimizer's step size
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Determines everything random: the same seed gives the same model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    /// Begin with the weights of this run, or of a safetensors file: those that fit by name and shape
    #[arg(long, value_name = "RUN")]
    init: Option<PathBuf>,
    /// The run folder [default: the first of runs/RECIPE-1, runs/RECIPE-2, … that is free]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Your own data, a file or folder that a reader of the recipe's [data] reads: a table (.csv, .tsv,
    /// .parquet), a folder with a folder of images for each class, or the four files of an IDX data set like MNIST
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Set any key of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE", add = ArgValueCompleter::new(complete::keys))]
    set: Vec<String>,
    /// Resume the run in this folder, as if it had never stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "recipe", "batch_size", "learning_rate", "seed", "out", "set", "init",
    ])]
    resume: Option<PathBuf>,
    /// Begin the run in --out DIR if it is not there, resume it if it is interrupted, and do nothing if it is
    /// finished: for schedulers, which give the same command again
    #[arg(long = "continue", id = "continue", requires = "out")]
    is_continued: bool,
    /// If the last checkpoint is damaged, resume from the last one that is not
    #[arg(long, requires = "again")]
    last_good: bool,
    /// Resume although the data is no longer what it was
    #[arg(long, requires = "again")]
    accept_changed_data: bool,
    /// Print one JSON object at the end: the run folder, and what was measured on the test part. The lines of the
    /// epochs go to standard error
    #[arg(long)]
    json: bool,
}

impl TrainArgs {
    pub(crate) fn run(
        self,
        device: &Device,
        processes: &Processes,
        quiet: bool,
    ) -> Result<ExitCode> {
        let compute = processes.compute(device);
        let Some(session) = self.session(&compute)? else {
            if processes.is_first() {
                self.print_finished()?;
            }
            return Ok(ExitCode::SUCCESS);
        };
        if !processes.is_first() {
            let outcome = session.run(interrupt::on_ctrl_c(true)?, &mut ())?;
            return Ok(exit_code(outcome.end));
        }
        let console = match (quiet, self.json) {
            (true, _) => Console::quiet(),
            (false, true) => Console::on_stderr(),
            (false, false) => Console::new(),
        };
        // The report reads what the recorder writes.
        let recorder = BaselineRecorder::new(session.folder(), baselines::progress(quiet));
        let observers = observers(session.folder(), session.config())?;
        let mut observers = (recorder, (observers, console));
        let config = session.config().clone();
        let outcome = session.run(interrupt::on_ctrl_c(false)?, &mut observers)?;
        self.print_outcome(&outcome, &config)?;
        Ok(exit_code(outcome.end))
    }

    /// Prints that there was nothing to do.
    fn print_finished(&self) -> Result<()> {
        let folder = self.out.as_deref().unwrap_or(Path::new("")).display().to_string();
        match self.json {
            true => print_json(&json!({ "run": folder, "end": FINISHED })),
            false => print(&format!("The run in {folder} is finished.\n")),
        }
    }

    fn print_outcome(&self, outcome: &SessionOutcome, config: &Config) -> Result<()> {
        let SessionOutcome { folder, step, end, trained, initial, .. } = outcome;
        let baselines = match trained {
            Some(_) => read_baselines(folder)?,
            None => Vec::new(),
        };
        match (trained, self.json) {
            (trained, true) => {
                let mut object = json(folder, *step, *end, trained.as_ref());
                if let Some(initial) = initial {
                    object["initial"] = initial_json(initial);
                }
                baselines::add_json(&mut object, &baselines);
                print_json(&object)
            }
            (Some(trained), false) => {
                print(&began_with(initial.as_ref()))?;
                print(&summary(folder, *end, config, trained, &baselines))
            }
            (None, false) => {
                print(&began_with(initial.as_ref()))?;
                print(&interrupted(folder, *step))
            }
        }
    }

    /// The session that is asked for; none if its run is finished already.
    fn session(&self, compute: &Compute) -> Result<Option<Session>> {
        let options = self.resume_options();
        if let Some(folder) = &self.resume {
            let epochs = self.epochs.map(|epochs| epochs as usize);
            let options = ResumeOptions { epochs, ..options };
            return Ok(Some(Session::resume(folder, &options, compute.clone())?));
        }
        let (config, dataset) = Config::open(&self.recipe, &self.overrides()?)?;
        let dataset = dataset.map_or_else(|| open_data(&config.data), Ok)?;
        Ok(match &self.out {
            Some(folder) if self.is_continued => {
                Session::begin_or_resume(dataset, config, folder, &options, compute.clone())?
            }
            folder => Some(Session::begin_on(dataset, config, folder.as_deref(), compute.clone())?),
        })
    }

    fn resume_options(&self) -> ResumeOptions {
        ResumeOptions {
            last_good: self.last_good,
            data: self.data.clone(),
            accept_changed_data: self.accept_changed_data,
            epochs: None,
        }
    }

    /// The flags first, then the values of `--set`.
    fn overrides(&self) -> Result<Vec<Override>> {
        let mut overrides = Vec::new();
        overrides.extend(self.epochs.map(|n| Override::new("training.epochs", i64::from(n))));
        overrides
            .extend(self.batch_size.map(|n| Override::new("training.batch_size", i64::from(n))));
        overrides.extend(self.learning_rate.map(|x| Override::new("optimizer.learning_rate", x)));
        overrides.extend(self.seed.map(|n| Override::new("training.seed", n)));
        if let Some(path) = &self.init {
            overrides.push(Override::new("training.init", DataConfig::absolute(path)?));
        }
        if let Some(path) = &self.data {
            overrides.push(Override::new("data.source", DataConfig::absolute(path)?));
        }
        overrides.extend(settings::parsed(&self.set)?);
        Ok(overrides)
    }
}

/// What `--json` calls the end of a training that ran to its last epoch.
const FINISHED: &str = "finished";

fn exit_code(end: End) -> ExitCode {
    match end {
        End::Interrupted => ExitCode::from(interrupt::EXIT_CODE),
        End::Finished | End::StoppedEarly => ExitCode::SUCCESS,
    }
}

/// What `--json` prints.
fn json(folder: &Path, step: usize, end: End, trained: Option<&Trained>) -> Value {
    let end = match end {
        End::Interrupted => "interrupted",
        End::StoppedEarly => "stopped early",
        End::Finished => FINISHED,
    };
    let mut object = json!({ "run": folder.to_string_lossy(), "end": end, "steps": step });
    if let Some(trained) = trained {
        object["epochs"] = trained.history.len().into();
        object["epoch"] = trained.epoch.into();
        object["test"] = measured::json(&trained.test);
    }
    object
}

/// What of another model's weights a training began with.
fn initial_json(initial: &InitialWeights) -> Value {
    let kept = initial.kept.iter().map(|kept| kept.name.clone());
    json!({
        "from": initial.source.to_string_lossy(),
        "taken": initial.taken,
        "kept": kept.collect::<Vec<_>>(),
        "unused": initial.unused,
    })
}

/// The same as a line.
fn began_with(initial: Option<&InitialWeights>) -> String {
    initial.map_or_else(String::new, |initial| format!("\nIt began with {initial}.\n"))
}

fn interrupted(folder: &Path, step: usize) -> String {
    let (program, folder) = (program(), folder.display());
    format!(
        "\nInterrupted after step {}, and saved. To resume:\n  {program} train --resume {folder}\n",
        grouped(step)
    )
}

fn summary(
    folder: &Path,
    end: End,
    config: &Config,
    trained: &Trained,
    baselines: &[BaselineResult],
) -> String {
    let (program, folder, test) = (program(), folder.display(), &trained.test);
    let monitor = &config.monitor;
    let early = match end {
        End::StoppedEarly => format!("Stopped early: the {monitor} no longer improved.\n"),
        _ => String::new(),
    };
    let (epoch, epochs) = (trained.epoch, trained.history.len());
    let kept = match config.checkpoint.keeps_best(&trained.history, monitor) {
        true => format!("the best by validation {monitor}"),
        false => "the last".into(),
    };
    let (main, targets) = (main_measure(test), targets(test, trained.model.config()));
    let measured = match test.metrics.is_empty() {
        true => format!("Test {main}  ({targets})"),
        false => format!("Test {main}  (loss {}, {targets})", decimals(test.loss(), 4)),
    };
    let by = match test.breakdowns.first() {
        Some(table) => format!("evaluate it {row} by {row}", row = table.row),
        None => "evaluate it again".into(),
    };
    let compared = baselines::table(test, baselines);
    format!(
        "\n{early}The model is that of epoch {epoch} of {epochs}, {kept}.\n{measured}\n{compared}\n\
         The run is in {folder}: config.toml, metrics.jsonl, model.safetensors, curves.svg, report.html\n\
         Next:\n  open {folder}/report.html in a browser\n  {program} eval {folder}            {by}\n  \
         {program} predict {folder} FILE    use it on a file of your own\n"
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

    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        args: TrainArgs,
    }

    #[test]
    fn flags_become_overrides_and_set_has_the_last_word() {
        let typed = "train --epochs 3 --batch-size 7 --learning-rate 0.5 --seed 9 \
                     --data somewhere --set training.seed=8 --set data.validation=6";
        let args = Typed::try_parse_from(typed.split_whitespace()).unwrap().args;
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
