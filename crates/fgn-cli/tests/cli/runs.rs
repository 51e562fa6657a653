//! What `fgn` does with good input.

use std::fs;

use crate::place::{Place, image};
use image::GrayImage;
use serde_json::Value;

#[test]
fn a_run_is_trained_measured_and_used() {
    let place = Place::new();
    let done = place.train(6, &["--out", "run"]).succeeds();
    for part in [
        "mnist-rows: fgn, ",
        "160 training, 40 validation and 50 test samples",
        "Epoch: 1 cost = ",
        "Epoch: 6 cost = ",
        "  validation accuracy = ",
        "fgn eval run",
        "class by class",
    ] {
        assert!(done.out.contains(part), "no {part:?} in {}", done.out);
    }
    assert_eq!(done.out.matches("Test accuracy = ").count(), 1);
    let files = [
        "checkpoints",
        "config.toml",
        "curves.svg",
        "gates.jsonl",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
    ];
    let mut found = place.list("run");
    let events = found.remove(3);
    assert!(events.starts_with("events.out.tfevents."), "{events}");
    assert_eq!(found, files);
    assert!(place.read("run/curves.svg").starts_with("<svg"));
    let gates = place.read("run/gates.jsonl");
    for (epoch, line) in (1..).zip(gates.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["epoch"], &line["samples"]), (&epoch.into(), &40.into()));
        assert_eq!(line["layers"][0]["gates"][3]["name"], "phi");
    }
    assert_eq!(gates.lines().count(), 6);

    let metrics = place.read("run/metrics.jsonl");
    let lines: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 7);
    for (epoch, line) in (1..).zip(&lines[..6]) {
        assert_eq!(line["epoch"], epoch);
        for key in ["train_accuracy", "valid_accuracy"] {
            assert!((0.0..=1.0).contains(&line[key].as_f64().unwrap()), "{line}");
        }
        for key in ["train_loss", "valid_loss", "seconds", "samples_per_second"] {
            assert!(line[key].as_f64().unwrap() > 0.0, "{line}");
        }
    }
    assert_eq!(lines[6]["final"], true);
    // The best epoch's model is kept, and the summary and the report say which one that is.
    let loss = |line: &Value| line["valid_loss"].as_f64().unwrap();
    let best = lines[..6].iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
    assert_eq!(lines[6]["epoch"], best["epoch"]);
    let kept =
        format!("The model is that of epoch {} of 6, the best by validation loss", best["epoch"]);
    assert!(done.out.contains(&kept), "no {kept:?} in {}", done.out);
    let report = place.read("run/report.html");
    let (_, tile) = report.split_once("Saved model").unwrap();
    assert!(tile.starts_with(&format!("</div><div class=\"value\">epoch {}</div>", best["epoch"])));
    let accuracy = lines[6]["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "the bands are easy to learn: {metrics}");

    // Measured again, from another folder: the same to the last digit printed.
    let run = place.path("run");
    let elsewhere = Place::new();
    let found = elsewhere.fgn(&["eval", run.to_str().unwrap()]).succeeds().out;
    let loss = lines[6]["test_loss"].as_f64().unwrap();
    let first = format!("Test accuracy = {:.2} %  (50 samples), loss {loss:.4}", 100.0 * accuracy);
    assert_eq!(found.lines().next().unwrap(), first);
    assert_eq!(found.lines().count(), 3 + 10, "{found}");
    let correct: f64 = found.lines().skip(3).map(|row| cell(row, 2)).sum();
    assert_eq!(correct, 50.0 * accuracy, "{found}");

    // As JSON: the same numbers, to the last digit.
    let found = place.fgn(&["eval", "run", "--json"]).succeeds().out;
    let found: Value = serde_json::from_str(&found).unwrap();
    for (key, expected) in
        [("accuracy", "test_accuracy"), ("loss", "test_loss")].map(|(a, b)| (a, &lines[6][b]))
    {
        assert_eq!(&found[key], expected, "{found}");
    }
    assert_eq!(found["targets"], 50);
    let table = &found["breakdowns"][0];
    assert_eq!((&table["row"], &table["names"][7]), (&"class".into(), &"7".into()));
    assert_eq!(table["columns"]["targets"][7], 5);

    // Used, with a bad file among the good.
    for class in [3, 7] {
        let picture = GrayImage::from_raw(28, 28, image(100 + class).0).unwrap();
        picture.save(place.path(&format!("{class}.png"))).unwrap();
    }
    fs::write(place.path("bad.png"), "no image").unwrap();
    let done = place.fgn(&["predict", "run", "3.png", "bad.png", "7.png"]);
    done.fails_with(&["bad.png", "cannot read the image"]);
    assert!(done.out.contains("3.png: 3\n") && done.out.contains("7.png: 7\n"), "{}", done.out);
    let done = place.fgn(&["predict", "run", "--json", "7.png"]).succeeds();
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&found["file"], &found["class"]), (&"7.png".into(), &7.into()));
    let probabilities = found["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
    assert!(probabilities.len() == 10 && (sum - 1.0).abs() < 1e-5, "{}", done.out);
    assert!(probabilities["7"].as_f64().unwrap() > 0.5, "{}", done.out);
}

