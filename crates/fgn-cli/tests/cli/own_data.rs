//! Data of one's own: tables of series, folders of images.

use std::fs;
use std::path::Path;

use image::GrayImage;
use serde_json::Value;

use crate::place::Place;

/// Sequences of 3 to 8 steps, some rising and some falling; `level` is what they begin with.
fn table(sequences: usize, with_target: bool) -> String {
    let mut text =
        if with_target { "who,x,noise,kind,level\n" } else { "noise,who,x\n" }.to_owned();
    for who in 0..sequences {
        let (rises, level) = (who % 2 == 0, who % 7);
        for step in 0..3 + who % 6 {
            let slope = if rises { 1.0 } else { -1.0 };
            let x = level as f64 + slope * step as f64;
            let noise = (who * 31 + step * 17) % 11;
            let kind = if rises { "rises" } else { "falls" };
            text += &match with_target {
                true => format!("s{who},{x},{noise},{kind},{level}\n"),
                false => format!("{noise},s{who},{x}\n"),
            };
        }
    }
    text
}

const SMALL: [&str; 6] = [
    "--set",
    "model.recurrent.hidden_size=12",
    "--set",
    "data.series.id=who",
    "--set",
    "optimizer.learning_rate=0.02",
];

#[test]
fn classes_of_series_of_many_lengths() {
    let place = Place::new();
    fs::write(place.path("steps.csv"), table(200, true)).unwrap();
    let data = ["--set", "data.series.target=kind", "--set", "data.series.ignore=level"];
    let args = [&["train", "series", "--data", "steps.csv", "--out", "run"][..], &SMALL, &data];
    let done = place.fgn(&[&args.concat()[..], &["--epochs", "12"]].concat()).succeeds();
    assert!(done.out.contains("144 training, 16 validation and 40 test samples"), "{}", done.out);
    let config = place.read("run/config.toml");
    for part in
        ["names = [\n    \"falls\",\n    \"rises\",\n]", "features = 2", "[model.input.scale]"]
    {
        assert!(config.contains(part), "no {part:?} in {config}");
    }

    let found = place.fgn(&["eval", "run"]).succeeds().out;
    assert!(found.starts_with("Test accuracy = 100.00 %  (40 samples)"), "{found}");
    assert!(found.contains("\nrises ") && found.contains("\nfalls "), "{found}");

    // A table is one whatever the case of its ending, and measured whole.
    fs::copy(place.path("steps.csv"), place.path("STEPS.CSV")).unwrap();
    let eval = |file| place.fgn(&["eval", "run", "--data", file]).succeeds().out;
    assert_eq!(eval("STEPS.CSV"), eval("steps.csv"));
    assert!(eval("STEPS.CSV").contains("(200 samples)"), "{}", eval("STEPS.CSV"));

    // Another table of the same, measured whole; its columns stand in another order.
    fs::write(place.path("later.csv"), "kind,level,noise,who,x\nrises,0,3,a,1\nrises,0,3,a,4\n")
        .unwrap();
    let found = place.fgn(&["eval", "run", "--data", "later.csv"]).succeeds().out;
    assert!(found.starts_with("Test accuracy = 100.00 %  (1 sample)"), "{found}");
    fs::write(place.path("odd.csv"), "kind,level,noise,who,x\nsinks,0,3,a,1\n").unwrap();
    place.fgn(&["eval", "run", "--data", "odd.csv"]).fails_with(&["sinks", "falls, rises"]);

    // Used on a table without targets.
    fs::write(place.path("new.csv"), table(9, false)).unwrap();
    let output = place.fgn(&["predict", "run", "new.csv"]).succeeds().out;
    assert!(output.starts_with("s0: rises\n  falls: 0."), "{output}");
    assert_eq!(output.lines().count(), 2 * 9);
    let output = place.fgn(&["predict", "run", "new.csv", "--json"]).succeeds().out;
    let line: Value = serde_json::from_str(output.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["sample"], &line["name"]), (&"s1".into(), &"falls".into()));
    fs::write(place.path("lacking.csv"), "who,x\na,1\n").unwrap();
    place
        .fgn(&["predict", "run", "lacking.csv"])
        .fails_with(&["no column \"noise\"", "found \"who, x\""]);
    GrayImage::new(4, 4).save(place.path("a.png")).unwrap();
    place
        .fgn(&["predict", "run", "a.png"])
        .fails_with(&["a.png: found a file (.png), but the model is for series of 2 features"]);

    // What a run keeps repeats it, from elsewhere too.
    let elsewhere = Place::new();
    let config = place.path("run/config.toml");
    let args = ["train", config.to_str().unwrap(), "--out", "again"];
    elsewhere.fgn(&args).succeeds();
    let model =
        |place: &Place, run: &str| fs::read(place.path(run).join("model.safetensors")).unwrap();
    assert!(model(&place, "run") == model(&elsewhere, "again"));
    assert_eq!(place.read("run/config.toml"), elsewhere.read("again/config.toml"));
}

