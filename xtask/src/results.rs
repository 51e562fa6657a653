//! `cargo xtask results`: the measurements of `docs/results.md`, each a training that anyone can
//! repeat.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::process;

/// Every run: its name, and the arguments of `fgn train` beside [`LAST`].
const RUNS: [(&str, &[&str]); 16] = [
    ("mnist-fgn-seed1", &["mnist"]),
    ("mnist-fgn-seed2", &["mnist", "--seed", "2"]),
    ("mnist-fgn-seed3", &["mnist", "--seed", "3"]),
    ("mnist-fgn-seed4", &["mnist", "--seed", "4"]),
    ("mnist-lstm", &["mnist", "--set", CELL_LSTM]),
    ("mnist-fgn-scan", &["mnist", "--set", CELL_SCAN]),
    ("rows-lstm", &["mnist-rows", "--set", CELL_LSTM]),
    ("rows-fgn-scan", &["mnist-rows", "--set", CELL_SCAN]),
    ("rows-fgn", &["mnist-rows"]),
    ("rows-fgn-zero-gated-binary", &["mnist-rows", "--set", BINARY]),
    ("rows-fgn-zero-single-soft", &["mnist-rows", "--set", SINGLE]),
    ("rows-fgn-zero-single-binary", &["mnist-rows", "--set", SINGLE, "--set", BINARY]),
    ("rows-fgn-linear-gated-soft", &["mnist-rows", "--set", LINEAR]),
    ("rows-fgn-linear-gated-binary", &["mnist-rows", "--set", LINEAR, "--set", BINARY]),
    ("rows-fgn-linear-single-soft", &["mnist-rows", "--set", LINEAR, "--set", SINGLE]),
    (
        "rows-fgn-linear-single-binary",
        &["mnist-rows", "--set", LINEAR, "--set", SINGLE, "--set", BINARY],
    ),
];
/// The figures are those of the model after the last epoch, as the article's.
const LAST: [&str; 2] = ["--set", "checkpoint.model=last"];
const CELL_LSTM: &str = r#"model.recurrent.cell={ name = "lstm" }"#;
const CELL_SCAN: &str = r#"model.recurrent.cell={ name = "fgn-scan" }"#;
const LINEAR: &str = "model.recurrent.cell.z=linear";
const SINGLE: &str = "model.recurrent.cell.readout=single";
const BINARY: &str = "model.recurrent.cell.forgetting=binary";

/// Trains what is not yet under `runs/results`, one after the other, and prints the table.
pub(crate) fn print() -> Result<()> {
    let folder = process::root().join("runs/results");
    for (name, args) in RUNS {
        let out = folder.join(name);
        if read(&out).is_err() {
            let mut command =
                process::cargo(["run", "--release", "--package", "fgn-cli", "--bin", "fgn"]);
            command.args(["--", "train"]).args(args).args(LAST).arg("--out").arg(&out);
            process::run(&mut command)?;
        }
    }
    say!("\n| run | parameters | cost, epochs 1 to 10 | test accuracy | seconds |");
    say!("|---|--:|---|--:|--:|");
    for (name, _) in RUNS {
        let run = read(&folder.join(name))?;
        say!(
            "| {name} | {} | {} | {:.2} % | {:.0} |",
            run.parameters,
            run.costs.join(" "),
            run.accuracy * 100.0,
            run.seconds
        );
    }
    Ok(())
}

/// What the table says of a run.
struct Run {
    parameters: u64,
    costs: Vec<String>,
    accuracy: f64,
    /// Of all epochs, without validation.
    seconds: f64,
}

/// A line of `metrics.jsonl`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Epoch { train_loss: f64, seconds: f64 },
    Final { test_accuracy: f64 },
}

/// Reads a finished run.
fn read(out: &Path) -> Result<Run> {
    let path = out.join("metrics.jsonl");
    let metrics = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let model = out.join("model.safetensors");
    let model = fs::read(&model).with_context(|| model.display().to_string())?;
    let mut run = Run {
        parameters: parameters(&model)
            .context("model.safetensors has no header that can be read")?,
        costs: Vec::new(),
        accuracy: f64::NAN,
        seconds: 0.0,
    };
    for line in metrics.lines() {
        match serde_json::from_str(line).with_context(|| path.display().to_string())? {
            Line::Epoch { train_loss, seconds } => {
                run.costs.push(format!("{train_loss:.3}"));
                run.seconds += seconds;
            }
            Line::Final { test_accuracy } => run.accuracy = test_accuracy,
        }
    }
    ensure!(!run.accuracy.is_nan(), "{} is not finished", out.display());
    Ok(run)
}

/// How many numbers a safetensors file says that its tensors have.
fn parameters(file: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Tensor {
        shape: Option<Vec<u64>>,
    }
    let (len, rest) = file.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    let tensors: std::collections::HashMap<String, Tensor> = serde_json::from_slice(header).ok()?;
    Some(tensors.values().filter_map(|t| t.shape.as_ref()).map(|s| s.iter().product::<u64>()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_from_the_header() {
        let header = br#"{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        assert_eq!(parameters(&file), Some(12));
        assert_eq!(parameters(&file[..20]), None);
    }

    #[test]
    fn a_run_that_is_not_finished_is_not_read() {
        assert!(read(Path::new("no/such/run")).is_err());
    }

    #[test]
    fn every_run_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = RUNS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), RUNS.len());
    }
}
