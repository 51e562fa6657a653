//! `fgn eval`.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;
use fgn_nn::ModelConfig;
use fgn_train::{
    Breakdown, Evaluation, Learner as _, TrainedRun, check_samples, evaluate_with, like,
    log_progress, open_data,
};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::measured::{main_measure, targets};
use crate::output::print;
use crate::table::aligned;

pub(crate) const HELP: &str = "\
Examples:
  fgn eval runs/mnist-1
  fgn eval runs/mnist-1 --json | python3 -m json.tool
  fgn eval runs/series-1 --data measured-later.csv

The metrics are those of the run: `metrics` in its config.toml, or those that suit its head.";

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The run folder
    run: PathBuf,
    /// Evaluate on this file or folder instead of the run's test part; if it has parts, on its test part
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl EvalArgs {
    pub(crate) fn run(self, device: &Device) -> Result<()> {
        let TrainedRun { config, model } = TrainedRun::open(&self.run, device)?;
        let test = match &self.data {
            Some(path) => config.data.read(path, &like(&model), &mut log_progress)?,
            None => open_data(&config.data)?.test,
        };
        check_samples(&config.model, &*test)?;
        let found = evaluate_with(&model, &*test, model.metrics(&config.metrics)?)?;
        match self.json {
            true => print(&format!("{}\n", json(&found))),
            false => print(&text(&config.model, &found)),
        }
    }
}

fn text(model: &ModelConfig, found: &Evaluation) -> String {
    let (main, targets) = (main_measure(found), targets(found, model));
    let mut text = match found.metrics.is_empty() {
        true => format!("Test {main}  ({targets})\n"),
        false => format!("Test {main}  ({targets}), loss {:.4}\n", found.loss()),
    };
    for info in found.metrics.iter().skip(1) {
        let value = info.format(found.get(&info.name).unwrap_or(f64::NAN));
        text += &format!("Test {} = {value}\n", info.label);
    }
    for Breakdown { row, names, columns } in &found.breakdowns {
        let head = columns.iter().map(|column| column.name.clone());
        let mut rows = vec![[(*row).to_owned()].into_iter().chain(head).collect::<Vec<_>>()];
        rows.extend(names.iter().enumerate().map(|(at, name)| {
            let cells = columns.iter().map(|column| column.cells.get(at).cloned());
            [Some(name.clone())].into_iter().chain(cells).map(Option::unwrap_or_default).collect()
        }));
        text += &format!("\n{}", aligned(&rows));
    }
    text
}

/// Loss and metrics by their names, with `null` for NaN, the number of targets, and the tables.
fn json(found: &Evaluation) -> Value {
    let table = |Breakdown { row, names, columns }: &Breakdown| {
        let columns = columns.iter().map(|column| (column.name.clone(), json!(column.cells)));
        json!({ "row": row, "names": names, "columns": columns.collect::<Map<_, _>>() })
    };
    let measures = found.measures.iter().map(|(name, value)| (name.to_owned(), json!(value)));
    let mut object: Map<String, Value> = measures.collect();
    object.insert("targets".into(), found.targets.into());
    object.insert("breakdowns".into(), found.breakdowns.iter().map(table).collect());
    object.into()
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use fgn_core::AnyCell;
    use fgn_data::{DataConfig, Images, Samples};
    use fgn_nn::{Classification, HeadConfig, ImageRows, InputConfig, Model, Regression, Series};
    use fgn_nn::{ModelConfig, RecurrentConfig};

    use super::*;

    /// An untrained model whose head has weights of zero, so that its outputs are the biases, zero.
    fn zero(input: impl Into<InputConfig>, head: impl Into<HeadConfig>) -> Model {
        let config = ModelConfig::new(input, RecurrentConfig::new(AnyCell::FGN, 2), head);
        let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
        for (_, var) in model.parameters().iter().filter(|(name, _)| name.starts_with("head")) {
            var.set(&var.zeros_like().unwrap()).unwrap();
        }
        model
    }

    fn evaluated(model: &Model, samples: &dyn Samples, metrics: &[&str]) -> Evaluation {
        let metrics: Vec<_> = metrics.iter().map(|&name| name.to_owned()).collect();
        let metrics = fgn_train::Learner::metrics(model, &metrics).unwrap();
        evaluate_with(model, samples, metrics).unwrap()
    }

    fn classified() -> (ModelConfig, Evaluation) {
        let names = ["a cat", "dog", "cow"].map(str::to_owned).to_vec();
        let head = Classification { names, ..Classification::new(3) };
        let model = zero(ImageRows::new(1, 2), head);
        let images = Images::new("dots", 1, 2, 3, vec![0; 8], vec![0, 0, 2, 0]).unwrap();
        (model.config().clone(), evaluated(&model, &images, &[]))
    }

    #[test]
    fn a_class_without_samples_has_no_accuracy() {
        let (model, found) = classified();
        let expected = "Test accuracy = 75.00 %  (4 samples), loss 1.0986\n\n\
                        class  targets  correct  accuracy\n\
                        a cat        3        3  100.00 %\n\
                        dog          0        0         -\n\
                        cow          1        0    0.00 %\n";
        assert_eq!(text(&model, &found), expected);
    }

    #[test]
    fn json_has_each_metric_by_its_name() {
        let found = json(&classified().1);
        assert!((found["loss"].as_f64().unwrap() - 3.0_f64.ln()).abs() < 1e-6, "{found}");
        assert_eq!((&found["accuracy"], &found["targets"]), (&json!(0.75), &json!(4)));
        let table = &found["breakdowns"][0];
        assert_eq!((&table["row"], &table["names"][2]), (&json!("class"), &json!("cow")));
        assert_eq!(table["columns"]["targets"], json!(["3", "0", "1"]));
    }

    #[test]
    fn each_further_metric_has_a_line_and_each_value_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("steps.csv");
        std::fs::write(&file, "who,x,level,drift\na,1,2,3\nb,1,-4,3\n").unwrap();
        let names = vec!["level".to_owned(), "drift".to_owned()];
        let head = Regression { names, ..Regression::new(2) };
        let model = zero(Series { features: 1, scale: None }, head);
        let mut data = DataConfig::new("");
        data.series.task = fgn_data::Task::Regression;
        data.series.id = Some("who".into());
        data.series.target = vec!["level".into(), "drift".into()];
        let samples = data.read(&file, &like(&model), &mut log_progress).unwrap();
        let found = evaluated(&model, &*samples, &["mae", "r2"]);
        let expected = "Test MAE = 3.0000  (2 samples), loss 9.5000\n\
                        Test R² = -\n\n\
                        value     MAE        R²\n\
                        level  3.0000  -0.11111\n\
                        drift  3.0000         -\n";
        assert_eq!(text(model.config(), &found), expected);
        assert_eq!(json(&found)["r2"], Value::Null);
    }
}