#[test]
fn values_of_series() {
    let place = Place::new();
    fs::write(place.path("steps.csv"), table(200, true)).unwrap();
    let data = [
        "--set",
        "data.series.target=level",
        "--set",
        "data.series.ignore=kind",
        "--set",
        "data.series.task=regression",
        "--epochs",
        "25",
    ];
    let args = [&["train", "series", "--data", "steps.csv", "--out", "run"][..], &SMALL, &data];
    let done = place.fgn(&args.concat()).succeeds();
    assert!(
        done.out.contains("validation MAE = ") && done.out.contains("Test MAE = "),
        "{}",
        done.out
    );
    let last = place.read("run/metrics.jsonl");
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert!(last.get("test_accuracy").is_none(), "{last}");
    assert!(last["test_mae"].as_f64().unwrap() > 0.0, "{last}");

    let found = place.fgn(&["eval", "run"]).succeeds().out;
    let lines: Vec<_> = found.lines().take(3).map(|line| &line[..9]).collect();
    assert_eq!(lines, ["Test MAE ", "Test RMSE", "Test R² "], "{found}");
    let row: Vec<_> = found.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row[0], "level");
    assert!(row[3].parse::<f64>().unwrap() > 0.9, "most of the variance is explained: {found}");

    fs::write(place.path("new.csv"), table(5, false)).unwrap();
    let output = place.fgn(&["predict", "run", "new.csv"]).succeeds().out;
    assert_eq!(output.lines().count(), 5);
    let numbers =
        output.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    for (at, number) in numbers.enumerate() {
        assert!((number - at as f64).abs() < 1.5, "{output}");
    }
}

#[test]
fn forecasts_of_one_long_series() {
    let place = Place::new();
    let wave = |at: usize| (at as f64 * 0.3).sin();
    let rows: String = (0..400).map(|at| format!("{:.5}\n", wave(at))).collect();
    fs::write(place.path("wave.csv"), format!("height\n{rows}")).unwrap();
    let recipe = "name = \"wave\"\nmetrics = [\"mae\", \"rmse\", \"r2\", \"mase@10\"]\n[data]\nsource = \"wave.csv\"\nvalidation = 0.1\n[data.series]\n\
                  target = \"height\"\ntask = { forecast = { window = 12 } }\n[training]\nepochs = 12\n\
                  batch_size = 16\n[optimizer]\nname = \"adam\"\nlearning_rate = 0.01\n[model.recurrent]\n\
                  hidden_size = 12\ncell = { name = \"gru\" }\n";
    fs::write(place.path("wave.toml"), recipe).unwrap();
    place.fgn(&["train", "wave.toml"]).succeeds();
    assert!(place.read("runs/wave-1/report.html").contains("true continuation"));
    let found = place.fgn(&["eval", "runs/wave-1"]).succeeds().out;
    let row: Vec<_> = found.lines().last().unwrap().split_whitespace().collect();
    assert!(row[3].parse::<f64>().unwrap() > 0.95, "{found}");
    // Half a period before, the wave has the opposite sign.
    assert!(found.contains("MASE@10") && row[4].parse::<f64>().unwrap() < 0.2, "{found}");
    assert!(place.read("runs/wave-1/report.html").contains("MASE@10"));
    let metrics = place.read("runs/wave-1/metrics.jsonl");
    assert!(metrics.contains("\"train_mase@10\"") && metrics.contains("\"test_mase@10\""));
    let again = place.fgn(&["eval", "runs/wave-1", "--data", "wave.csv"]).succeeds().out;
    assert!(again.contains("MASE@10"), "{again}");
    place.fgn(&["export", "runs/wave-1", "wave.safetensors"]).succeeds();
    let exported = place.fgn(&["eval", "wave.safetensors", "--data", "wave.csv"]);
    exported.fails_with(&["where its training data is"]);
    let refused = place.fgn(&["train", "wave.toml", "--set", "metrics=[\"mase@24\"]"]);
    refused.fails_with(&["mase@24 needs a window"]);
    assert!(!place.path("runs/wave-2").exists(), "it is refused before anything is written");

    // Of so many rows as a window has, what comes behind them.
    let rows: String = (400..412).map(|at| format!("{:.5}\n", wave(at))).collect();
    fs::write(place.path("last.csv"), format!("height\n{rows}")).unwrap();
    let output = place.fgn(&["predict", "runs/wave-1", "last.csv"]).succeeds().out;
    let number: f64 = output.trim().strip_prefix("rows from 1: height: ").unwrap().parse().unwrap();
    assert!((number - wave(412)).abs() < 0.3, "{output} {}", wave(412));
}

