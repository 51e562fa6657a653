//! Runs the CUDA kernels on a GPU: compares every cell and option with the CPU, then measures times.
//!
//! `gpu` alone checks and times both strategies of the loop over time, persistent and alternating. `gpu check` and
//! `gpu time` do one of the two, with the strategy that `FGN_CUDA_STRATEGY` allows. The program needs the driver and
//! the libraries of CUDA 13.0, and nothing else. `gpu time` prints a line of JSON for each measurement, as
//! `benches/peers/python/cudnn.py` does.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use candle_core::Device;

mod check;
mod time;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        None => all(),
        Some("check") => device().and_then(|gpu| check::run(&gpu)),
        Some("time") => device().and_then(|gpu| time::run(&gpu)),
        Some(other) => Err(anyhow::anyhow!("expected `check` or `time`, got `{other}`")),
    };
    if let Err(error) = done {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn device() -> Result<Device> {
    Device::new_cuda(0).context("no GPU was found; `nvidia-smi` lists those that the driver knows")
}

/// Runs each part as a separate process, because each needs its own environment variables.
fn all() -> Result<()> {
    let own = std::env::current_exe()?;
    let mut failed = Vec::new();
    for (part, way) in [
        ("check", "persistent"),
        ("check", "alternating"),
        ("time", "persistent"),
        ("time", "alternating"),
    ] {
        println!("=== {part}, FGN_CUDA_STRATEGY={way}");
        let status = Command::new(&own).arg(part).env("FGN_CUDA_STRATEGY", way).status()?;
        if !status.success() {
            failed.push(format!("{part} {way}"));
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    if cfg!(debug_assertions) {
        bail!("the times are of a build without optimisation: build with --release");
    }
    Ok(())
}
