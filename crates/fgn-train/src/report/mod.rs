//! The report of a run: one HTML file that needs nothing beside it, and no network.

mod confusion;
mod curves;
mod gates;
mod maps;
mod mistakes;
mod outcomes;
mod page;
mod plot;
mod raster;
mod residuals;
mod sample;
mod summary;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use fgn_data::{Dataset, Samples, Target};
use fgn_nn::Model;
use tracing::warn;

use crate::checkpoint::durable::replace;
use crate::gates::read_gates;
use crate::run::{METRICS, REPORT};
use crate::{Config, EpochMetrics, Error, GateRecord, Result};
use outcomes::Outcomes;
use page::Section;

/// Writes `report.html` into the run folder `folder`, and gives its path: the configuration, how training
/// went, how `model` does on the test samples of `dataset`, its worst mistakes, and what its gates do. Of
/// the folder, `metrics.jsonl` and `gates.jsonl` are read, as far as they are there.
///
/// The test samples are gone through once more.
///
/// # Errors
/// Samples that the model cannot read, and files that cannot be read or written.
pub fn write_report(
    folder: &Path,
    config: &Config,
    model: &Model,
    dataset: &Dataset,
) -> Result<PathBuf> {
    let of = Subject {
        config,
        model,
        dataset,
        names: names(model, &dataset.test),
        history: read_history(folder)?,
        gates: read_gates(folder)?,
        outcomes: outcomes::measure(model, &dataset.test)?,
    };
    let sections = [
        summary::section(&of),
        curves::section(&of)?,
        match &of.outcomes.told {
            outcomes::Told::Classes(confusion) => confusion::section(confusion, &of.names),
            outcomes::Told::Numbers(residuals) => residuals::section(residuals, &of.names)?,
        },
        mistakes::section(&of)?,
        gates::spreads(&of)?,
        gates::memories(&of)?,
        maps::section(&of)?,
        summary::configuration(config)?,
    ];
    let file = folder.join(REPORT);
    replace(&file, page::page(&config.name, &of.subtitle(), &sections).as_bytes())?;
    Ok(file)
}

/// What a report is about.
struct Subject<'a> {
    config: &'a Config,
    model: &'a Model,
    dataset: &'a Dataset,
    /// What classes, or numbers, are called.
    names: Vec<String>,
    history: Vec<EpochMetrics>,
    gates: Vec<GateRecord>,
    outcomes: Outcomes,
}

impl Subject<'_> {
    fn subtitle(&self) -> String {
        let recurrent = &self.config.model.recurrent;
        let layers = match recurrent.layers {
            1 => String::new(),
            layers => format!("{layers} layers of "),
        };
        let ways = if recurrent.bidirectional { ", both directions" } else { "" };
        format!(
            "{}, {layers}{} units{ways}; trained on {}",
            recurrent.cell,
            recurrent.hidden_size,
            self.dataset.train.name(),
        )
    }
}

/// The data's names for what the model tells; its own where they are fewer.
fn names(model: &Model, samples: &dyn Samples) -> Vec<String> {
    let known = match &samples.form().target {
        Target::Classes(names) | Target::Numbers(names) => &names[..],
    };
    let config = model.config();
    let name = |output: usize| known.get(output).cloned().unwrap_or_else(|| config.name(output));
    (0..config.outputs()).map(name).collect()
}

/// The epochs in `metrics.jsonl`; none if there is no such file.
fn read_history(folder: &Path) -> Result<Vec<EpochMetrics>> {
    let file = folder.join(METRICS);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io("read", file)(error)),
    };
    let mut history = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match serde_json::from_str(line) {
            Ok(metrics) => history.push(metrics),
            // The last line is that of the test.
            Err(_) if line.starts_with("{\"final\"") => {}
            Err(error) => warn!("{}:{number} is left out: {error}", file.display()),
        }
    }
    Ok(history)
}