/// Squares and frames of several sizes, in a folder a class.
fn pictures(folder: &Path, count: u32) {
    for at in 0..count {
        for (class, filled) in [("frame", false), ("square", true)] {
            let side = 20 + at % 9;
            let shade = |x: u32, y: u32| {
                let edge = x.min(y).min(side - 1 - x).min(side - 1 - y);
                let inside = edge >= 3 && (filled || edge < 6);
                image::Luma([if inside { 200 + (at % 50) as u8 } else { (at % 40) as u8 }])
            };
            fs::create_dir_all(folder.join(class)).unwrap();
            let file = folder.join(class).join(format!("{at}.png"));
            GrayImage::from_fn(side, side, shade).save(file).unwrap();
        }
    }
}

#[test]
fn images_in_a_folder_a_class() {
    let place = Place::new();
    pictures(&place.path("photos"), 60);
    let args = [
        "train",
        "images",
        "--data",
        "photos",
        "--out",
        "run",
        "--epochs",
        "6",
        "--set",
        "model.input.channels=[4,6]",
        "--set",
        "data.images.size=[16,16]",
        "--set",
        "model.recurrent.hidden_size=12",
        "--learning-rate",
        "0.01",
    ];
    let done = place.fgn(&args).succeeds();
    assert!(done.out.contains("86 training, 10 validation and 24 test samples"), "{}", done.out);
    let found = place.fgn(&["eval", "run"]).succeeds().out;
    assert!(found.contains("\nframe ") && found.contains("= 100.00 %  (24 samples)"), "{found}");
    let output =
        place.fgn(&["predict", "run", "photos/square/3.png", "photos/frame/7.png"]).succeeds();
    assert!(
        output.out.contains("3.png: square\n") && output.out.contains("7.png: frame\n"),
        "{}",
        output.out
    );

    // All images of a folder, without their classes.
    let output = place.fgn(&["predict", "run", "photos", "--json"]).succeeds().out;
    let lines: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 120);
    for line in lines {
        assert_eq!(line["file"], "photos");
        let (class, _) = line["sample"].as_str().unwrap().split_once('/').unwrap();
        assert_eq!(line["name"], class, "{line}");
    }

    // A negative, and read as one: its square is darker than its ground.
    let mut negative = image::open(place.path("photos/square/3.png")).unwrap().into_luma8();
    image::imageops::invert(&mut negative);
    negative.save(place.path("negative.png")).unwrap();
    let predict = |more: &[&str]| {
        place.fgn(&[&["predict", "run", "negative.png"], more].concat()).succeeds().out
    };
    let plain = place.fgn(&["predict", "run", "photos/square/3.png"]).succeeds().out;
    let expected = plain.replace("photos/square/3.png", "negative.png");
    assert_eq!(predict(&["--invert"]), expected);
    assert_eq!(predict(&["--set", "data.images.invert=true"]), expected);
    assert_ne!(predict(&[]), expected);
    place
        .fgn(&["predict", "run", "negative.png", "--set", "data.images.inwert=true"])
        .fails_with(&["`inwert`", "did you mean \"invert\"?"]);

    // A file of another kind, among some that are right.
    fs::write(place.path("steps.csv"), table(3, false)).unwrap();
    let done = place.fgn(&["predict", "run", "steps.csv", "photos/frame/7.png"]);
    done.fails_with(&["steps.csv", "images of 16 x 16 pixels"]);
    assert!(done.out.starts_with("photos/frame/7.png: frame\n"), "{}", done.out);
    fs::write(place.path("notes.txt"), "").unwrap();
    place.fgn(&["predict", "run", "notes.txt"]).fails_with(&["notes.txt", "for images of 16 x 16"]);
    fs::write(place.path("notes.doc"), "").unwrap();
    place.fgn(&["predict", "run", "notes.doc"]).fails_with(&["notes.doc", "no reader", "(.csv"]);

    let found = place.fgn(&["data", "photos", "--set", "data.images.size=[16,16]"]).succeeds().out;
    assert!(found.contains("images of 16 x 16 pixels") && found.contains("frame: 4"), "{found}");
    place.fgn(&["data", "photos"]).fails_with(&["images.size"]);
}

