//! What `fgn` offers to programs: JSON, CSV, standard input, exported models, completions.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use image::GrayImage;
use serde_json::{Value, json};

use crate::place::{Done, Place, image};

/// Runs `fgn` with that on standard input.
fn piped(place: &Place, args: &[&str], input: &[u8]) -> Done {
    let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
    let mut command = place.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Two classes and two values; 150 sequences of one to three steps.
fn table(from: usize) -> String {
    let mut text = "who,x,kind,level,drift\n".to_owned();
    for who in from..from + 150 {
        for step in 0..=who % 3 {
            let kind = if who % 2 == 0 { "even" } else { "odd" };
            text += &format!("s{who},{},{kind},{},{}\n", who % 2 * 3 + step, who % 5, who % 7);
        }
    }
    text
}

/// A run on [`table`], `classes` or `values`.
fn trained(place: &Place, run: &str) {
    fs::write(place.path("steps.csv"), table(0)).unwrap();
    let mut args = vec!["train", "series", "--data", "steps.csv", "--epochs", "2", "--out", run];
    let sets =
        ["data.series.id=who", "model.recurrent.hidden_size=6", "optimizer.learning_rate=0.02"];
    let target = match run {
        "values" => &[
            "data.series.target=[\"level\", \"drift\"]",
            "data.series.task=regression",
            "data.series.ignore=kind",
        ][..],
        _ => &["data.series.target=kind", "data.series.ignore=[\"level\",\"drift\"]"],
    };
    args.extend(sets.iter().chain(target).flat_map(|set| ["--set", set]));
    place.fgn(&args).succeeds();
}

fn document(done: Done) -> Value {
    serde_json::from_str(&done.succeeds().out).unwrap()
}

#[test]
fn every_result_is_there_as_json() {
    let place = Place::new();
    trained(&place, "values");
    let line = place.fgn(&["predict", "values", "steps.csv", "--json"]).succeeds().out;
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let names: Vec<_> = line["values"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["drift", "level"], "{line}");
    assert!(line["values"]["level"].is_number(), "{line}");

    let found = document(place.fgn(&["eval", "values", "--json"]));
    for (table, name) in
        found["breakdowns"][0]["names"].as_array().unwrap().iter().zip(["level", "drift"])
    {
        assert_eq!(table, name);
    }
    for metric in ["mae", "rmse", "r2"] {
        let column = found["breakdowns"][0]["columns"][metric].as_array().unwrap();
        let mean = column.iter().map(|x| x.as_f64().unwrap()).sum::<f64>() / 2.0;
        assert!((mean - found[metric].as_f64().unwrap()).abs() < 1e-9, "{metric}: {found}");
    }

    let found = document(place.fgn(&["recipes", "--json"]));
    assert_eq!(found[0]["name"], "mnist");
    assert!(found[0]["about"].as_str().unwrap().len() > 10, "{found}");
    let found = document(place.fgn(&["recipes", "show", "mnist-rows", "--json"]));
    assert_eq!(
        (&found["training"]["epochs"], &found["model"]["input"]["kind"]),
        (&10.into(), &"image-rows".into())
    );
    let names: Vec<_> = fgn_data::names().collect();
    assert_eq!(document(place.fgn(&["data", "--json"])), json!({ "names": names }));
    let found = document(place.fgn(&["data", "data", "--json"]));
    assert_eq!(found["input"], "images of 28 x 28 pixels");
    assert_eq!(
        found["parts"]["train"],
        json!({ "samples": 200, "classes": (0..10).map(|class| (class.to_string(), 20.into())).collect::<serde_json::Map<_, _>>() })
    );
    assert_eq!(found["parts"]["test"]["samples"], 50);
    let found = document(place.fgn(&["report", "values/", "--json"]));
    assert_eq!(found, json!({ "file": "values/report.html" }));
    let found = document(place.fgn(&["export", "values", "x.safetensors", "--json"]));
    assert_eq!(found["file"], "x.safetensors");
    let tensors = found["tensors"].as_array().unwrap();
    assert!(
        tensors.contains(&json!({ "name": "head.bias", "shape": [2], "dtype": "f32" })),
        "{found}"
    );
    let found = document(place.fgn(&["export", "values", "x.onnx", "--json"]));
    assert_eq!((&found["file"], &found["opset"]), (&"x.onnx".into(), &17.into()));
    let series = json!({ "name": "series", "dtype": "float64", "shape": ["batch", "time", 1], "optional": false });
    assert_eq!(found["inputs"][0], series);
    assert_eq!(
        found["outputs"][0],
        json!({ "name": "values", "dtype": "float64", "shape": ["batch", 2] })
    );
    let found = document(place.fgn(&["version", "--json"]));
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn predictions_are_written_as_csv() {
    let place = Place::new();
    trained(&place, "classes");
    let eval = ["eval", "classes", "--data", "steps.csv", "--predictions"];
    let with = |more: &[&str]| place.fgn(&[&eval[..], more].concat());
    let done = with(&["p.csv"]).succeeds();
    let written = place.read("p.csv");
    let rows: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["sample", "target", "prediction", "probability_even", "probability_odd"]);
    assert_eq!(rows.len(), 1 + 150);
    for (who, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[..2], [&format!("s{who}"), ["even", "odd"][who % 2]], "more than one batch");
        let [even, odd] = [row[3], row[4]].map(|p| p.parse::<f64>().unwrap());
        assert!((even + odd - 1.0).abs() < 1e-6 && (even >= odd) == (row[2] == "even"), "{row:?}");
    }
    let right = rows[1..].iter().filter(|row| row[1] == row[2]).count();
    let accuracy = format!("Test accuracy = {:.2} %  (150 samples)", right as f64 / 1.5);
    assert!(done.out.starts_with(&accuracy), "{}", done.out);

    with(&["p.csv"]).fails_with(&["p.csv is there already", "--force"]);
    with(&["p.csv", "--force"]).succeeds();
    with(&["p.json"]).fails_with(&["p.json: expected a name that ends in .csv"]);
    let done = with(&["-"]).succeeds();
    assert_eq!(done.out, written);
    assert!(done.err.starts_with(&accuracy), "{}", done.err);

    trained(&place, "values");
    place.fgn(&["eval", "values", "--data", "steps.csv", "--predictions", "v.csv"]).succeeds();
    let written = place.read("v.csv");
    let rows: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        rows[0],
        ["sample", "target_level", "prediction_level", "target_drift", "prediction_drift"]
    );
    assert_eq!([rows[10][0], rows[10][1], rows[10][3]], ["s9", "4", "2"]);
}

