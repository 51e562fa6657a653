//! Reports of tiny trainings.

use std::fs;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_data::{DataConfig, Dataset, Samples, SeriesOptions, Task};
use fgn_nn::{
    Classification, Embedding, HeadConfig, ImagePixels, ImageRows, InputConfig, Model, ModelConfig,
    RecurrentConfig, Regression, Series,
};
use fgn_schema::{Batch, InputSchema, Padded, Schema, TargetSchema};
use fgn_train::{EpochMetrics, GateRecorder, Measures, Recorder, Trainer};

use super::*;
use crate::testing;

mod forecasts;
mod images;
mod sessions;
mod texts;

/// Elements that have no end.
const VOID: [&str; 6] = ["meta", "br", "img", "hr", "link", "input"];
/// What every report has.
const PARTS: [&str; 8] =
    ["summary", "curves", "mistakes", "gates", "memory", "maps", "configuration", "<h1>"];

/// Trains as `config` says, and gives the report.
fn report(config: &Config, dataset: Dataset) -> String {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let dataset = config.data.divide(dataset, config.training.seed).unwrap();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let mut trainer = Trainer::new(config, model).unwrap();
    let recorder = Recorder::create(Some(&folder), config).unwrap();
    let gates = GateRecorder::new(&folder, &dataset, config.report.gate_samples);
    let mut observers = (recorder, gates);
    trainer.run(&dataset, &mut observers).unwrap();
    let trained = trainer.evaluate_and_finish(&dataset, &mut observers).unwrap();
    let file = write_report(&folder, config, &trained.model, &dataset).unwrap();
    let html = fs::read_to_string(file).unwrap();
    check(&html);
    html
}

/// That the page is whole, and needs nothing beside it.
#[track_caller]
fn check(html: &str) {
    check_parts(html, &PARTS);
}

#[track_caller]
fn check_parts(html: &str, parts: &[&str]) {
    let open = open_elements(html);
    assert!(open.is_empty(), "not closed: {open:?}");
    for part in parts {
        assert!(html.contains(&format!("id=\"{part}\"")) || html.contains(*part), "no {part}");
    }
    let names = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for remote in ["http:", "https:", "src=\"//", "@import", "<script", "<link", "url("] {
        assert!(!names.contains(remote), "{remote}");
    }
    for attribute in ["src=\"", "href=\""] {
        for (at, _) in html.match_indices(attribute) {
            let value = &html[at + attribute.len()..];
            assert!(value.starts_with("data:image/png;base64,") || value.starts_with('#'));
        }
    }
    assert!(!html.contains("NaN"), "NaN in the page");
}

/// The elements that are open at the end; panics where an end fits no beginning.
#[track_caller]
fn open_elements(html: &str) -> Vec<&str> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains('>') || open.last() == Some(&"style"), "a bracket in {text:?}");
        rest = &rest[at + 1..];
        // A bracket may stand in a quoted value.
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let tag = &rest[..end.expect("a tag without an end")];
        rest = &rest[tag.len() + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty(), "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if name == "style" {
            let end = rest.find("</style>").expect("an end of the style");
            rest = &rest[end + "</style>".len()..];
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    open
}

/// A training on `dataset` in two epochs.
fn config(input: impl Into<InputConfig>, model: impl FnOnce(&mut ModelConfig)) -> Config {
    let mut config = testing::load(&["training.epochs=2", "training.batch_size=4"]).unwrap();
    let recurrent = RecurrentConfig::new(AnyCell::FGN, 4);
    config.model = ModelConfig::new(input, recurrent, Classification::new(3));
    config.data.validation = fgn_data::Share::Count(6);
    model(&mut config.model);
    config
}

