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
    assert!(done.out.contains("144 samples to train on, 16 held out"), "{}", done.out);
    let config = place.read("run/config.toml");
    for part in
        ["names = [\n    \"falls\",\n    \"rises\",\n]", "features = 2", "[model.input.scale]"]
    {
        assert!(config.contains(part), "no {part:?} in {config}");
    }

    let found = place.fgn(&["eval", "run"]).succeeds().out;
    assert!(found.starts_with("Test accuracy = ") && found.contains("(40 of 40 "), "{found}");
    assert!(found.contains("\nrises ") && found.contains("\nfalls "), "{found}");

    // Another table of the same, measured whole; its columns stand in another order.
    fs::write(place.path("later.csv"), "kind,level,noise,who,x\nrises,0,3,a,1\nrises,0,3,a,4\n")
        .unwrap();
    let found = place.fgn(&["eval", "run", "--data", "later.csv"]).succeeds().out;
    assert!(found.contains("(1 of 1 samples)"), "{found}");
    fs::write(place.path("odd.csv"), "kind,level,noise,who,x\nsinks,0,3,a,1\n").unwrap();
    place.fgn(&["eval", "run", "--data", "odd.csv"]).fails_with(&["sinks", "falls, rises"]);

    // Used on a table without targets.
    fs::write(place.path("new.csv"), table(9, false)).unwrap();
    let told = place.fgn(&["predict", "run", "new.csv"]).succeeds().out;
    assert!(told.starts_with("s0: rises\n  falls: 0."), "{told}");
    assert_eq!(told.lines().count(), 2 * 9);
    let told = place.fgn(&["predict", "run", "new.csv", "--json"]).succeeds().out;
    let line: Value = serde_json::from_str(told.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["sample"], &line["name"]), (&"s1".into(), &"falls".into()));
    fs::write(place.path("lacking.csv"), "who,x\na,1\n").unwrap();
    place
        .fgn(&["predict", "run", "lacking.csv"])
        .fails_with(&["no column \"noise\"", "found \"who, x\""]);
    GrayImage::new(4, 4).save(place.path("a.png")).unwrap();
    place.fgn(&["predict", "run", "a.png"]).fails_with(&["expected a table of series"]);

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
fn numbers_of_series() {
    let place = Place::new();
    fs::write(place.path("steps.csv"), table(200, true)).unwrap();
    let data = [
        "--set",
        "data.series.target=level",
        "--set",
        "data.series.ignore=kind",
        "--set",
        "data.series.task=numbers",
        "--epochs",
        "25",
    ];
    let args = [&["train", "series", "--data", "steps.csv", "--out", "run"][..], &SMALL, &data];
    let done = place.fgn(&args.concat()).succeeds();
    assert!(
        done.out.contains("validation cost = ") && done.out.contains("Test loss = "),
        "{}",
        done.out
    );
    let last = place.read("run/metrics.jsonl");
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert!(last.get("test_accuracy").is_none(), "{last}");

    let found = place.fgn(&["eval", "run"]).succeeds().out;
    let row: Vec<_> = found.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row[0], "level");
    assert!(row[3].parse::<f64>().unwrap() > 0.9, "most of the variance is told: {found}");

    fs::write(place.path("new.csv"), table(5, false)).unwrap();
    let told = place.fgn(&["predict", "run", "new.csv"]).succeeds().out;
    assert_eq!(told.lines().count(), 5);
    let numbers = told.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    for (at, number) in numbers.enumerate() {
        assert!((number - at as f64).abs() < 1.5, "{told}");
    }
}

#[test]
fn forecasts_of_one_long_series() {
    let place = Place::new();
    let wave = |at: usize| (at as f64 * 0.3).sin();
    let rows: String = (0..400).map(|at| format!("{:.5}\n", wave(at))).collect();
    fs::write(place.path("wave.csv"), format!("height\n{rows}")).unwrap();
    let recipe = "name = \"wave\"\n[data]\nsource = \"wave.csv\"\nvalidation = 0.1\n[data.series]\n\
                  target = \"height\"\ntask = { forecast = { window = 12 } }\n[training]\nepochs = 12\n\
                  batch_size = 16\n[optimizer]\nname = \"adam\"\nlearning_rate = 0.01\n[model.recurrent]\n\
                  hidden_size = 12\ncell = { name = \"gru\" }\n";
    fs::write(place.path("wave.toml"), recipe).unwrap();
    place.fgn(&["train", "wave.toml"]).succeeds();
    let found = place.fgn(&["eval", "runs/wave-1"]).succeeds().out;
    let row: Vec<_> = found.lines().last().unwrap().split_whitespace().collect();
    assert!(row[3].parse::<f64>().unwrap() > 0.95, "{found}");

    // Of so many rows as a window has, what comes behind them.
    let rows: String = (400..412).map(|at| format!("{:.5}\n", wave(at))).collect();
    fs::write(place.path("last.csv"), format!("height\n{rows}")).unwrap();
    let told = place.fgn(&["predict", "runs/wave-1", "last.csv"]).succeeds().out;
    let number: f64 = told.trim().strip_prefix("rows from 1: height: ").unwrap().parse().unwrap();
    assert!((number - wave(412)).abs() < 0.3, "{told} {}", wave(412));
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
    assert!(done.out.contains("86 samples to train on, 10 held out"), "{}", done.out);
    let found = place.fgn(&["eval", "run"]).succeeds().out;
    assert!(found.contains("\nframe ") && found.contains("(24 of 24 "), "{found}");
    let told =
        place.fgn(&["predict", "run", "photos/square/3.png", "photos/frame/7.png"]).succeeds();
    assert!(
        told.out.contains("3.png: square\n") && told.out.contains("7.png: frame\n"),
        "{}",
        told.out
    );

    let found = place.fgn(&["data", "photos", "--set", "data.images.size=[16,16]"]).succeeds().out;
    assert!(found.contains("images of 16 x 16 pixels") && found.contains("frame: 4"), "{found}");
    place.fgn(&["data", "photos"]).fails_with(&["images.size"]);
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_place() {
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
fn a_model_is_looked_into() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let found = place.fgn(&["inspect", "run"]).succeeds().out;
    for part in
        ["hidden_size = 8", "kind = \"image-rows\"", "recurrent.weight_hh_l0", "numbers in all"]
    {
        assert!(found.contains(part), "no {part:?} in {found}");
    }
    let rows: Vec<_> = found.lines().filter(|line| line.contains("_l0 ")).collect();
    assert!(rows.iter().any(|row| row.starts_with("phi_l0 ") && row.contains(" %")), "{found}");
    assert!(found.contains("Gates on 40 held-out samples, 1,120 steps"), "{found}");
    let json = place.fgn(&["inspect", "run", "--json", "--samples", "7"]).succeeds().out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["gates"]["samples"], &json["gates"]["steps"]), (&7.into(), &(7 * 28).into()));
    assert_eq!(json["gates"]["layers"][0]["gates"][3]["name"], "phi");

    // Without the data, all that needs none is told.
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    let told = place.fgn(&["inspect", "run"]).succeeds();
    assert!(told.out.contains("numbers in all") && !told.out.contains("phi_l0"), "{}", told.out);
    assert!(told.err.contains("the gates are not looked at: cannot read "), "{}", told.err);

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
