//! What the benches beside PyTorch share.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The Python of `--python`, if it is given.
pub(crate) fn python() -> Result<Option<PathBuf>, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &argument[..] {
            "--python" => {
                return Ok(Some(arguments.next().ok_or("--python: a path is missing")?.into()));
            }
            // What cargo passes to every bench.
            "--bench" => {}
            other => return Err(format!("{other} is unknown; known: --python FILE").into()),
        }
    }
    Ok(None)
}

/// The number called `key` that a script of `benches/peers/python` prints.
pub(crate) fn peer(
    python: Option<&Path>,
    script: &str,
    arguments: &[&str],
    key: &str,
) -> Result<Option<f64>, Box<dyn Error>> {
    let Some(python) = python else { return Ok(None) };
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/peers/python/");
    let mut command = Command::new(python);
    command.arg(format!("{scripts}{script}")).args(arguments).stderr(Stdio::inherit());
    let found: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let number = found[key].as_f64().ok_or_else(|| format!("{script} gave no {key}"))?;
    Ok(Some(number))
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