/// A table of 30 sequences of 3 to 5 steps.
fn table(task: Task, kind: impl Fn(usize) -> String) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table.csv");
    let mut text = "id,x,<b>y</b>,target\n".to_owned();
    for id in 0..30 {
        for step in 0..3 + id % 3 {
            text += &format!("{id},{},{},{}\n", id % 3, step, kind(id));
        }
    }
    fs::write(&file, text).unwrap();
    let (id, target) = (Some("id".into()), vec!["target".into()]);
    let mut config = DataConfig::new(file.to_str().unwrap());
    let mut series = SeriesOptions::default();
    (series.task, series.id, series.target) = (task, id, target);
    config.series = series;
    config.open(&mut |_| ()).unwrap()
}

fn series() -> Series {
    Series::new(2)
}

#[test]
fn a_report_of_images_has_every_part() {
    let html = report(&testing::config(), testing::dataset());
    for part in [
        "Test accuracy",
        "of 31 test samples",
        "Best epoch",
        "Saved model",
        "Confusion matrix",
        "recall",
        "effective forget gate",
        "<b class=\"gate\">phi</b>",
        "The forgetting gate φ",
        "units remember longer than a sample",
        "Time step",
        "hidden_size = 6",
        "data:image/png;base64,",
    ] {
        assert!(html.contains(part), "no {part:?}");
    }
    // A picture an example and its map, for each of three classes.
    assert_eq!(html.matches("<image ").count(), 3 * 2);
    // Four gates; one of them is what is carried over.
    assert_eq!(html.matches("aria-label=\"Histograms of").count(), 4);
}

#[test]
fn names_from_the_data_are_text_and_nothing_else() {
    let evil = ["<script>alert(1)</script>", "a & b", "\"quoted\" 'name'"];
    let dataset =
        table(Task::Classification, |id| format!("\"{}\"", evil[id % 3].replace('"', "\"\"")));
    let html = report(&config(series(), |_| ()), dataset);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(html.contains("a &amp; b"));
    assert!(html.contains("&lt;b&gt;y&lt;/b&gt;"), "a feature's name");
    assert!(!html.contains("<script>") && !html.contains("<b>y"));
}

#[test]
fn a_report_of_numbers_has_residuals() {
    let dataset = table(Task::Regression, |id| format!("{}", id % 3));
    let config = config(series(), |model| model.head = Regression::new(1).into());
    let html = report(&config, dataset);
    for part in ["Test MAE", "Residuals", "Predicted − true", "Variance explained", "RMSE"] {
        assert!(html.contains(part), "no {part:?}");
    }
    assert!(!html.contains("Confusion matrix") && !html.contains("Accuracy (%)"));
    assert!(html.contains("<circle"));
}

#[test]
fn what_a_cell_does_not_have_is_left_out_with_a_word() {
    let more = ["model.recurrent.cell.name=rnn", "training.epochs=1"];
    let html = report(&testing::load(&more).unwrap(), testing::dataset());
    assert_eq!(html.matches("The model (rnn) has no gates.").count(), 3);
    let more = ["report.gate_samples=0", "training.epochs=1", "data.validation=0"];
    let html = report(&testing::load(&more).unwrap(), testing::dataset());
    assert_eq!(html.matches("has no gates.jsonl").count(), 2);
    assert!(html.contains("The forgetting gate φ"), "that is looked at anew");
}

#[test]
fn stacks_pixels_and_other_cells_are_shown() {
    let pixels = |permutation_seed| -> InputConfig {
        ImagePixels { permutation_seed, ..ImagePixels::new(6, 4) }.into()
    };
    for (cell, input) in [
        (AnyCell::GRU, pixels(None)),
        (AnyCell::LSTM, pixels(Some(3))),
        (AnyCell::MIN_GRU, ImageRows::new(6, 4).into()),
    ] {
        let config = config(input, |model| {
            let two = RecurrentConfig { layers: 2, bidirectional: true, ..model.recurrent.clone() };
            model.recurrent = RecurrentConfig { cell, ..two };
        });
        let html = report(&config, testing::dataset());
        assert!(html.contains("The effective forget gate of each unit"));
        for place in ["layer 1<", "layer 1, reverse", "layer 2, reverse"] {
            assert!(html.contains(place), "no {place:?} of {cell}");
        }
        // Pixels are shown on the axis of time, in the order in which they are seen.
        assert_eq!(html.contains("Forgetting over time"), cell != AnyCell::MIN_GRU);
    }
}

