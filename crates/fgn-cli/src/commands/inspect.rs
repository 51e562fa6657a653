//! `fgn inspect`.

use std::path::{Path, PathBuf};

use candle_core::Device;
use clap::Args;
use fgn_nn::{Model, ModelConfig};
use fgn_report::grouped;
use fgn_schema::{TargetSchema, decimals};
use fgn_train::{
    GateRecord, LayerGates, Learner as _, ParameterSummary, Spread, TrainedRun, check_dataset,
    gate_samples, open_data, record_gates, summarize_parameters,
};
use serde::Serialize;
use tracing::warn;

use crate::error::{Error, Result};
use crate::output::{print, print_json};
use crate::table::aligned;

pub(crate) const HELP: &str = "\
Examples:
  fgn inspect runs/mnist-1
  fgn inspect weights.safetensors         a file of `fgn export`: all but the gates
  fgn inspect runs/mnist-1 --json | python3 -m json.tool

The gates are traced on the validation part of the run's data, or on the training part if there is none, as
gates.jsonl of the run is. The keys of --json: \"model\" (as in config.toml), \"parameters\" (a list with
\"name\", \"shape\", \"mean\", …), \"total\", and \"gates\" with \"part\", \"samples\", \"steps\" and \"layers\".";

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A run folder, or a model file alone
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// How many samples of the run's data to trace the gates on; 0 for no gates
    #[arg(long, value_name = "N", default_value = "64")]
    samples: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed about a model.
#[derive(Serialize)]
struct Inspection {
    model: ModelConfig,
    parameters: Vec<ParameterSummary>,
    /// The number of values of all parameters.
    total: usize,
    /// The values of its gates, where there is data to trace them on.
    gates: Option<Gates>,
}

#[derive(Serialize)]
struct Gates {
    /// The part of the data that the samples are of.
    part: &'static str,
    /// The number of samples, and of their time steps in all.
    samples: usize,
    steps: usize,
    layers: Vec<LayerGates>,
}

impl InspectArgs {
    pub(crate) fn run(self, device: &Device) -> Result<()> {
        let (model, gates) = match TrainedRun::folder(&self.run) {
            None => (Model::load(&self.run, device)?, None),
            Some(folder) => {
                let run = TrainedRun::open(&folder, device)?;
                let gates = gates(&run, self.samples).unwrap_or_else(|error| {
                    warn!("the gates are not traced: {error}");
                    None
                });
                (run.model, gates)
            }
        };
        let found = Inspection {
            model: model.config().clone(),
            parameters: summarize_parameters(&model)?,
            total: model.parameter_count(),
            gates,
        };
        match self.json {
            true => print_json(&found),
            false => print(&text(&self.run, &found)?),
        }
    }
}

/// The gates on `count` samples of the run's data.
fn gates(run: &TrainedRun, count: usize) -> Result<Option<Gates>> {
    if count == 0 || run.model.gated_units() == 0 {
        return Ok(None);
    }
    let dataset = open_data(&run.config.data)?;
    check_dataset(&run.config.model, &dataset)?;
    let dataset = run.config.data.divide(dataset, run.config.training.seed)?;
    let (part, samples) = gate_samples(&dataset);
    let GateRecord { samples, steps, layers, .. } = record_gates(0, &run.model, &*samples, count)?;
    Ok(Some(Gates { part, samples, steps, layers }))
}

