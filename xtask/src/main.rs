//! The developer commands of the workspace, behind the alias `cargo xtask`.
//!
//! - `cargo xtask train`, `eval`, `predict`: the binary `fgn`, built in release.
//! - `cargo xtask test`: every test of the workspace, doctests included.
//! - `cargo xtask ci`: all that decides whether a change may land, in one run.
//! - `cargo xtask format`: formats every Rust file, those that `cargo fmt` does not see included.
//! - `cargo xtask bench`: the benches; with `--json FILE`, `--peers` or `--shapes`, a summary of
//!   speed instead.
//! - `cargo xtask results`: the trainings of `docs/results.md`, and their table.
//! - `cargo xtask cuda-check`: whether the feature `cuda` builds; installs NVIDIA's compiler under `target/`.
//! - `cargo xtask invariants`: the promises of `docs/architecture.md` that a machine can check; with
//!   `--root DIR`, those of another copy of the workspace.
//!
//! This crate starts the others' programs and imports none of them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

mod ci;
mod cuda_check;
mod formatting;
mod invariants;
mod process;
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
    /// Run every test of the workspace, doctests included
    Test,
    /// Run all that decides whether a change may land
    Ci,
    /// Format every Rust file, those that `cargo fmt` does not see included
    Format,
    /// Run the benches; ARGS go to criterion (a filter, say). With --json FILE, --peers or --shapes, measure a
    /// summary instead, the peers in turn with us; ARGS go there (--help after them lists more). With
    /// --trainer, measure what the trainer costs beside the steps themselves
    #[command(disable_help_flag = true)]
    Bench(Rest),
    /// Train every variant of docs/results.md that is not yet under runs/results; print the table
    Results,
    /// Build the feature `cuda`: the kernels of every cell and the workspace; needs no GPU, takes some ten minutes
    CudaCheck,
    /// Check the invariants of docs/architecture.md
    Invariants {
        /// The workspace to check instead of this one
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
}

/// What the started program gets as it was typed, `--help` included.
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
        Command::Bench(rest) => bench(rest),
        Command::Test => ci::test(),
        Command::Ci => ci::run(),
        Command::Format => formatting::rustfmt().and_then(|mut command| process::run(&mut command)),
        Command::Results => results::print(),
        Command::CudaCheck => cuda_check::run(),
        Command::Invariants { root } => {
            invariants::check(root.as_deref().unwrap_or(process::root()))
        }
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
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

fn bench(rest: Rest) -> Result<()> {
    if rest.args.iter().any(|arg| arg == "--trainer") {
        let command = process::cargo(["bench", "--package", "fgn-cli", "--bench", "overhead"]);
        return process::hand_over(command);
    }
    let of_summary = ["--json", "--peers", "--shapes"];
    let typed = |arg: &OsString| arg.to_string_lossy().split('=').next().map(str::to_owned);
    if rest.args.iter().filter_map(typed).any(|name| of_summary.contains(&name.as_str())) {
        let mut command =
            process::cargo(["run", "--release", "--package", "fgn-benches", "--bin", "summary"]);
        command.arg("--").args(rest.args);
        return process::hand_over(command);
    }
    // The pattern leaves out the library's own test harness, which knows none of criterion's flags.
    let mut command = process::cargo(["bench", "--package", "fgn-benches", "--bench", "*"]);
    command.arg("--").args(rest.args);
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
}