/// The number in a column of a table's row.
fn cell(row: &str, column: usize) -> f64 {
    row.split_whitespace().nth(column).unwrap().parse().unwrap()
}

#[test]
fn a_report_is_written_and_written_again() {
    let place = Place::new();
    place.train(2, &["--out", "run"]).succeeds();
    let first = place.read("run/report.html");
    for part in ["<h1>mnist-rows</h1>", "Confusion matrix", "hidden_size = 8", "of 50 test samples"]
    {
        assert!(first.contains(part), "no {part:?}");
    }
    fs::remove_file(place.path("run/report.html")).unwrap();
    let done = place.fgn(&["report", "run"]).succeeds();
    assert_eq!(done.out, "run/report.html\n");
    assert!(place.read("run/report.html") == first, "the same run gave another report");
    place.fgn(&["report", "data"]).fails_with(&["data is no run folder"]);
}

#[test]
fn the_seed_decides_the_model_and_the_threads_do_not() {
    let place = Place::new();
    let model = |name: &str, more: &[&str]| {
        place.train(2, &[&["--out", name], more].concat()).succeeds();
        fs::read(place.path(name).join("model.safetensors")).unwrap()
    };
    let one = model("one", &["--threads", "1"]);
    assert!(one == model("two", &["--threads", "2"]), "two threads gave another model");
    assert!(one == model("three", &["--threads", "3"]), "three threads gave another model");
    assert!(one != model("other", &["--seed", "2"]), "another seed gave the same model");

    // What a run keeps repeats it.
    place.fgn(&["train", "one/config.toml", "--out", "again"]).succeeds();
    assert!(one == fs::read(place.path("again/model.safetensors")).unwrap());
    assert_eq!(place.read("one/config.toml"), place.read("again/config.toml"));
}

#[test]
fn the_articles_network_depends_on_no_threads_either() {
    let place = Place::new();
    let small = "train mnist --data data --epochs 1 --batch-size 20 --set data.validation=140 \
                 --set model.input.channels=[4,6] --set model.recurrent.hidden_size=8 \
                 --set model.dense.size=24";
    let small: Vec<_> = small.split_whitespace().collect();
    let model = |name: &str, threads: &str| {
        place.fgn(&[&small[..], &["--out", name, "--threads", threads]].concat()).succeeds();
        fs::read(place.path(name).join("model.safetensors")).unwrap()
    };
    assert!(model("one", "1") == model("three", "3"), "three threads gave another model");
}

#[test]
fn runs_are_numbered_where_nobody_names_them() {
    let place = Place::new();
    for _ in 0..2 {
        place.train(1, &[]).succeeds();
    }
    assert_eq!(place.list("runs"), ["mnist-rows-1", "mnist-rows-2"]);
}