/// Images of 2 x 4 pixels that are all green.
#[derive(Debug)]
struct Green {
    schema: Schema,
}

impl Samples for Green {
    fn name(&self) -> &str {
        "green"
    }

    fn len(&self) -> usize {
        12
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let pixels = Tensor::new(&[0f32, 1.0, 0.0], device)?;
        let images = pixels.broadcast_as((indices.len(), 2, 4, 3))?.contiguous()?;
        let classes: Vec<u32> = indices.iter().map(|index| index % 2).collect();
        Ok(Batch::new(images, Tensor::from_vec(classes, indices.len(), device)?))
    }
}

#[test]
fn pictures_are_in_colour() {
    let green = || {
        let names = ["one", "two"].map(String::from).to_vec();
        let target = TargetSchema::Class { names, per_step: false };
        let input = InputSchema::Image { height: 2, width: 4, channels: 3 };
        Green { schema: Schema::new(input, target) }
    };
    let colours = |width: usize, height: usize| {
        crate::report::raster::picture(&[0, 255, 0].repeat(width * height), width, height).unwrap()
    };
    for (input, is_strip) in [
        (InputConfig::from(ImagePixels { in_channels: 3, ..ImagePixels::new(2, 4) }), true),
        (ImageRows { in_channels: 3, ..ImageRows::new(2, 4) }.into(), false),
    ] {
        let dataset = Dataset { train: green(), valid: Some(green()), test: green() }.shared();
        let config = config(input, |model| {
            let names = ["one", "two"].map(String::from).to_vec();
            model.head = Classification { names, ..Classification::new(2) }.into();
        });
        let html = report(&config, dataset);
        assert!(html.contains(&colours(4, 2)), "the sample is a picture in its colours");
        assert_eq!(html.contains(&colours(8, 1)), is_strip, "so is what is seen step by step");
    }
}

/// Sequences of tokens, each of which is to be predicted, or the first one where there is one target a sample.
#[derive(Clone, Debug)]
struct Echo {
    schema: Schema,
    count: usize,
    vocabulary: u32,
}

impl Echo {
    /// Of so many sequences in each part, over a vocabulary with a name for each token.
    fn new(count: usize, names: Vec<String>) -> Echo {
        let vocabulary = names.len();
        let target = TargetSchema::Class { names, per_step: true };
        let schema = Schema::new(InputSchema::tokens(vocabulary), target);
        Echo { schema, count, vocabulary: vocabulary as u32 }
    }

    fn dataset(names: Vec<String>) -> Dataset {
        let echo = || Echo::new(12, names.clone());
        Dataset { train: echo(), valid: Some(echo()), test: echo() }.shared()
    }

    /// A model for it.
    fn config(vocabulary: usize) -> Config {
        let input = Embedding::new(vocabulary, 2);
        config(input, |model| {
            let mut head = Classification::new(vocabulary);
            head.per_step = true;
            model.head = HeadConfig::from(head);
        })
    }
}

impl Samples for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn len(&self) -> usize {
        self.count
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let lengths: Vec<usize> = indices.iter().map(|&index| 2 + index as usize % 4).collect();
        let steps = lengths.iter().max().copied().unwrap_or(0);
        let of = |(&index, &length): (&u32, &usize)| {
            // The last tokens of the vocabulary, and on from the first.
            let token = move |step| (self.vocabulary - 3 + index + step as u32) % self.vocabulary;
            (0..steps).map(move |step| if step < length { token(step) } else { 0 })
        };
        let tokens: Vec<u32> = indices.iter().zip(&lengths).flat_map(of).collect();
        let tokens = Tensor::from_vec(tokens, (indices.len(), steps), device)?;
        let first = tokens.narrow(1, 0, 1)?.flatten_all()?;
        let tokens = Padded::with_lengths(tokens, lengths)?;
        Ok(match self.schema.target.is_per_step() {
            true => Batch::new(tokens.clone(), tokens),
            false => Batch::new(tokens, first),
        })
    }
}

