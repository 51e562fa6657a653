//! `cargo xtask interop`: whether other programs make the same of fgn's models: ONNX Runtime, C compilers, PyTorch.
//!
//! The tests are those of `cargo test` and `cargo xtask python`, which skip what a machine lacks. Here nothing is skipped:
//! the Python is the one that `FGN_PYTHON` names, or one with pinned packages below `target/interop`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::process;

/// The packages of the Python that is set up, with their versions.
const REQUIREMENTS: &str = include_str!("../interop-requirements.txt");

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run these alone
    steps: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Step {
    /// Graphs of all cells, options, input layers and heads in ONNX Runtime
    Onnx,
    /// Models as C source, built by the machine's compilers
    C,
    /// The wheel of the Python package, and its tests with PyTorch
    Python,
    /// The model of every recipe in ONNX Runtime, as `fgn export` writes it
    Recipes,
}

impl Step {
    fn command(self) -> Result<Command> {
        let args = match self {
            Step::Onnx => "test --package fgn-onnx",
            Step::C => "test --package fgn-c",
            Step::Python => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("python");
                return Ok(command);
            }
            Step::Recipes => "test --workspace --test interop -- --nocapture",
        };
        Ok(process::cargo(args.split(' ')))
    }
}

/// Runs the steps; a failing one does not keep the next from running.
pub(crate) fn run(args: &Args) -> Result<()> {
    let python = python()?;
    let steps = match &args.steps[..] {
        [] => Step::value_variants(),
        given => given,
    };
    let reports = steps.iter().map(|step| {
        let name = format!("{step:?}").to_lowercase();
        say!("\n=== {name}");
        let start = Instant::now();
        let done = step.command().and_then(|mut command| {
            process::run(command.env("FGN_PYTHON", &python).current_dir(process::root()))
        });
        (name, done, start.elapsed())
    });
    let reports: Vec<_> = reports.collect();
    say!("\nWith {}", python.display());
    for (name, done, time) in &reports {
        let outcome = match done {
            Ok(()) => "passed".to_owned(),
            Err(error) => format!("FAILED  {error:#}"),
        };
        say!("  {name:<8} {:>6.0} s  {outcome}", time.as_secs_f64());
    }
    let failed: Vec<_> =
        reports.iter().filter(|report| report.1.is_err()).map(|report| &*report.0).collect();
    ensure!(
        failed.is_empty(),
        "{} of {} failed: {}",
        failed.len(),
        reports.len(),
        failed.join(", ")
    );
    Ok(())
}

/// The Python that `FGN_PYTHON` names, as it is; without that variable the one of this command.
fn python() -> Result<PathBuf> {
    let python = match std::env::var_os("FGN_PYTHON") {
        Some(named) => PathBuf::from(named),
        None => set_up()?,
    };
    let lacks = missing(&python, REQUIREMENTS);
    ensure!(
        lacks.is_empty(),
        "{} has no {}: FGN_PYTHON names a Python that has, or is not set",
        python.display(),
        lacks.join(", ")
    );
    Ok(python)
}

/// Those of the packages that a Python cannot import.
fn missing<'a>(python: &Path, requirements: &'a str) -> Vec<&'a str> {
    let can_import = |package: &str| {
        let mut probe = Command::new(python);
        let probe = probe.args(["-c", &format!("import {package}")]);
        let probe = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    packages(requirements).filter(|package| !can_import(package)).collect()
}

/// The names in a file of requirements.
fn packages(requirements: &str) -> impl Iterator<Item = &str> {
    requirements.lines().filter_map(|line| line.split_once("==")).map(|(name, _)| name)
}

/// A virtual environment with the pinned packages, made once for each version of the file that lists them.
fn set_up() -> Result<PathBuf> {
    let folder = process::root().join("target/interop");
    let (venv, stamp) = (folder.join("venv"), folder.join("requirements.txt"));
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(python);
    }
    say!("Setting up a Python in {}; its packages take some 6 GB.", venv.display());
    let base = base()?;
    process::run(Command::new(base).args(["-m", "venv", "--clear"]).arg(&venv))?;
    let file = process::root().join("xtask/interop-requirements.txt");
    process::run(Command::new(&python).args(["-m", "pip", "install", "--requirement"]).arg(file))?;
    fs::write(&stamp, REQUIREMENTS).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

/// A Python for which there are such packages.
fn base() -> Result<&'static str> {
    let is_new = |python: &&str| {
        let mut probe = Command::new(python);
        let probe = probe.args(["-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]);
        let probe = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    let names = ["python3", "python", "python3.13", "python3.12", "python3.11"];
    match names.into_iter().find(is_new) {
        Some(python) => Ok(python),
        None => bail!(
            "found no Python 3.11 or newer with venv among {}; FGN_PYTHON names one that has {}",
            names.join(", "),
            packages(REQUIREMENTS).collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned() {
        let lines = REQUIREMENTS.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(packages(REQUIREMENTS).count(), lines.count());
        assert!(packages(REQUIREMENTS).any(|name| name == "onnxruntime"));
    }

    #[test]
    fn what_a_python_lacks_is_named() {
        let lacks = missing(Path::new("no-such-python-here"), "numpy==1.0\nonnx==1.0\n");
        assert_eq!(lacks, ["numpy", "onnx"]);
    }
}
