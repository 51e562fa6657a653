//! The developer commands of the workspace, behind the alias `cargo xtask`.
//!
//! - `cargo xtask train`, `eval`, `predict` and the other commands of `fgn`: the binary `fgn`, built in release.
//! - `cargo xtask test`: every test of the workspace, doctests included.
//! - `cargo xtask ci`: all that decides whether a change may land, in one run.
//! - `cargo xtask format`: formats every Rust file, those that `cargo fmt` does not see included.
//! - `cargo xtask bench`: the benches; with `--json FILE`, `--peers` or `--shapes`, a summary of
//!   speed instead.
//! - `cargo xtask results`: the tables of results; with the names of tables, runs what is missing of them and prints them.
//! - `cargo xtask cuda-check`: whether the feature `cuda` builds; installs NVIDIA's compiler under `target/`.
//! - `cargo xtask mpi-check`: whether several processes train one model to the same bits, and survive being killed; installs
//!   nothing.
//! - `cargo xtask mpi-scaling`: how long steps take on up to 1,024 processes, as predicted from constants.
//! - `cargo xtask python`: the wheel of the Python package, built and tested in the Python that `FGN_PYTHON` names.
//! - `cargo xtask interop`: whether ONNX Runtime, C compilers and PyTorch make the same of models; sets up a Python.
//! - `cargo xtask invariants`: the promises of `docs/architecture.md` that a machine can check; with
//!   `--root DIR`, those of another copy of the workspace.
//!
//! This crate starts the others' programs and imports none of them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Prints a line. That nobody reads it changes nothing.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Prints a line to standard error. That nobody reads it changes nothing.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod bench;
mod ci;
mod cuda_check;
mod formatting;
mod interop;
mod invariants;
mod mpi_check;
mod mpi_scaling;
mod process;
mod python;
mod results;

/// Developer commands of the fgn workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Build in release and run `fgn train ARGS`; without ARGS, the recipe `mnist`
    #[command(disable_help_flag = true)]
    Train(Rest),
    /// Build in release and run `fgn eval ARGS`
    #[command(disable_help_flag = true)]
    Eval(Rest),
    /// Build in release and run `fgn predict ARGS`
    #[command(disable_help_flag = true)]
    Predict(Rest),
    /// Build in release and run `fgn inspect ARGS`
    #[command(disable_help_flag = true)]
    Inspect(Rest),
    /// Build in release and run `fgn export ARGS`
    #[command(disable_help_flag = true)]
    Export(Rest),
    /// Build in release and run `fgn report ARGS`
    #[command(disable_help_flag = true)]
    Report(Rest),
    /// Build in release and run `fgn recipes ARGS`
    #[command(disable_help_flag = true)]
    Recipes(Rest),
    /// Build in release and run `fgn data ARGS`
    #[command(disable_help_flag = true)]
    Data(Rest),
    /// Build in release and run `fgn sweep ARGS`
    #[command(disable_help_flag = true)]
    Sweep(Rest),
    /// Build in release and run `fgn completions ARGS`
    #[command(disable_help_flag = true)]
    Completions(Rest),
    /// Build in release and run `fgn version ARGS`
    #[command(disable_help_flag = true)]
    Version(Rest),
    /// Run every test of the workspace, doctests included
    Test,
    /// Run all that decides whether a change may land
    Ci,
    /// Format every Rust file, those that `cargo fmt` does not see included
    Format,
    /// Run the benches, or measure a summary of speed
    Bench(bench::Args),
    /// List the tables of results, or run what is missing of some and print them
    Results(results::Args),
    /// Build the feature `cuda`: the kernels of every cell and the workspace; needs no GPU, takes some ten minutes
    CudaCheck,
    /// Build the feature `mpi`, and check trainings of several processes: the same bits as one, faults, bytes, speed
    MpiCheck(mpi_check::Args),
    /// Predict how long steps take on up to 1,024 processes
    MpiScaling(mpi_scaling::Args),
    /// Build the wheel of the Python package and run its tests, in the Python that FGN_PYTHON names
    Python,
    /// Check in ONNX Runtime, C compilers and PyTorch that models predict there what they predict here; sets up a Python
    /// with pinned packages, unless FGN_PYTHON names one
    Interop(interop::Args),
    /// Check the invariants of docs/architecture.md
    Invariants {
        /// The workspace to check instead of this one
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
}

/// What `fgn` gets as it was typed, `--help` included.
#[derive(clap::Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Train(rest) => fgn("train", rest),
        Command::Eval(rest) => fgn("eval", rest),
        Command::Predict(rest) => fgn("predict", rest),
        Command::Inspect(rest) => fgn("inspect", rest),
        Command::Export(rest) => fgn("export", rest),
        Command::Report(rest) => fgn("report", rest),
        Command::Recipes(rest) => fgn("recipes", rest),
        Command::Data(rest) => fgn("data", rest),
        Command::Sweep(rest) => fgn("sweep", rest),
        Command::Completions(rest) => fgn("completions", rest),
        Command::Version(rest) => fgn("version", rest),
        Command::Bench(args) => bench::run(args),
        Command::Test => ci::test(),
        Command::Ci => ci::run(),
        Command::Format => formatting::rustfmt().and_then(|mut command| process::run(&mut command)),
        Command::Results(args) => results::run(&args),
        Command::CudaCheck => cuda_check::run(),
        Command::MpiCheck(args) => mpi_check::run(&args),
        Command::MpiScaling(args) => mpi_scaling::run(&args),
        Command::Python => python::run(),
        Command::Interop(args) => interop::run(&args),
        Command::Invariants { root } => {
            invariants::check(root.as_deref().unwrap_or(process::root()))
        }
    };
    if let Err(error) = result {
        complain!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs `fgn NAME ARGS` in the caller's folder, so that paths mean what they say.
fn fgn(name: &str, rest: Rest) -> Result<()> {
    let mut command = process::cargo(["run", "--release", "--package", "fgn-cli", "--bin", "fgn"]);
    command.args(["--", name]).args(rest.args);
    process::hand_over(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Command as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn flags_after_train_reach_the_trainer_untouched() {
        let typed = ["xtask", "train", "--epochs", "3", "-h", "--help", "--set", "a.b=-1"];
        let Ok(Command::Train(rest)) = Command::try_parse_from(typed) else {
            panic!("`train` with flags was not understood");
        };
        assert_eq!(rest.args, &typed[2..]);
    }

    #[test]
    fn every_command_of_fgn_is_there() {
        for name in [
            "train",
            "eval",
            "predict",
            "inspect",
            "export",
            "report",
            "recipes",
            "data",
            "sweep",
            "completions",
            "version",
        ] {
            let typed = ["xtask", name, "a", "--json", "--help"];
            assert!(Command::try_parse_from(typed).is_ok(), "{name}");
        }
    }
}