#[test]
fn per_step_predictions_count_by_step() {
    let names = ["one", "two", "three"].map(String::from).to_vec();
    let html = report(&Echo::config(3), Echo::dataset(names));
    // Of twelve sequences with 2, 3, 4 and 5 steps.
    assert!(html.contains("of 42 test steps"), "the steps are counted");
    assert!(html.contains("<code class=\"tokens\">"));
    assert!(html.contains(", step "));
}

#[test]
fn steps_without_a_target_are_in_no_table() {
    let mut data = DataConfig::new("copy");
    (data.task.length, data.task.symbols) = (Some(3), Some(2));
    (data.task.train_samples, data.task.test_samples) = (Some(12), Some(5));
    let dataset = data.open(&mut |_| ()).unwrap();
    let names = dataset.train.schema().target.names().to_vec();
    let config = config(Embedding::new(10, 2), |model| {
        model.head = Classification { names, per_step: true, ..Classification::new(8) }.into();
    });
    let html = report(&config, dataset);
    assert!(html.contains("of 10 test steps"), "two of seven steps of five samples");
    let steps = html.split(", step ").skip(1).map(|rest| &rest[..1]);
    let steps: Vec<&str> = steps.filter(|step| step.parse::<u8>().is_ok()).collect();
    assert!(!steps.is_empty() && steps.iter().all(|step| ["6", "7"].contains(step)), "{steps:?}");
}

/// Each of a thousand classes has a very long name, and a sequence of its own.
#[test]
fn many_classes_are_listed_by_their_confusions() {
    let long = |id: usize| format!("{id:04}{}", "-very-long-name".repeat(100));
    let names: Vec<_> = (0..1000).map(long).collect();
    let mut echo = Echo::new(1000, names.clone());
    echo.schema.target = TargetSchema::Class { names, per_step: false };
    let dataset = Dataset { train: echo.clone(), valid: None, test: echo }.shared();
    let config = config(Embedding::new(1000, 2), |model| {
        model.head = Classification::new(1000).into();
    });
    let html = report(&config, dataset);
    assert!(html.contains("1000 classes are too many for a table of all"));
    let pairs = html.split("Times").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(pairs.matches("<tr>").count(), 30, "the most frequent ones");
    assert!(
        html.contains("-very-long-name…<") && !html.contains(&long(3)),
        "of a long name the beginning"
    );
    assert!(html.len() < 1_000_000, "{}", html.len());
}

#[test]
fn a_single_class_has_a_report() {
    let dataset = table(Task::Classification, |_| "only".into());
    let html = report(&config(series(), |_| ()), dataset);
    assert!(
        html.contains("<td class=\"strong\" style=\"background:rgba(31,119,180,0.90)\">6</td>")
    );
    assert!(html.contains("There are none among the test samples."));
    let confusion = outcomes::Confusion { classes: 40, ..Default::default() };
    let (config, dataset) = (testing::config(), testing::dataset());
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let training = Training::of(&config).unwrap();
    let of = Subject {
        training: &training,
        model: &model,
        dataset: &dataset,
        history: Vec::new(),
        epoch: None,
        streaming: None,
        gates: Vec::new(),
        roles: Default::default(),
        outcomes: outcomes::measure(&model, &dataset.test, model.metrics(&[]).unwrap()).unwrap(),
    };
    let body = confusion::section(&of, &confusion).body.into_string();
    assert!(body.contains("No test sample was taken for one of another class."));
}