#[test]
fn standard_input_stands_for_a_file() {
    let place = Place::new();
    trained(&place, "classes");
    let new = "who,x\nzz,3\nzz,4\n";
    fs::write(place.path("new.csv"), new).unwrap();
    let expected = place.fgn(&["predict", "classes", "new.csv"]).succeeds().out;
    let done = piped(&place, &["predict", "classes", "-"], new.as_bytes()).succeeds();
    assert_eq!(done.out, expected);
    let tabs = new.replace(',', "\t");
    let done = piped(&place, &["predict", "classes", "-", "--format", "tsv"], tabs.as_bytes());
    assert_eq!(done.succeeds().out, expected);
    let done = piped(&place, &["predict", "classes", "-"], b"who,x\na,one\n");
    done.fails_with(&["standard input, line 2, column \"x\""]);
    assert!(!done.err.contains("tmp"), "{}", done.err);
    let parts = ["--format is \"tsv\", expected to be left out"];
    place.fgn(&["predict", "classes", "new.csv", "--format", "tsv"]).fails_with(&parts);
    piped(&place, &["predict", "classes", "-", "--format", "../x"], b"").fails_with(&["as csv"]);
    let evaluated = place.fgn(&["eval", "classes", "--data", "steps.csv"]).succeeds().out;
    let done = piped(&place, &["eval", "classes", "--data", "-"], table(0).as_bytes());
    assert_eq!(done.succeeds().out, evaluated);
    let set = ["--set", "data.series.target=kind", "--set", "data.series.id=who"];
    let done = piped(&place, &[&["data", "-"][..], &set].concat(), table(0).as_bytes());
    assert!(done.succeeds().out.contains("2 classes"));

    place.train(1, &["--out", "run"]).succeeds();
    let picture = GrayImage::from_raw(28, 28, image(3).0).unwrap();
    for format in ["png", "bmp", "pgm"] {
        let file = place.path(&format!("digit.{format}"));
        picture.save(&file).unwrap();
        let done = piped(&place, &["predict", "run", "-"], &fs::read(file).unwrap()).succeeds();
        let class = place.fgn(&["predict", "run", &format!("digit.{format}")]).succeeds().out;
        assert_eq!(done.out, class.replace(&format!("digit.{format}"), "-"));
    }
    piped(&place, &["predict", "run", "-"], b"who,x\n").fails_with(&["the image standard input"]);
}