#[test]
fn errors_in_a_table_are_reported_with_their_position() {
    let place = Place::new();
    let before = place.list(".");
    fs::write(place.path("steps.csv"), "who,x,kind\na,1,k\na,one,k\nb,2,l\n").unwrap();
    let train = ["train", "series", "--data", "steps.csv"];
    for (more, parts) in [
        (
            &["--set", "data.series.id=whom"][..],
            &["no column \"whom\"", "did you mean \"who\"?"][..],
        ),
        (
            &["--set", "data.series.id=who", "--set", "data.series.target=kind"],
            &["steps.csv", "line 3", "column \"x\"", "one"],
        ),
        (&["--set", "data.series.taget=kind"], &["`taget`", "did you mean \"target\"?"]),
        (&["--set", "data.validation=1.5"], &["data.validation is ", "a share"]),
    ] {
        place.fgn(&[&train[..], more].concat()).fails_with(parts);
    }
    place.fgn(&["train", "series"]).fails_with(&["steps.csv"]);
    place.fgn(&["train", "series", "--data", "none.csv"]).fails_with(&["none.csv", "No such file"]);
    place.fgn(&["train", "images"]).fails_with(&["photos"]);
    place.fgn(&["data", "steps.csv"]).fails_with(&["target"]);
    fs::remove_file(place.path("steps.csv")).unwrap();
    assert_eq!(place.list("."), before);
}

#[test]
fn metrics_are_chosen_and_monitored() {
    let place = Place::new();
    fs::write(place.path("steps.csv"), table(60, true)).unwrap();
    let train = |out: &str, more: &[&str]| {
        let data = [
            "--set",
            "data.series.target=level",
            "--set",
            "data.series.ignore=kind",
            "--set",
            "data.series.task=regression",
        ];
        let args = ["train", "series", "--data", "steps.csv", "--epochs", "3", "--out", out];
        place.fgn(&[&args[..], &SMALL, &data, more].concat())
    };
    // No epoch is better by so much: the first stays the best.
    let chosen = ["--set", "metrics=[\"rmse\",\"mae\"]", "--set", "monitor=rmse"];
    let stopping = ["--set", "early_stopping.patience=1", "--set", "early_stopping.min_delta=1e9"];
    let done = train("run", &[&chosen[..], &stopping].concat()).succeeds();
    for part in ["validation RMSE = ", "Stopped early: the rmse no longer", "Test RMSE = "] {
        assert!(done.out.contains(part), "no {part:?} in {}", done.out);
    }
    let metrics = place.read("run/metrics.jsonl");
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    for key in ["train_rmse", "train_mae", "valid_rmse", "valid_mae"] {
        assert!(first[key].as_f64().unwrap() > 0.0, "no {key} in {first}");
    }
    assert!(first.get("valid_r2").is_none(), "{first}");
    let found = place.fgn(&["eval", "run"]).succeeds().out;
    let lines: Vec<_> = found.lines().map(|line| &line[..line.len().min(9)]).collect();
    assert_eq!(lines[..3], ["Test RMSE", "Test MAE ", ""], "{found}");
    let found: Value =
        serde_json::from_str(&place.fgn(&["eval", "run", "--json"]).succeeds().out).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert_eq!((&found["rmse"], &found["loss"]), (&last["test_rmse"], &last["test_loss"]));
    assert_eq!(found["breakdowns"][0]["names"][0], "level");

    for (more, parts) in [
        (
            "metrics=[\"rsme\"]",
            &["metrics has \"rsme\"", "mae, rmse, r2", "did you mean \"rmse\"?"][..],
        ),
        ("metrics=[\"accuracy\"]", &["\"accuracy\", which is not for 1 value", "mae, rmse, r2"]),
        ("monitor=accuracy", &["monitor is \"accuracy\", expected one of loss, mae, rmse, r2"]),
    ] {
        train("other", &["--set", more]).fails_with(parts);
        assert!(!place.path("other").exists(), "{more}: it was refused after the run began");
    }
}

