//! The command line: what was typed, and what it does.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

use crate::{DeviceChoice, Error, Result};

mod completions;
mod data;
mod eval;
mod export;
mod inspect;
mod interrupt;
mod logging;
mod predict;
mod recipes;
mod report;
mod sweep;
mod table;
mod train;

/// Reads the arguments, does what they say, prints an error if there is one.
pub fn main() -> ExitCode {
    fgn_nn::keep_freed_memory();
    match Cli::try_parse() {
        Ok(cli) => cli.run().unwrap_or_else(|error| {
            tell(&error);
            ExitCode::FAILURE
        }),
        Err(usage) => {
            // A closed terminal is all that can go wrong here.
            let _ = usage.print();
            ExitCode::from(if usage.use_stderr() { NOT_UNDERSTOOD } else { 0 })
        }
    }
}

/// The exit code for arguments that are not understood.
const NOT_UNDERSTOOD: u8 = 2;

/// Train a forgetting gate network, measure it, use it
///
/// `fgn train` alone trains the article's network on MNIST, which is built in.
#[derive(Debug, Parser)]
#[command(name = "fgn", version, disable_help_subcommand = true, after_help = HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads to compute with; the results do not depend on it [default: one a core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where to compute: auto (a GPU, if the build and the machine have one), cpu, cuda or cuda:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Log what happens to standard error; -vv and -vvv log more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

const HELP: &str = "\
Exit codes:
  0    done
  1    an error, told on standard error; what was there before is there still
  2    arguments that are not understood
  130  interrupted by Ctrl-C, and saved: `fgn train --resume RUN` goes on

Environment:
  FGN_LOG  what to log, in place of -v: `info`, or `warn,fgn_train=debug`
  FGN_ISA  the instruction set: `avx512`, `avx2`, `neon` or `portable`
  MIMALLOC_PURGE_DELAY
           milliseconds until freed memory goes back to the system [default: 60000]";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model by a recipe, into a run folder; or go on with an interrupted run
    #[command(after_help = train::HELP)]
    Train(train::TrainArgs),
    /// Measure the model of a run on the test samples, class by class
    #[command(after_help = eval::HELP)]
    Eval(eval::EvalArgs),
    /// Tell what image files or tables of series are, with the model of a run
    #[command(after_help = predict::HELP)]
    Predict(predict::PredictArgs),
    /// Show what the parameters of a run's model hold, and what its gates do
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::InspectArgs),
    /// Write the weights of a run to a file that other programs read
    #[command(after_help = export::HELP)]
    Export(export::ExportArgs),
    /// Write the report of a run: report.html
    #[command(after_help = report::HELP)]
    Report(report::ReportArgs),
    /// List the recipes, or show one
    #[command(after_help = recipes::HELP)]
    Recipes(recipes::RecipesArgs),
    /// Describe a data set
    #[command(after_help = data::HELP)]
    Data(data::DataArgs),
    /// Train a recipe many times, with other values each, and compare
    #[command(after_help = sweep::HELP)]
    Sweep(sweep::SweepArgs),
    /// Print the completions of a shell
    #[command(after_help = completions::HELP)]
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Does what was typed.
    ///
    /// # Errors
    /// Whatever keeps it from being done.
    pub fn run(self) -> Result<ExitCode> {
        logging::start(self.verbose)?;
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
        }
        let device = || self.device.open();
        match self.command {
            Command::Train(args) => return args.run(&device()?),
            Command::Predict(args) => return args.run(&device()?),
            Command::Sweep(args) => return args.run(&device()?),
            Command::Eval(args) => args.run(&device()?)?,
            Command::Export(args) => args.run()?,
            Command::Report(args) => args.run(&device()?)?,
            Command::Inspect(args) => args.run(&device()?)?,
            Command::Recipes(args) => args.run()?,
            Command::Data(args) => args.run()?,
            Command::Completions(args) => args.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How the program was called, for hints that can be copied.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "fgn".into())
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
}