#[test]
fn help_is_help_and_no_error() {
    let place = Place::new();
    let help = place.fgn(&["train", "--help"]).succeeds();
    for part in [
        "mnist-permuted",
        "--learning-rate",
        "Examples:",
        "--resume",
        "--continue",
        "--accept-changed-data",
        "checkpoint.model=last",
        "data.series.task=regression",
        "model.head",
        "monitor=accuracy",
    ] {
        assert!(help.out.contains(part), "no {part:?} in {}", help.out);
    }
    let help = place.fgn(&["--help"]).succeeds();
    for part in ["Exit codes:", "130  interrupted", "FGN_LOG"] {
        assert!(help.out.contains(part), "no {part:?} in {}", help.out);
    }
}

#[test]
fn recipes_are_listed_shown_and_trained() {
    let place = Place::new();
    let list = place.fgn(&["recipes"]).succeeds().out;
    assert!(list.contains("mnist-rows      MNIST row by row: 28 time steps"), "{list}");
    let text = place.fgn(&["recipes", "show", "mnist-rows"]).succeeds().out;
    assert_eq!(text, fgn_train::Config::recipe_text("mnist-rows").unwrap());
}

#[test]
fn a_data_set_is_described() {
    let place = Place::new();
    let found = place.fgn(&["data", "data"]).succeeds().out;
    for part in [
        "input     images of 28 x 28 pixels\ntarget    10 classes\n",
        "train     200 samples  (0: 20  1: 20",
        "test      50 samples  (0: 5",
    ] {
        assert!(found.contains(part), "no {part:?} in {found}");
    }
    let names: Vec<_> = fgn_data::names().collect();
    assert_eq!(place.fgn(&["data"]).succeeds().out, names.join("\n") + "\n");
}

#[test]
fn weights_are_exported_with_pytorchs_names() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let done = place.fgn(&["export", "run", "weights.safetensors"]).succeeds();
    assert!(done.out.contains("recurrent.weight_hh_l0 [32, 8]"), "{}", done.out);
    let file = fs::read(place.path("weights.safetensors")).unwrap();
    let found = safetensors::SafeTensors::deserialize(&file).unwrap();
    let trained = fs::read(place.path("run/model.safetensors")).unwrap();
    let trained = safetensors::SafeTensors::deserialize(&trained).unwrap();
    assert_eq!(found.len(), trained.len());
    for (name, tensor) in trained.tensors() {
        assert_eq!(found.tensor(&name).unwrap(), tensor);
    }
    let again = place.fgn(&["export", "run", "weights.safetensors"]);
    again.fails_with(&["weights.safetensors is there already", "--force"]);
    place.fgn(&["export", "run", "weights.safetensors", "--force"]).succeeds();
}

#[test]
fn a_model_is_exported_as_a_graph() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let done = place.fgn(&["export", "run", "model.onnx"]).succeeds();
    for line in [
        "input  images float32[batch, 28, 28]\n",
        "input  state_l0 float32[2, state_batch, 8] (optional)\n",
        "output logits float32[batch, 10]\n",
        "output next_state_l0 float32[2, batch, 8]\n",
        "opset  17\n",
    ] {
        assert!(done.out.contains(line), "{}", done.out);
    }
    let written = fs::read(place.path("model.onnx")).unwrap();
    let again = place.fgn(&["export", "run", "model.onnx"]);
    again.fails_with(&["model.onnx is there already", "--force"]);
    place.fgn(&["export", "run", "model.onnx", "--force"]).succeeds();
    assert_eq!(fs::read(place.path("model.onnx")).unwrap(), written);
}

#[test]
fn what_happens_is_logged_when_asked_for() {
    let place = Place::new();
    let quiet = place.train(1, &["--out", "quiet"]).succeeds();
    assert!(!quiet.err.contains("saved"), "{}", quiet.err);
    let loud = place.train(1, &["--out", "loud", "-vv"]).succeeds();
    assert!(loud.err.contains("DEBUG saved loud/checkpoints/step-000000016"), "{}", loud.err);
    let variable = [("FGN_LOG", "fgn_train=debug")];
    let loud = place.fgn_with(&["train", "--resume", "loud"], &variable).succeeds();
    assert!(loud.out.contains("Resuming after step 16"), "{}", loud.out);
    place.fgn_with(&["recipes"], &[("FGN_LOG", "a=b=c")]).fails_with(&["FGN_LOG", "as info"]);
}

