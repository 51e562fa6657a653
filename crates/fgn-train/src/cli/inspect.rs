//! `fgn inspect`.

use std::path::{Path, PathBuf};

use candle_core::Device;
use clap::Args;
use fgn_nn::ModelConfig;
use serde::Serialize;
use tracing::warn;

use super::print;
use super::table::aligned;
use crate::console::grouped;
use crate::data::fits;
use crate::gates::{gates_after, has_gates};
use crate::{
    Error, GateRecord, LayerGates, Model, ParameterSummary, Result, Run, Spread,
    summarize_parameters,
};

pub(super) const HELP: &str = "\
Examples:
  fgn inspect runs/mnist-1
  fgn inspect runs/mnist-1/model.safetensors
  fgn inspect runs/mnist-1 --json | python3 -m json.tool";

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A run folder, or a model file alone
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Look at the gates on so many samples of the run's data, held-out ones where there are some; 0 looks
    /// at none
    #[arg(long, value_name = "N", default_value = "64")]
    samples: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is told of a model.
#[derive(Serialize)]
struct Inspection {
    model: ModelConfig,
    parameters: Vec<ParameterSummary>,
    /// How many numbers these are.
    total: usize,
    /// What its gates do, where there is data to look at them on.
    gates: Option<Gates>,
}

#[derive(Serialize)]
struct Gates {
    /// How many samples, and how many time steps these are in all.
    samples: usize,
    steps: usize,
    layers: Vec<LayerGates>,
}

impl InspectArgs {
    pub(super) fn run(self, device: &Device) -> Result<()> {
        let (model, gates) = match self.run.is_file() {
            true => (Model::load(&self.run, device)?, None),
            false => {
                let run = Run::open(&self.run, device)?;
                let gates = gates(&run, self.samples).unwrap_or_else(|error| {
                    warn!("the gates are not looked at: {error}");
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
            true => print(&(serde_json::to_string(&found).map_err(std::io::Error::from)? + "\n")),
            false => print(&told(&self.run, &found)?),
        }
    }
}

/// What the gates do on `count` samples of the run's data.
fn gates(run: &Run, count: usize) -> Result<Option<Gates>> {
    if count == 0 || !has_gates(&run.model) {
        return Ok(None);
    }
    let dataset = run.config.data.open()?;
    fits(&run.config.model, &dataset)?;
    let dataset = run.config.data.divide(dataset, run.config.training.seed)?;
    let held_out = dataset.valid.unwrap_or(dataset.test);
    let GateRecord { samples, steps, layers, .. } = gates_after(0, &run.model, &*held_out, count)?;
    Ok(Some(Gates { samples, steps, layers }))
}

fn told(path: &Path, found: &Inspection) -> Result<String> {
    let Inspection { model, parameters, total, gates } = found;
    let config = toml::to_string(model).map_err(|error| Error::Recipe {
        origin: path.display().to_string(),
        message: error.to_string(),
        nearest: None,
    })?;
    let head = ["parameter", "shape", "dtype", "count", "mean", "std", "min", "max", "norm"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(parameters.iter().map(row));
    let mut text = format!("{config}\n{}\n{} numbers in all", aligned(&rows), grouped(*total));
    let broken: Vec<_> = parameters.iter().filter(|found| found.not_finite > 0).collect();
    for found in &broken {
        let (name, count, of) = (&found.name, grouped(found.not_finite), grouped(found.count));
        text += &format!("\n{name}: {count} of {of} are not finite, and left out above");
    }
    text += "\n";
    if let Some(gates) = gates {
        text += &gates_told(gates);
    }
    Ok(text)
}

fn gates_told(gates: &Gates) -> String {
    let head = ["gate", "mean", "< 0.05", "> 0.95", "memory: median", "longest"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for layer in &gates.layers {
        let place = format!("_l{}{}", layer.layer, if layer.reverse { "_reverse" } else { "" });
        let spread = |name: &str, spread: &Spread| {
            let share = |share: f64| format!("{:.1} %", 100.0 * share);
            let mean = format!("{:.3}", spread.mean);
            vec![format!("{name}{place}"), mean, share(spread.shut), share(spread.open)]
        };
        rows.extend(layer.gates.iter().map(|gate| spread(&gate.name, &gate.spread)));
        if let Some(carried) = &layer.carried {
            let memory = layer.memory.as_deref().unwrap_or_default();
            rows.push([spread("carried over", carried), memory_told(memory).to_vec()].concat());
        }
    }
    format!(
        "\nGates on {} held-out samples, {} steps\n\n{}\n\
         carried over: the share of its memory that a unit keeps from a step to the next; memory: for how \
         many steps that is, 1 / (1 - mean)\n",
        grouped(gates.samples),
        grouped(gates.steps),
        aligned(&rows)
    )
}

/// The median and the longest of what each unit remembers, in steps; without a bound where it never forgets.
fn memory_told(memory: &[Option<f64>]) -> [String; 2] {
    let mut steps: Vec<_> = memory.iter().map(|steps| steps.unwrap_or(f64::INFINITY)).collect();
    steps.sort_by(f64::total_cmp);
    let told = |steps: Option<&f64>| match steps {
        None => "-".into(),
        Some(steps) if steps.is_infinite() => "no end".into(),
        Some(steps) => format!("{steps:.1}"),
    };
    [told(steps.get(steps.len() / 2)), told(steps.last())]
}

fn row(found: &ParameterSummary) -> Vec<String> {
    let shape: Vec<_> = found.shape.iter().map(usize::to_string).collect();
    let (dtype, count) = (found.dtype.to_owned(), grouped(found.count));
    let numbers = [found.mean, found.deviation, found.min, found.max, found.norm];
    let numbers = numbers.map(|number| match number.is_nan() {
        true => "-".into(),
        false => format!("{number:.4}"),
    });
    [vec![found.name.clone(), shape.join(" x "), dtype, count], numbers.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_steps() {
        assert_eq!(memory_told(&[]), ["-", "-"]);
        assert_eq!(memory_told(&[Some(3.0), Some(1.25), Some(2.0)]), ["2.0", "3.0"]);
        assert_eq!(memory_told(&[None, Some(1.0)]), ["no end", "no end"]);
    }

    #[test]
    fn what_is_not_finite_is_told() {
        let model = crate::testing::config().model;
        let parameter = ParameterSummary {
            name: "a".into(),
            shape: vec![2, 600],
            dtype: "f32",
            count: 1200,
            not_finite: 1100,
            mean: 0.5,
            deviation: f64::NAN,
            min: -1.0,
            max: 2.0,
            norm: 3.0,
        };
        let found = Inspection { model, parameters: vec![parameter], total: 1200, gates: None };
        let text = told(Path::new("run"), &found).unwrap();
        let expected = "\
parameter    shape  dtype  count    mean  std      min     max    norm
a          2 x 600    f32  1,200  0.5000    -  -1.0000  2.0000  3.0000

1,200 numbers in all
a: 1,100 of 1,200 are not finite, and left out above
";
        assert!(text.ends_with(expected), "{text}");
    }
}