/// Targets that are all equal have no variance, so R² is NaN.
#[test]
fn measures_without_a_value_are_dashes_and_small_ones_have_their_digits() {
    let dataset = table(Task::Regression, |_| "0.0000002".into());
    let config = config(series(), |model| model.head = Regression::new(1).into());
    let html = report(&config, dataset);
    assert!(html.contains("Test R²") && !html.contains(">0.0000<"), "a loss of 0 is not meant");

    // Epochs whose losses are small, and whose metric is NaN.
    let (config, dataset) = (testing::config(), testing::dataset());
    let folder = tempfile::tempdir().unwrap();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let epoch = |epoch: usize, loss: f64| {
        let valid = Measures::new(loss).with("accuracy", f64::NAN);
        let metrics = EpochMetrics::new(epoch, epoch, valid.clone(), Some(valid));
        serde_json::to_string(&metrics).unwrap() + "\n"
    };
    let lines = epoch(1, 2e-7) + &epoch(2, 1e-7) + &epoch(3, 3e-7);
    fs::write(folder.path().join("metrics.jsonl"), lines).unwrap();
    let file = write_report(folder.path(), &config, &model, &dataset).unwrap();
    let html = fs::read_to_string(file).unwrap();
    check(&html);
    for part in ["<td>1.000e-7</td>", "<td>-</td>", "2 (best)", "\n1e-7\n", "epoch 3</div>"] {
        assert!(html.contains(part), "no {part:?}");
    }
    assert!(html.contains("The dashed line is epoch 2, the best by the loss: the saved model has"));
}

/// The saved model is that of the best epoch where the training keeps it.
#[test]
fn the_report_says_which_epoch_is_saved() {
    let last = testing::load(&["checkpoint.model=last"]).unwrap();
    let html = report(&last, testing::dataset());
    assert!(html.contains("epoch 4</div>") && html.contains("the weights of the last epoch"));
    let html = report(&testing::config(), testing::dataset());
    assert!(html.contains("the weights of the best epoch"));
    assert!(html.contains("its weights are the saved model's"));
}

#[test]
fn a_report_of_one_epoch_without_validation_has_every_part() {
    let more = ["training.epochs=1", "data.validation=0"];
    let html = report(&testing::load(&more).unwrap(), testing::dataset());
    assert!(html.contains("on the training part"));
    let curves = html.split("id=\"curves\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(curves.matches("<circle").count(), 2, "a point a curve");
    assert!(!curves.contains("validation</text>"));
}

/// Trained, evaluated and reported: nothing has a row or column for each pair of classes.
#[test]
fn as_many_classes_as_a_language_model_has_tokens() {
    const VOCABULARY: usize = 50_257;
    let names = (0..VOCABULARY).map(|token| token.to_string()).collect();
    let html = report(&Echo::config(VOCABULARY), Echo::dataset(names));
    assert!(html.contains("50257 classes are too many for a table of all"));
    assert!(html.contains("of 42 test steps"));
    assert!(html.len() < 1 << 20, "{} bytes", html.len());
}

/// A model of one's own has a report like any other: without metrics and gates these parts say so.
#[test]
fn a_model_of_ones_own_has_a_report() {
    struct Own(Model);
    impl Learner for Own {
        fn parameters(&self) -> &[(String, candle_core::Var)] {
            self.0.parameters()
        }

        fn forward(
            &self,
            batch: &Batch,
            pass: fgn_train::Pass<'_>,
        ) -> fgn_train::Result<fgn_train::Scored> {
            Learner::forward(&self.0, batch, pass)
        }
    }
    let (config, dataset) = (testing::config(), testing::dataset());
    let folder = tempfile::tempdir().unwrap();
    let model = Own(Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap());
    let file = write_report(folder.path(), &config, &model, &dataset).unwrap();
    let html = fs::read_to_string(file).unwrap();
    check(&html);
    assert!(html.contains("Confusion matrix") && html.contains("The model (model) has no gates."));
}