#[test]
fn an_exported_model_is_used_without_its_run() {
    let place = Place::new();
    for run in ["classes", "values"] {
        trained(&place, run);
        let file = format!("{run}.safetensors");
        place.fgn(&["export", run, &file]).succeeds();
        let elsewhere = Place::new();
        fs::copy(place.path(&file), elsewhere.path("model.safetensors")).unwrap();
        fs::write(elsewhere.path("other.csv"), table(3)).unwrap();
        fs::write(place.path("other.csv"), table(3)).unwrap();
        for (command, more) in [("predict", &["other.csv"][..]), ("eval", &["--data", "other.csv"])]
        {
            let of_run = place.fgn(&[&[command, run], more].concat()).succeeds().out;
            let of_file = elsewhere.fgn(&[&[command, "model.safetensors"], more].concat());
            assert_eq!(of_file.succeeds().out, of_run);
        }
        elsewhere.fgn(&["eval", "model.safetensors"]).fails_with(&["model.safetensors", "--data"]);
        let found = document(elsewhere.fgn(&["inspect", "model.safetensors", "--json"]));
        assert_eq!(
            (&found["model"]["recurrent"]["hidden_size"], &found["gates"]),
            (&6.into(), &Value::Null)
        );
    }

    // A model file of a run is its run; without the run, nothing says how data is read.
    let of_run = place.fgn(&["predict", "classes", "steps.csv"]).succeeds().out;
    for path in ["classes/", "classes/model.safetensors"] {
        assert_eq!(place.fgn(&["predict", path, "steps.csv"]).succeeds().out, of_run);
    }
    fs::copy(place.path("classes/model.safetensors"), place.path("alone.safetensors")).unwrap();
    place
        .fgn(&["predict", "alone.safetensors", "steps.csv"])
        .fails_with(&["alone.safetensors", "fgn export"]);
    place.fgn(&["predict", "steps.csv", "steps.csv"]).fails_with(&["steps.csv", "safetensors"]);
}

#[test]
fn a_name_that_promises_another_format_is_refused() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let before = place.list(".");
    for name in ["x.pt", "x.h5", "x", "x.safetensors.gz", "x.onnx.gz"] {
        let parts = [name, "ends in .safetensors", ".onnx is the other one"];
        place.fgn(&["export", "run", name]).fails_with(&parts);
    }
    let float32 = place.fgn(&["export", "run", "x.safetensors", "--float32"]);
    float32.fails_with(&["x.safetensors", "ends in .onnx", "--float32"]);
    assert_eq!(place.list("."), before);
}

#[test]
fn the_kind_of_file_is_held_against_the_kind_of_model() {
    let place = Place::new();
    trained(&place, "classes");
    fs::create_dir(place.path("photos")).unwrap();
    GrayImage::new(4, 4).save(place.path("photos/a.png")).unwrap();
    for (file, found) in [("photos", "found a folder"), ("photos/a.png", "found a file (.png)")] {
        let parts = [file, found, "the model is for series of 1 features", "a table (.csv"];
        place.fgn(&["predict", "classes", file]).fails_with(&parts);
        place.fgn(&["eval", "classes", "--data", file]).fails_with(&parts);
    }
    place.train(1, &["--out", "run"]).succeeds();
    let parts =
        ["steps.csv", "found a file (.csv)", "the model is for images of 28 x 28 pixels", "PNG"];
    place.fgn(&["predict", "run", "steps.csv"]).fails_with(&parts);
    place.fgn(&["eval", "run", "--data", "steps.csv"]).fails_with(&parts);
}

