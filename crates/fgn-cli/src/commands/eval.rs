//! `fgn eval`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use clap::Args;
use fgn_data::{Dataset, Samples};
use fgn_nn::ModelConfig;
use fgn_schema::decimals;
use fgn_train::{
    Breakdown, Evaluation, Learner as _, Metrics, TrainedModel, check_samples, evaluate_with, like,
    log_progress, open_data, replace_file,
};

use crate::baselines::{self, Trained};
use crate::error::{Error, Result};
use crate::measured::{self, main_measure, targets};
use crate::output::{new_file, note, print, print_json, print_raw};
use crate::predictions;
use crate::stdin::{self, Source};
use crate::table::aligned;

/// Rows of a table that the text shows.
const ROWS: usize = 200;

pub(crate) const HELP: &str = "\
Examples:
  fgn eval runs/mnist-1
  fgn eval runs/mnist-1 --json | python3 -m json.tool
  fgn eval runs/series-1 --data measured-later.csv
  fgn eval runs/booking-1 --data booking-oov                 another data set's test part
  fgn eval runs/series-1 --predictions predictions.csv
  fgn eval weights.safetensors --data measured-later.csv     a file of `fgn export`

The metrics are those of the run: `metrics` in its config.toml, or those that suit its head.

--predictions writes CSV, a row for each sample (and step, if each step has a target): \"sample\",
(\"step\",) and for classes \"target\", \"prediction\" and \"probability_NAME\" of each class; for values
\"target_NAME\" and \"prediction_NAME\" of each value.

With --json: {\"accuracy\":0.97,\"loss\":0.1,\"targets\":50,\"breakdowns\":[{\"row\":\"class\",
\"names\":[\"cat\",\"dog\"],\"columns\":{\"targets\":[20,30],\"accuracy\":[0.95,null],…}}]}; null is no value.

A model that recommends the next item is compared with baselines that learn from the training part of the run:
popularity, a Markov chain, and the nearest sessions (S-KNN, V-SKNN). With --json they are in \"baselines\":
[{\"name\":\"popularity\",\"recall@20\":0.12,…},…].";

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The run folder; or, with --data, a file that `fgn export` wrote
    run: PathBuf,
    /// Evaluate on this file, folder or built-in data set instead of the run's test part; if it has parts, on its
    /// test part. - for a table on standard input
    #[arg(long, value_name = "SOURCE")]
    data: Option<PathBuf>,
    /// What standard input holds, as the ending of a file: csv, tsv or parquet
    #[arg(long, value_name = "ENDING", requires = "data")]
    format: Option<String>,
    /// Write targets and predictions to this file; - for standard output, with the evaluation on standard error
    #[arg(long, value_name = "FILE.csv")]
    predictions: Option<PathBuf>,
    /// Replace the file of --predictions if it exists
    #[arg(long, requires = "predictions")]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl EvalArgs {
    pub(crate) fn run(self, device: &Device, quiet: bool) -> Result<()> {
        let to_stdout = self.predictions.as_deref() == Some(Path::new("-"));
        if let Some(file) = self.predictions.as_ref().filter(|_| !to_stdout) {
            new_file(file, "csv", "predictions are written as CSV", self.force)?;
        }
        let trained = TrainedModel::open(&self.run, device)?;
        let (test, dataset) = self.samples(&trained)?;
        check_samples(trained.model.config(), &*test)?;
        let metrics = self.metrics(&trained, dataset.as_ref())?;
        let TrainedModel { model, data, seed, .. } = trained;
        let found = evaluate_with(&model, &*test, metrics)?;
        let trained = Trained { data: &data, seed, dataset };
        let baselines = baselines::measure(trained, &test, &found, quiet);
        if let Some(file) = &self.predictions {
            let mut table = Vec::new();
            predictions::write(&model.frozen()?, &*test, &mut table)?;
            match to_stdout {
                true => print_raw(&table)?,
                false => replace_file(file, &table)?,
            }
        }
        let text = text(model.config(), &found) + &baselines::table(&found, &baselines);
        let mut json = measured::json(&found);
        baselines::add_json(&mut json, &baselines);
        match (self.json, to_stdout) {
            (true, true) => note(&format!("{json}\n")),
            (true, false) => print_json(&json)?,
            (false, true) => note(&text),
            (false, false) => print(&text)?,
        }
        Ok(())
    }

    /// The metrics of the run. Those that need it are given the training part of its data, which is `dataset` if it is
    /// open already.
    fn metrics(&self, trained: &TrainedModel, dataset: Option<&Dataset>) -> Result<Metrics> {
        let mut metrics = trained.model.metrics(&trained.metrics)?;
        if metrics.need_training_part() {
            let seed = trained.seed.filter(|_| !trained.data.source.is_empty());
            let Some(seed) = seed else {
                return Err(Error::NoTrainingPart { file: self.run.clone() });
            };
            let dataset = dataset.cloned().map_or_else(|| open_data(&trained.data), Ok)?;
            let parts = trained.data.divide(dataset, seed).map_err(fgn_train::Error::from)?;
            metrics.prepare(&*parts.train)?;
        }
        Ok(metrics)
    }

    /// What the model is evaluated on, and the data of the run where that is a part of it.
    fn samples(&self, trained: &TrainedModel) -> Result<(Arc<dyn Samples>, Option<Dataset>)> {
        let TrainedModel { model, data, .. } = trained;
        match &self.data {
            Some(path) => {
                let input = model.config().input.samples();
                let format = stdin::format(self.format.as_deref(), input, &[path])?;
                let input = Source::open(path, format)?;
                let samples = data.read(input.path(), &like(model), &mut log_progress);
                Ok((samples.map_err(|error| input.explain(error.into()))?, None))
            }
            None if data.source.is_empty() => Err(Error::NoData { file: self.run.clone() }),
            None => {
                let dataset = open_data(data)?;
                Ok((dataset.test.clone(), Some(dataset)))
            }
        }
    }
}

fn text(model: &ModelConfig, found: &Evaluation) -> String {
    let (main, targets) = (main_measure(found), targets(found, model));
    let mut text = match found.metrics.is_empty() {
        true => format!("Test {main}  ({targets})\n"),
        false => format!("Test {main}  ({targets}), loss {}\n", decimals(found.loss(), 4)),
    };
    for info in found.metrics.iter().skip(1) {
        let value = info.format(found.get(&info.name).unwrap_or(f64::NAN));
        text += &format!("Test {} = {value}\n", info.label);
    }
    for Breakdown { row, names, columns } in &found.breakdowns {
        let head = columns.iter().map(|column| column.label.clone());
        let texts: Vec<_> = columns.iter().map(|column| column.texts()).collect();
        let mut rows = vec![[(*row).to_owned()].into_iter().chain(head).collect::<Vec<_>>()];
        rows.extend(names.iter().enumerate().take(ROWS).map(|(at, name)| {
            let cells = texts.iter().map(|cells| cells.get(at).cloned());
            [Some(name.clone())].into_iter().chain(cells).map(Option::unwrap_or_default).collect()
        }));
        text += &format!("\n{}", aligned(&rows));
        if names.len() > ROWS {
            text += &format!("… {} more, which --json prints\n", names.len() - ROWS);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Tensor};
    use fgn_core::AnyCell;
    use fgn_data::{Batch, DataConfig, Images, Padded, Samples};
    use fgn_nn::{Classification, HeadConfig, ImageRows, InputConfig, Model, Regression, Series};
    use fgn_nn::{ModelConfig, RecurrentConfig};
    use fgn_schema::{InputSchema, Schema, TargetSchema};
    use serde_json::{Value, json};

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
    fn classes_are_written_with_their_probabilities() {
        let names = ["a cat", "dog, wet"].map(str::to_owned).to_vec();
        let head = Classification { names, ..Classification::new(2) };
        let model = zero(ImageRows::new(1, 2), head);
        let images = Images::new("dots", 1, 2, 2, vec![0; 4], vec![1, 0]).unwrap();
        let mut table = Vec::new();
        predictions::write(&model, &images, &mut table).unwrap();
        let expected = format!(
            "sample,target,prediction,probability_a cat,\"probability_dog, wet\"\n\
             {},\"dog, wet\",a cat,0.5,0.5\n{},a cat,a cat,0.5,0.5\n",
            images.title(0),
            images.title(1)
        );
        assert_eq!(String::from_utf8(table).unwrap(), expected);
    }

    #[test]
    fn steps_are_written_one_a_row_without_padding() {
        let series = Series::new(1);
        let head = Regression { per_step: true, ..Regression::new(1) };
        let model = zero(series, head);
        let mut table = Vec::new();
        predictions::write(&model, &Steps::new(), &mut table).unwrap();
        let expected = "sample,step,target_0,prediction_0\nlong,0,1,0\nlong,1,2,0\nshort,0,3,0\n";
        assert_eq!(String::from_utf8(table).unwrap(), expected);
    }

    #[test]
    fn steps_without_a_target_have_no_row() {
        let mut config = DataConfig::new("copy");
        (config.task.length, config.task.symbols) = (Some(2), Some(2));
        config.task.test_samples = Some(2);
        let test = config.open(&mut |_| ()).unwrap().test;
        let names = test.schema().target.names().to_vec();
        let head =
            Classification { names: names.clone(), per_step: true, ..Classification::new(8) };
        let model = zero(fgn_nn::Embedding::new(10, 2), head);
        let mut table = Vec::new();
        predictions::write(&model, &*test, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        let rows: Vec<Vec<&str>> =
            table.lines().skip(1).map(|line| line.split(',').take(4).collect()).collect();
        let input =
            test.batch(&[0, 1], &Device::Cpu).unwrap().input().tensor().to_vec2::<u32>().unwrap();
        let symbol = |sample: usize, at: usize| names[input[sample][at] as usize - 1].clone();
        let expected = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(sample, at)| {
            [sample.to_string(), (at + 4).to_string(), symbol(sample, at), "s1".into()]
        });
        assert_eq!(rows, expected);
        assert_eq!(evaluated(&model, &*test, &[]).targets, 4);
    }

    /// Two sequences, of two steps and of one, with a target for each step.
    #[derive(Debug)]
    struct Steps {
        schema: Schema,
    }

    impl Steps {
        fn new() -> Steps {
            let target = TargetSchema::Value { names: vec!["0".into()], per_step: true };
            Steps { schema: Schema::new(InputSchema::Series { features: 1 }, target) }
        }
    }

    impl Samples for Steps {
        fn name(&self) -> &str {
            "steps"
        }
        fn len(&self) -> usize {
            2
        }
        fn schema(&self) -> &Schema {
            &self.schema
        }
        fn title(&self, index: u32) -> String {
            ["long", "short"][index as usize].into()
        }
        fn batch(&self, _: &[u32], device: &Device) -> fgn_data::Result<Batch> {
            let padded = || {
                let steps = Tensor::new(&[[[1f32], [2.0]], [[3.0], [9.0]]], device)?;
                Padded::with_lengths(steps, vec![2, 1])
            };
            Ok(Batch::new(padded()?, padded()?))
        }
    }

    #[test]
    fn of_very_many_classes_the_first_are_shown() {
        let model = zero(ImageRows::new(1, 2), Classification::new(50_257));
        let images = Images::new("dots", 1, 2, 3, vec![0; 8], vec![0, 0, 2, 0]).unwrap();
        let found = evaluated(&model, &images, &[]);
        let text = text(model.config(), &found);
        assert_eq!(text.lines().count(), 3 + ROWS + 1);
        assert!(text.ends_with("\n… 50057 more, which --json prints\n"), "{text}");
        assert_eq!(measured::json(&found)["breakdowns"][0]["names"][50_256], "50256");
    }

    #[test]
    fn json_has_each_metric_by_its_name() {
        let found = measured::json(&classified().1);
        assert!((found["loss"].as_f64().unwrap() - 3.0_f64.ln()).abs() < 1e-6, "{found}");
        assert_eq!((&found["accuracy"], &found["targets"]), (&json!(0.75), &json!(4)));
        let table = &found["breakdowns"][0];
        assert_eq!((&table["row"], &table["names"][2]), (&json!("class"), &json!("cow")));
        assert_eq!(table["columns"]["targets"], json!([3, 0, 1]));
        assert_eq!(table["columns"]["accuracy"], json!([1.0, null, 0.0]));
    }

    #[test]
    fn each_further_metric_has_a_line_and_each_value_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("steps.csv");
        std::fs::write(&file, "who,x,level,drift\na,1,2,3\nb,1,-4,3\n").unwrap();
        let names = vec!["level".to_owned(), "drift".to_owned()];
        let head = Regression { names, ..Regression::new(2) };
        let model = zero(Series::new(1), head);
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
        let json = measured::json(&found);
        assert_eq!(json["r2"], Value::Null);
        let columns = &json["breakdowns"][0]["columns"];
        assert_eq!(columns["mae"], json!([3.0, 3.0]));
        assert!((columns["r2"][0].as_f64().unwrap() + 1.0 / 9.0).abs() < 1e-6, "{columns}");
        assert_eq!(columns["r2"][1], Value::Null);

        // As CSV: the weights of the head are zero, and so are the predictions.
        let mut table = Vec::new();
        predictions::write(&model, &*samples, &mut table).unwrap();
        let expected = "sample,target_level,prediction_level,target_drift,prediction_drift\n\
                        a,2,0,3,0\nb,-4,0,3,0\n";
        assert_eq!(String::from_utf8(table).unwrap(), expected);
    }
}
