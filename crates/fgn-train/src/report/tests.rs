//! Reports of tiny trainings.

use std::fs;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_data::{
    Batch, Dataset, Form, Input, OpenOptions, Samples, SeriesOptions, Target, Task, open_path,
};
use fgn_nn::{InputConfig, ModelConfig, RecurrentConfig};

use super::*;
use crate::{GateRecorder, Recorder, Trainer, testing};

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
    trainer.run(&dataset, &mut (recorder, gates)).unwrap();
    let file = write_report(&folder, config, trainer.model(), &dataset).unwrap();
    let html = fs::read_to_string(file).unwrap();
    check(&html);
    html
}

/// That the page is whole, and needs nothing beside it.
#[track_caller]
fn check(html: &str) {
    let open = open_elements(html);
    assert!(open.is_empty(), "not closed: {open:?}");
    for part in PARTS {
        assert!(html.contains(&format!("id=\"{part}\"")) || html.contains(part), "no {part}");
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
    assert!(!html.contains("NaN"), "a number that is none");
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
fn config(input: InputConfig, model: impl FnOnce(&mut ModelConfig)) -> Config {
    let mut config = testing::load(&["training.epochs=2", "training.batch_size=4"]).unwrap();
    let recurrent = RecurrentConfig::new(AnyCell::FGN, 4);
    config.model = ModelConfig::classifier(3, input, recurrent);
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
    let series = SeriesOptions { task, id, target, ..SeriesOptions::default() };
    let options = OpenOptions { series, ..OpenOptions::default() };
    open_path(&file, &options, &mut |_| ()).unwrap()
}

fn series() -> InputConfig {
    InputConfig::Series { features: 2, scale: None }
}

#[test]
fn a_report_of_images_has_every_part() {
    let html = report(&testing::config(), testing::dataset());
    for part in [
        "Test accuracy",
        "of 31 test samples",
        "Cross entropy",
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
    let dataset = table(Task::Classes, |id| format!("\"{}\"", evil[id % 3].replace('"', "\"\"")));
    let html = report(&config(series(), |_| ()), dataset);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(html.contains("a &amp; b"));
    assert!(html.contains("&lt;b&gt;y&lt;/b&gt;"), "a feature's name");
    assert!(!html.contains("<script>") && !html.contains("<b>y"));
}

#[test]
fn a_report_of_numbers_has_residuals() {
    let dataset = table(Task::Numbers, |id| format!("{}", id % 3));
    let config = config(series(), |model| (model.classes, model.numbers) = (0, 1));
    let html = report(&config, dataset);
    for part in ["Test error", "Residuals", "Told − true", "Variance explained", "Squared error"]
    {
        assert!(html.contains(part), "no {part:?}");
    }
    assert!(!html.contains("Confusion matrix") && !html.contains("Accuracy (%)"));
    assert!(html.contains("<circle"));
}

#[test]
fn what_a_cell_does_not_have_is_left_out_with_a_word() {
    let more = ["model.recurrent.cell.name=rnn", "training.epochs=1"];
    let html = report(&testing::load(&more).unwrap(), testing::dataset());
    assert_eq!(html.matches("The cell rnn has no gates.").count(), 3);
    let more = ["report.gate_samples=0", "training.epochs=1", "data.validation=0"];
    let html = report(&testing::load(&more).unwrap(), testing::dataset());
    assert_eq!(html.matches("has no gates.jsonl").count(), 2);
    assert!(html.contains("The forgetting gate φ"), "that is looked at anew");
}

#[test]
fn stacks_pixels_and_other_cells_are_shown() {
    let pixels = |seed| InputConfig::ImagePixels { height: 6, width: 4, permutation_seed: seed };
    for (cell, input) in [
        (AnyCell::GRU, pixels(None)),
        (AnyCell::LSTM, pixels(Some(3))),
        (AnyCell::MIN_GRU, InputConfig::ImageRows { height: 6, width: 4 }),
    ] {
        let config = config(input, |model| {
            let two = RecurrentConfig { layers: 2, bidirectional: true, ..model.recurrent.clone() };
            model.recurrent = RecurrentConfig { cell, ..two };
        });
        let html = report(&config, testing::dataset());
        assert!(html.contains("The effective forget gate of each unit"));
        for place in ["layer 1<", "layer 1, from the end", "layer 2, from the end"] {
            assert!(html.contains(place), "no {place:?} of {cell}");
        }
        // Pixels are shown on the axis of time, in the order in which they are seen.
        assert_eq!(html.contains("Forgetting over time"), cell != AnyCell::MIN_GRU);
    }
}

/// Sequences of symbols, each of which is to be told again.
#[derive(Debug)]
struct Echo {
    form: Form,
}

impl Samples for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn len(&self) -> usize {
        12
    }

    fn form(&self) -> &Form {
        &self.form
    }

    fn batch(&self, places: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let lengths: Vec<usize> = places.iter().map(|&place| 2 + place as usize % 4).collect();
        let steps = lengths.iter().max().copied().unwrap_or(0);
        let of = |(&place, &length): (&u32, &usize)| {
            (0..steps).map(move |step| if step < length { (place + step as u32) % 3 } else { 0 })
        };
        let symbols: Vec<u32> = places.iter().zip(&lengths).flat_map(of).collect();
        let input = Tensor::from_vec(symbols, (places.len(), steps), device)?;
        Ok(Batch { target: input.clone(), input, lengths: Some(lengths) })
    }
}

#[test]
fn what_is_told_of_each_step_counts_by_step() {
    let echo = || {
        let names = ["one", "two", "three"].map(String::from).to_vec();
        let (input, target) = (Input::Symbols { symbols: 3 }, Target::Classes(names));
        Echo { form: Form { input, target, each_step: true } }
    };
    let dataset = Dataset { train: echo(), valid: Some(echo()), test: echo() }.shared();
    let input = InputConfig::Symbols { symbols: 3, size: 2 };
    let html = report(&config(input, |model| model.each_step = true), dataset);
    // Of twelve sequences with 2, 3, 4 and 5 steps.
    assert!(html.contains("of 42 test steps"), "the steps are counted");
    assert!(html.contains("<code class=\"symbols\">"));
    assert!(html.contains(", step "));
}

#[test]
fn many_classes_are_told_by_their_confusions() {
    let input = InputConfig::ImageRows { height: 6, width: 4 };
    let html = report(&config(input, |model| model.classes = 40), testing::dataset());
    assert!(html.contains("40 classes are too many for a table of all"));
}