#[test]
fn every_metric_of_every_part_is_written() {
    let place = Place::new();
    let rows: String =
        (0..80).map(|id| format!("{id},{},{}\n{id},{id},{}\n", id % 7, id % 7, id % 7)).collect();
    fs::write(place.path("steps.csv"), format!("id,x,target\n{rows}")).unwrap();
    let args = ["train", "series", "--data", "steps.csv", "--epochs", "3", "--out", "run"];
    let more =
        ["data.series.task=regression", "metrics=[\"mae\", \"rmse\", \"r2\"]", "monitor=mae"];
    let more = more.iter().flat_map(|setting| ["--set", setting]);
    place.fgn(&args.into_iter().chain(more).collect::<Vec<_>>()).succeeds();
    let metrics = place.read("run/metrics.jsonl");
    let lines: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, epochs) = lines.split_last().unwrap();
    assert_eq!(epochs.len(), 3);
    for name in ["loss", "mae", "rmse", "r2"] {
        for part in ["train", "valid"] {
            for epoch in epochs {
                assert!(epoch[format!("{part}_{name}")].is_f64(), "{part} {name}: {epoch}");
            }
        }
        assert!(last[format!("test_{name}")].is_f64(), "{name}: {last}");
    }
}

#[test]
fn a_finished_run_is_given_more_epochs() {
    let place = Place::new();
    let constant = ["--set", "schedule.name=constant", "--out"];
    place.train(4, &[&constant[..], &["whole"]].concat()).succeeds();
    place.train(2, &[&constant[..], &["run"]].concat()).succeeds();
    place.fgn(&["train", "--resume", "run", "--epochs", "2"]).fails_with(&["more than", "found 2"]);
    let done = place.fgn(&["train", "--resume", "run", "--epochs", "4"]).succeeds();
    assert!(done.out.contains("of 4, ") && !done.out.contains("Epoch: 2 "), "{}", done.out);
    let bytes = |name: &str| fs::read(place.path(name).join("model.safetensors")).unwrap();
    assert!(bytes("run") == bytes("whole"), "the same as 4 epochs at once");
    assert!(place.read("run/config.toml").contains("epochs = 4"));
    let lines = place.read("run/metrics.jsonl");
    assert_eq!(lines.lines().count(), 5, "{lines}");

    // As it is after a kill before the next checkpoint: the checkpoint is of fewer epochs.
    let config = place.read("run/config.toml").replace("epochs = 4", "epochs = 5");
    fs::write(place.path("run/config.toml"), config).unwrap();
    let done = place.fgn(&["train", "--resume", "run"]).succeeds();
    assert!(done.out.contains("Epoch: 5 "), "{}", done.out);
}

#[test]
fn a_run_begins_with_the_weights_of_another_and_leaves_some_alone() {
    let place = Place::new();
    place.train(1, &["--out", "first"]).succeeds();
    let freeze = ["--set", "training.freeze=[\"recurrent.*\"]", "--set", "model.head.classes=12"];
    let args = [&["--out", "then", "--init", "first"][..], &freeze].concat();
    let done = place.train(1, &args).succeeds();
    assert!(
        done.out.contains("It began with initial weights of 4 parameters from "),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("their own: head.weight ([10, 8] there, [12, 8] here)"),
        "{}",
        done.out
    );
    let config = place.read("then/config.toml");
    assert!(
        config.contains("init = \"/") && config.contains("freeze = [\"recurrent.*\"]"),
        "{config}"
    );
    let weights = |run: &str| {
        let file = place.path(run).join("model.safetensors");
        let tensors = candle_core::safetensors::load(file, &candle_core::Device::Cpu).unwrap();
        tensors["recurrent.weight_hh_l0"].flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(weights("then"), weights("first"));
    let json = place.train(1, &["--init", "first", "--json"]).succeeds();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["initial"]["kept"], serde_json::json!([]));
    place.train(1, &["--init", "frist"]).fails_with(&["frist", "did you mean", "first"]);
    let wrong = place.train(1, &["--set", "training.freeze=[\"cell.*\"]"]);
    wrong.fails_with(&["\"cell.*\", which no parameter is called", "recurrent.weight_ih_l0"]);
}
