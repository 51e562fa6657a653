//! Sets up what the peers need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The build folder of the peers written in Rust.
pub(crate) const RUST_PEERS: &str = "target/peers-rust";

/// Returns the Python interpreter of the environment under `target/` that has the pinned packages. Installs them if
/// they are not there yet.
pub(crate) fn python(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/peers");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let requirements = root.join("benches/peers/python/requirements.txt");
    let installed = folder.join("installed.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    if std::fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    println!("Installing the Python peers into {} (once)", folder.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    // One by one, so that a failure does not affect the others.
    let mut complete = true;
    for line in wanted.lines().filter(|line| !line.starts_with('#')) {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", line]);
        if let Err(error) = run(&mut pip) {
            println!("  {line} was not installed: {error:#}");
            complete = false;
        }
    }
    if complete {
        std::fs::write(&installed, wanted)?;
    }
    Ok(python)
}

/// Builds the peers written in Rust, which are not part of the workspace.
pub(crate) fn build_rust_peers(root: &Path) -> Result<()> {
    let manifest = root.join("benches/peers/Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--release", "--quiet", "--manifest-path"]).arg(manifest);
    run(cargo.arg("--target-dir").arg(root.join(RUST_PEERS)))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
