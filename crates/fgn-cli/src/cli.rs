//! The arguments, and the commands that they name.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use fgn_train::DeviceChoice;

use crate::commands::{
    chat, completions, data, eval, export, generate, import, inspect, listen, predict, recipes,
    recommend, report, sweep, train, transcribe, version,
};
use crate::complete;
use crate::error::{Error, Result};
use crate::logging;
use crate::output::print_error;
use crate::processes::Processes;

/// Parses the arguments and runs the command; prints an error if there is one. Where a shell asks for completions,
/// it answers that instead.
pub fn main() -> ExitCode {
    complete::answer_shell::<Cli>();
    fgn_nn::keep_freed_memory();
    let done = match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(usage) => print_usage(&usage),
    };
    match done {
        Ok(code) => code,
        Err(Error::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints the help that was asked for, or what was not understood.
fn print_usage(usage: &clap::Error) -> Result<ExitCode> {
    let printed = usage.print();
    if usage.use_stderr() {
        // That standard error is closed changes nothing.
        return Ok(ExitCode::from(NOT_UNDERSTOOD));
    }
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The exit code for arguments that are not understood.
const NOT_UNDERSTOOD: u8 = 2;

/// Train gated recurrent networks, evaluate them, use them
///
/// `fgn train` alone trains a forgetting gate network on MNIST, which is built in.
#[derive(Debug, Parser)]
#[command(name = "fgn", version, after_help = HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Number of threads; the results do not depend on it [default: one per core, shared equally by the processes
    /// of an `mpirun`]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where to compute: auto (a GPU, if the build and the machine have one), cpu, cuda or cuda:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto",
        add = ArgValueCompleter::new(complete::devices))]
    device: DeviceChoice,
    /// Log what happens to standard error; -vv and -vvv log more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Show errors and the final result alone: no progress, no line after each epoch, no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

const HELP: &str = "\
Exit codes:
  0    done, or nobody reads standard output any more (`fgn predict … | head`); a training still
       runs to its end
  1    an error, printed to standard error; existing files are unchanged. Also a training that
       has diverged
  2    arguments that are not understood
  130  interrupted by Ctrl-C, and saved: `fgn train --resume RUN` continues

Environment:
  FGN_LOG  what to log, in place of -v: `info`, or `warn,fgn_train=debug`
  FGN_ISA  the instruction set: `avx512`, `avx2`, `neon` or `portable`
  FGN_BF16 what multiplies with `training.precision` of `bf16`: `amx`, `avx512-bf16` or `f32`
  MIMALLOC_PURGE_DELAY
           milliseconds until freed memory goes back to the system [default: 60000]";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model by a recipe, into a run folder; or resume an interrupted run
    #[command(after_help = train::HELP)]
    Train(train::TrainArgs),
    /// Evaluate the model of a run: loss, metrics, and tables of its classes or values
    #[command(after_help = eval::HELP)]
    Eval(eval::EvalArgs),
    /// Predict for images, sounds, tables or other files, with the model of a run
    #[command(after_help = predict::HELP)]
    Predict(predict::PredictArgs),
    /// Continue a text, or generate or complete images, with the model of a run
    #[command(after_help = generate::HELP)]
    Generate(generate::GenerateArgs),
    /// Talk with the model of a run, line by line
    #[command(after_help = chat::HELP)]
    Chat(chat::ChatArgs),
    /// Write down what is said in sound files, with the model of a run
    #[command(after_help = transcribe::HELP)]
    Transcribe(transcribe::TranscribeArgs),
    /// Listen to a sound as it comes in, with the model of a run: labels or detections with their times
    #[command(after_help = listen::HELP)]
    Listen(listen::ListenArgs),
    /// Recommend what comes next in sessions, with the model of a run
    #[command(after_help = recommend::HELP)]
    Recommend(recommend::RecommendArgs),
    /// Show statistics of the parameters of a run's model, and of its gates
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::InspectArgs),
    /// Write the model of a run to a file that other programs read: safetensors or ONNX
    #[command(after_help = export::HELP)]
    Export(export::ExportArgs),
    /// Make a model of weights that PyTorch or Keras trained
    #[command(after_help = import::HELP)]
    Import(import::ImportArgs),
    /// Write the report of a run, report.html
    #[command(after_help = report::HELP)]
    Report(report::ReportArgs),
    /// List the recipes, or show one
    #[command(after_help = recipes::HELP)]
    Recipes(recipes::RecipesArgs),
    /// Describe a data set: its schema, its parts and its classes
    #[command(after_help = data::HELP)]
    Data(data::DataArgs),
    /// Train a recipe with different values and seeds, and compare the results
    #[command(after_help = sweep::HELP)]
    Sweep(sweep::SweepArgs),
    /// Print a completion script for a shell
    #[command(after_help = completions::HELP)]
    Completions(completions::CompletionsArgs),
    /// Print the version
    #[command(after_help = version::HELP)]
    Version(version::VersionArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever makes it fail.
    pub fn run(self) -> Result<ExitCode> {
        let processes = match &self.command {
            Command::Train(_) => Processes::start()?,
            _ => Processes::alone(),
        };
        processes.guard(self.run_in(&processes))
    }

    fn run_in(self, processes: &Processes) -> Result<ExitCode> {
        logging::start(self.verbose, self.quiet || !processes.is_first())?;
        if let Some(threads) = self.threads.map(usize::from).or(processes.threads()) {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        }
        let device = || self.device.open();
        match self.command {
            Command::Train(args) => return args.run(&device()?, processes, self.quiet),
            Command::Predict(args) => return args.run(&device()?),
            Command::Transcribe(args) => return args.run(&device()?),
            Command::Recommend(args) => return args.run(),
            Command::Sweep(args) => return args.run(&device()?, self.quiet),
            Command::Eval(args) => args.run(&device()?, self.quiet)?,
            Command::Generate(args) => args.run(&device()?, self.quiet)?,
            Command::Chat(args) => args.run(&device()?)?,
            Command::Listen(args) => args.run(&device()?)?,
            Command::Export(args) => args.run()?,
            Command::Import(args) => args.run()?,
            Command::Report(args) => args.run(&device()?)?,
            Command::Inspect(args) => args.run(&device()?)?,
            Command::Recipes(args) => args.run()?,
            Command::Data(args) => args.run()?,
            Command::Completions(args) => args.run()?,
            Command::Version(args) => args.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
