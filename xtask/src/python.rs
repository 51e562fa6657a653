//! `cargo xtask python`: builds the wheel of the Python package and runs its tests.
//!
//! `FGN_PYTHON` names the Python, `python3` by default. It needs maturin, pytest, numpy and torch. The wheel is unpacked below
//! `target/python`, so that nothing is installed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The modules that it needs.
const MODULES: [&str; 4] = ["maturin", "pytest", "numpy", "torch"];

/// Builds and tests the package. `None` if it has, else why it was skipped.
pub(crate) fn test() -> Result<Option<String>> {
    let python = std::env::var_os("FGN_PYTHON").unwrap_or_else(|| "python3".into());
    if let Some(why) = missing(&python) {
        return Ok(Some(why));
    }
    let folder = process::root().join("target/python");
    let wheel = wheel(&python, &folder)?;
    let site = folder.join("site");
    empty(&site)?;
    // A wheel is a ZIP file; its checksums are checked as it is unpacked.
    process::run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&site))?;
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(package().join("tests"));
    tests.env("PYTHONPATH", &site).env("PYTHONDONTWRITEBYTECODE", "1");
    process::run(tests.current_dir(process::root()))?;
    Ok(None)
}

/// Runs [`test`](test()), and prints why it was skipped.
pub(crate) fn run() -> Result<()> {
    match test()? {
        Some(why) => say!("Skipped: {why}."),
        None => say!("The Python package builds, and its tests passed."),
    }
    Ok(())
}

fn package() -> PathBuf {
    process::root().join("crates/fgn-py")
}

/// What keeps that Python from building and testing the package.
fn missing(python: &OsString) -> Option<String> {
    let shown = Path::new(python).display();
    let has = |code: &str| {
        let mut probe = Command::new(python);
        let probe = probe.args(["-c", code]).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let named = "FGN_PYTHON names another";
    if !has("import sys; sys.exit(sys.version_info < (3, 10))") {
        return Some(format!("{shown} is no Python of version 3.10 or newer; {named}"));
    }
    let find = |module: &&&str| !has(&format!("import {module}"));
    let lacks: Vec<_> = MODULES.iter().filter(find).copied().collect();
    let all = MODULES.join(", ");
    (!lacks.is_empty())
        .then(|| format!("{shown} has no {}; {named} that has {all}", lacks.join(", ")))
}

/// Builds the wheel in an empty folder, so that none of an earlier build is taken for it.
fn wheel(python: &OsString, folder: &Path) -> Result<PathBuf> {
    let wheels = folder.join("wheels");
    empty(&wheels)?;
    let mut maturin = Command::new(python);
    maturin.args(["-m", "maturin", "build", "--release", "--locked", "--manifest-path"]);
    maturin.arg(package().join("Cargo.toml")).arg("--out").arg(&wheels);
    maturin.arg("--interpreter").arg(python);
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        maturin.env("CARGO_TARGET_DIR", folder.join("build"));
    }
    process::run(&mut maturin)?;
    let list =
        fs::read_dir(&wheels).with_context(|| format!("cannot list {}", wheels.display()))?;
    let paths: Vec<_> = list.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let is_wheel = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "whl");
    match &paths.iter().filter(is_wheel).collect::<Vec<_>>()[..] {
        &[wheel] => Ok(wheel.clone()),
        found => bail!("expected one wheel in {}, found {}", wheels.display(), found.len()),
    }
}

/// Makes a folder anew.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_not_there_is_named() {
        let why = missing(&"no-such-python-here".into()).unwrap();
        assert!(why.starts_with("no-such-python-here is no Python of version 3.10"), "{why}");
        assert!(why.contains("FGN_PYTHON"), "{why}");
    }
}