#[test]
fn gates_are_of_the_same_part_wherever_they_are_shown() {
    let place = Place::new();
    for (run, share, part) in [("with", "40", "validation"), ("without", "0", "training")] {
        let set = format!("data.validation={share}");
        place.train(1, &["--out", run, "--set", &set]).succeeds();
        let recorded = place.read(&format!("{run}/gates.jsonl"));
        let recorded: Value = serde_json::from_str(&recorded).unwrap();
        let found = document(place.fgn(&["inspect", run, "--json"]));
        for key in ["part", "samples", "steps", "layers"] {
            assert_eq!(found["gates"][key], recorded[key], "{run}: {key}");
        }
        assert_eq!(recorded["part"], part);
        let text = place.fgn(&["inspect", run]).succeeds().out;
        assert!(text.contains(&format!("of the {part} part\n")), "{text}");
    }
}

#[test]
fn a_run_that_is_not_there_may_be_a_typo() {
    let place = Place::new();
    place.train(1, &["--out", "runs/mnist-rows-1"]).succeeds();
    let parts = ["runs/mnist-row-1 is no run folder", "did you mean \"runs/mnist-rows-1\"?"];
    for args in [
        &["eval"][..],
        &["predict", "x.png"],
        &["inspect"],
        &["report"],
        &["export", "x.safetensors"],
    ] {
        let args = [&args[..1], &["runs/mnist-row-1"], &args[1..]].concat();
        place.fgn(&args).fails_with(&parts);
    }
    place.fgn(&["train", "--resume", "runs/mnist-row-1"]).fails_with(&parts);
    place
        .fgn(&["train", "--out", "data/train-labels-idx1-ubyte"])
        .fails_with(&["cannot create data/train"]);
}

#[cfg(unix)]
#[test]
fn paths_that_are_no_utf8_are_read_or_refused_with_a_word() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::new();
    trained(&place, "classes");
    let odd = OsStr::from_bytes(b"new\xff.csv");
    fs::write(place.path(".").join(odd), "who,x\na,1\n").unwrap();
    let run = |args: &[&OsStr]| {
        let mut command = place.command(&[]);
        let output =
            command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    };
    let predicted = run(&["predict".as_ref(), "classes".as_ref(), odd]).succeeds();
    assert!(predicted.out.starts_with("a: "), "{}", predicted.out);
    run(&["train".as_ref(), "series".as_ref(), "--data".as_ref(), odd])
        .fails_with(&["a path in UTF-8"]);
    assert_eq!(run(&["data".as_ref(), odd]).code, Some(2));
}

#[test]
fn help_and_version_have_commands() {
    let place = Place::new();
    assert_eq!(place.fgn(&["version"]).succeeds().out, place.fgn(&["--version"]).succeeds().out);
    assert_eq!(
        place.fgn(&["help", "train"]).succeeds().out,
        place.fgn(&["train", "--help"]).succeeds().out
    );
    assert_eq!(place.fgn(&["help"]).succeeds().out, place.fgn(&["--help"]).succeeds().out);
}

/// What `bash` offers for a line, with the script as the guide installs it.
fn offered(place: &Place, line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').collect();
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source ./fgn.bash; COMP_WORDS=({}); COMP_CWORD={}; _clap_complete_fgn fgn '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words.last().unwrap(),
    );
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_fgn"));
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", path)
        .current_dir(place.path("."))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn shells_complete() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.fgn(&["completions", shell]).succeeds().out;
        assert!(script.contains("FGN_COMPLETE"), "{shell}: {script}");
    }
    if Command::new("bash").arg("--version").output().is_err() {
        return;
    }
    fs::write(place.path("fgn.bash"), place.fgn(&["completions", "bash"]).succeeds().out).unwrap();
    fs::write(place.path("mnist-mine.toml"), "").unwrap();
    let expected = [
        "mnist",
        "mnist-rows",
        "mnist-pixels",
        "mnist-permuted",
        "mnist-binary",
        "mnist-mine.toml",
    ];
    let mut found = offered(&place, "fgn train mnist");
    found.sort();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    assert_eq!(offered(&place, "fgn train --set optimizer.nest"), ["optimizer.nesterov="]);
    assert_eq!(offered(&place, "fgn predict run --set data.images.inv"), ["data.images.invert="]);
    assert_eq!(offered(&place, "fgn train --device cu"), ["cuda", "cuda:0"]);
    assert_eq!(offered(&place, "fgn recipes show ima"), ["images"]);
    assert_eq!(offered(&place, "fgn train --last"), ["--last-good"]);
    assert_eq!(offered(&place, "fgn insp"), ["inspect"]);
}