fn text(path: &Path, found: &Inspection) -> Result<String> {
    let Inspection { model, parameters, total, gates } = found;
    let config =
        config_text(model).map_err(|source| Error::Toml { path: path.to_owned(), source })?;
    let head = ["parameter", "shape", "dtype", "count", "mean", "std", "min", "max", "norm"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(parameters.iter().map(row));
    let mut text = format!("{config}\n{}\n{} values in all", aligned(&rows), grouped(*total));
    let broken: Vec<_> = parameters.iter().filter(|found| found.not_finite > 0).collect();
    for found in &broken {
        let (name, count, of) = (&found.name, grouped(found.not_finite), grouped(found.count));
        text += &format!("\n{name}: {count} of {of} are not finite, and left out above");
    }
    text += "\n";
    if let Some(gates) = gates {
        text += &gates_text(gates);
    }
    Ok(text)
}

/// The configuration as TOML, with the number of items in place of a catalogue, which may have millions.
fn config_text(model: &ModelConfig) -> std::result::Result<String, toml::ser::Error> {
    let TargetSchema::NextItem { catalogue } = model.head.target() else {
        return toml::to_string(model);
    };
    let mut table = toml::Table::try_from(model)?;
    if let Some(head) = table.get_mut("head").and_then(toml::Value::as_table_mut) {
        head.insert("catalogue".into(), format!("{} items", grouped(catalogue.len())).into());
    }
    toml::to_string(&table)
}

fn gates_text(gates: &Gates) -> String {
    let head = ["gate", "mean", "< 0.05", "> 0.95", "memory: median", "longest"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for layer in &gates.layers {
        let suffix = format!("_l{}{}", layer.layer, if layer.reverse { "_reverse" } else { "" });
        let spread = |name: &str, spread: &Spread| {
            let share = |share: f64| format!("{:.1} %", 100.0 * share);
            let mean = format!("{:.3}", spread.mean);
            vec![format!("{name}{suffix}"), mean, share(spread.closed), share(spread.open)]
        };
        rows.extend(layer.gates.iter().map(|gate| spread(&gate.name, &gate.spread)));
        if let Some(retained) = &layer.retained {
            let memory = layer.memory.as_deref().unwrap_or_default();
            rows.push([spread("retained", retained), memory_text(memory).to_vec()].concat());
        }
    }
    format!(
        "\nGates on {} samples, {} steps, of the {} part\n\n{}\n\
         retained: the effective forget gate, the share of its memory that a unit retains from one step to \
         the next; memory: the number of steps that it remembers, 1 / (1 - mean of retained)\n",
        grouped(gates.samples),
        grouped(gates.steps),
        gates.part,
        aligned(&rows)
    )
}

/// The median and the longest memory of the units, in steps; without a bound for a unit that never forgets.
fn memory_text(memory: &[Option<f64>]) -> [String; 2] {
    let mut steps: Vec<_> = memory.iter().map(|steps| steps.unwrap_or(f64::INFINITY)).collect();
    steps.sort_by(f64::total_cmp);
    let steps_text = |steps: Option<&f64>| match steps {
        None => "-".into(),
        Some(steps) if steps.is_infinite() => "no end".into(),
        Some(steps) => format!("{steps:.1}"),
    };
    [steps_text(steps.get(steps.len() / 2)), steps_text(steps.last())]
}

fn row(found: &ParameterSummary) -> Vec<String> {
    let shape: Vec<_> = found.shape.iter().map(usize::to_string).collect();
    let (dtype, count) = (found.dtype.to_owned(), grouped(found.count));
    let numbers = [found.mean, found.std, found.min, found.max, found.norm];
    let numbers = numbers.map(|number| match number.is_nan() {
        true => "-".into(),
        false => decimals(number, 4),
    });
    [vec![found.name.clone(), shape.join(" x "), dtype, count], numbers.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_steps() {
        assert_eq!(memory_text(&[]), ["-", "-"]);
        assert_eq!(memory_text(&[Some(3.0), Some(1.25), Some(2.0)]), ["2.0", "3.0"]);
        assert_eq!(memory_text(&[None, Some(1.0)]), ["no end", "no end"]);
    }

    #[test]
    fn non_finite_values_are_counted() {
        let model = fgn_train::Config::recipe("mnist-rows").unwrap().model;
        let parameter = ParameterSummary {
            name: "a".into(),
            shape: vec![2, 600],
            dtype: "f32",
            count: 1200,
            not_finite: 1100,
            mean: 0.5,
            std: f64::NAN,
            min: -1.0,
            max: 2.0,
            norm: 3.0,
        };
        let found = Inspection { model, parameters: vec![parameter], total: 1200, gates: None };
        let text = text(Path::new("run"), &found).unwrap();
        let expected = "\
parameter    shape  dtype  count    mean  std      min     max    norm
a          2 x 600    f32  1,200  0.5000    -  -1.0000  2.0000  3.0000

1,200 values in all
a: 1,100 of 1,200 are not finite, and left out above
";
        assert!(text.ends_with(expected), "{text}");
    }
}