/// One class in twenty is rare, and lies where the other is more frequent still: between 0.8 and 1, which is a fifth of
/// the other's range. Whoever never says it is right 19 times in 20.
#[test]
fn balanced_weights_find_a_rare_class() {
    let place = Place::new();
    let mut rows = "who,x,kind\n".to_owned();
    for who in 0..2000 {
        let rare = who % 20 == 0;
        let x = f64::from(who * 619 % 2000) / 2000.0;
        let x = if rare { 0.8 + 0.2 * x } else { x };
        rows += &format!("s{who},{x},{}\n", if rare { "rare" } else { "frequent" });
    }
    fs::write(place.path("rows.csv"), rows).unwrap();
    let found = |run: &str, weights: &[&str]| -> Value {
        let more = ["data.series.target=kind", "metrics=[\"accuracy\",\"f1\"]"];
        let more = more.iter().chain(weights).flat_map(|&setting| ["--set", setting]);
        let args = ["train", "series", "--data", "rows.csv", "--epochs", "10", "--out", run];
        let args = args.into_iter().chain(SMALL).chain(more);
        place.fgn(&args.collect::<Vec<_>>()).succeeds();
        serde_json::from_str(&place.fgn(&["eval", run, "--json"]).succeeds().out).unwrap()
    };
    let of = |found: &Value, key: &str| found[key].as_f64().unwrap();
    let plain = found("plain", &[]);
    let balanced = found("balanced", &["training.class_weights=balanced"]);
    assert!(of(&plain, "f1") < 0.5 && of(&plain, "accuracy") > 0.9, "{plain}");
    assert!(of(&balanced, "f1") > 0.55 && of(&balanced, "accuracy") < 0.9, "{balanced}");
}

#[test]
fn a_model_is_inspected() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let found = place.fgn(&["inspect", "run"]).succeeds().out;
    for part in
        ["hidden_size = 8", "kind = \"image-rows\"", "recurrent.weight_hh_l0", "values in all"]
    {
        assert!(found.contains(part), "no {part:?} in {found}");
    }
    let rows: Vec<_> = found.lines().filter(|line| line.contains("_l0 ")).collect();
    assert!(rows.iter().any(|row| row.starts_with("phi_l0 ") && row.contains(" %")), "{found}");
    assert!(found.contains("Gates on 40 samples, 1,120 steps"), "{found}");
    let json = place.fgn(&["inspect", "run", "--json", "--samples", "7"]).succeeds().out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["gates"]["samples"], &json["gates"]["steps"]), (&7.into(), &(7 * 28).into()));
    assert_eq!(json["gates"]["layers"][0]["gates"][3]["name"], "phi");

    // Without the data, all that needs none is printed.
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    let output = place.fgn(&["inspect", "run"]).succeeds();
    assert!(
        output.out.contains("values in all") && !output.out.contains("phi_l0"),
        "{}",
        output.out
    );
    assert!(output.err.contains("the gates are not traced: cannot read "), "{}", output.err);

    let file = "run/model.safetensors";
    let alone = place.fgn(&["inspect", file, "--json"]).succeeds().out;
    let alone: Value = serde_json::from_str(&alone).unwrap();
    assert_eq!(alone["model"]["recurrent"]["hidden_size"], 8);
    let weights = &alone["parameters"][1];
    assert_eq!(
        (&weights["name"], &weights["count"]),
        (&"recurrent.weight_hh_l0".into(), &(32 * 8).into())
    );
    assert!(weights["norm"].as_f64().unwrap() > 0.1, "{weights}");

    place.fgn(&["inspect", "none"]).fails_with(&["none is no run folder", "config.toml"]);
    let whole = fs::read(place.path(file)).unwrap();
    fs::write(place.path(file), &whole[..whole.len() - 3]).unwrap();
    for path in ["run", file] {
        place.fgn(&["inspect", path]).fails_with(&[file, "safetensors"]);
    }
}
