//! Tables whose numbers are far from 1: time stamps, tiny ones, and what is reported of them.

use std::fs;

use serde_json::Value;

use crate::place::Place;

const SMALL: [&str; 6] = [
    "--set",
    "model.recurrent.hidden_size=12",
    "--set",
    "data.series.id=who",
    "--set",
    "optimizer.learning_rate=0.02",
];

/// 200 sequences of 8 rows that rise or fall from `offset`.
fn stamps(offset: i64) -> String {
    let rows = (0..200).flat_map(|who| {
        let (slope, kind) = if who % 2 == 0 { (1, "rises") } else { (-1, "falls") };
        (0..8).map(move |step| format!("s{who},{},{kind}\n", offset + slope * step))
    });
    "who,t,kind\n".to_owned() + &rows.collect::<String>()
}

fn train(place: &Place, table: &str, target: &str, more: &[&str]) -> String {
    fs::write(place.path("steps.csv"), table).unwrap();
    let target = format!("data.series.target={target}");
    let args = ["train", "series", "--data", "steps.csv", "--out", "run", "--set", &target];
    place.fgn(&[&args[..], &SMALL, more].concat()).succeeds().out
}

#[test]
fn a_feature_with_an_offset_is_learned_as_one_without() {
    for offset in [0, 1_700_000_000, 1_700_000_000_000, 20_240_101_000_000] {
        let place = Place::new();
        train(&place, &stamps(offset), "kind", &["--epochs", "6"]);
        let found = place.fgn(&["eval", "run"]).succeeds().out;
        assert!(found.starts_with("Test accuracy = 100.00 %  (40 samples)"), "{offset}: {found}");
        let all = place.fgn(&["eval", "run", "--data", "steps.csv"]).succeeds().out;
        assert!(all.starts_with("Test accuracy = 100.00 %  (200 samples)"), "{offset}: {all}");
    }
}

/// 120 sequences of 4 rows with a feature `0..60` and a target that is `offset + unit` times it.
fn values(offset: f64, unit: f64) -> String {
    let rows = (0..120).flat_map(|who| {
        let level = f64::from(who % 60);
        (0..4).map(move |_| format!("s{who},{level},{}\n", offset + unit * level))
    });
    "who,x,level\n".to_owned() + &rows.collect::<String>()
}

const REGRESSION: [&str; 4] = ["--epochs", "3", "--set", "data.series.task=regression"];

fn evaluated(place: &Place, more: &[&str]) -> Value {
    let args = [&["eval", "run", "--json"][..], more].concat();
    serde_json::from_str(&place.fgn(&args).succeeds().out).unwrap()
}

/// The mean absolute error of what `predict` says of the table, and what it says first.
fn predicted(place: &Place, offset: f64, unit: f64) -> (f64, String) {
    let output = place.fgn(&["predict", "run", "steps.csv", "--json"]).succeeds().out;
    let values = output.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["values"]["level"].as_f64().unwrap()
    });
    let errors =
        values.enumerate().map(|(who, value)| (value - (offset + unit * (who % 60) as f64)).abs());
    let text = place.fgn(&["predict", "run", "steps.csv"]).succeeds().out;
    (errors.sum::<f64>() / 120.0, text.lines().next().unwrap().to_owned())
}

#[test]
fn the_error_of_a_target_with_an_offset_is_the_true_one() {
    let mae = |offset: f64| {
        let place = Place::new();
        train(&place, &values(offset, 1.0), "level", &REGRESSION);
        let found = evaluated(&place, &["--data", "steps.csv"])["mae"].as_f64().unwrap();
        let (expected, text) = predicted(&place, offset, 1.0);
        assert!(
            (found - expected).abs() < 1e-6,
            "{found}, but the predictions are off by {expected}"
        );
        (found, text)
    };
    let (plain, _) = mae(0.0);
    let (found, text) = mae(1_700_000_000.0);
    assert!(plain > 0.1, "three epochs leave an error: {plain}");
    assert!((found / plain - 1.0).abs() < 1e-3, "{found} with the offset, {plain} without");
    // To a hundredth of the unit, not 1.700e9.
    let value = text.strip_prefix("s0: level: 17000000").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(value.split_once('.').unwrap().1.len(), 2, "{text}");
}

#[test]
fn tiny_targets_are_shown_with_their_digits() {
    let place = Place::new();
    let out = train(&place, &values(0.0, 1e-9), "level", &REGRESSION);
    assert!(out.contains("e-") && !out.contains("MAE = 0.000"), "{out}");
    let found = evaluated(&place, &["--data", "steps.csv"]);
    let (expected, text) = predicted(&place, 0.0, 1e-9);
    assert!((found["mae"].as_f64().unwrap() / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    assert!(expected > 1e-10, "three epochs leave an error: {expected}");
    assert!(text.contains("e-"), "{text}");
    let text = place.fgn(&["eval", "run"]).succeeds().out;
    assert!(text.contains("e-") && !text.contains("0.0000\n"), "{text}");
    // So small that an f32 holds none but 0.
    let place = Place::new();
    train(&place, &values(0.0, 1e-48), "level", &REGRESSION);
    let found = evaluated(&place, &["--data", "steps.csv"])["mae"].as_f64().unwrap();
    let (expected, _) = predicted(&place, 0.0, 1e-48);
    assert!(expected > 1e-49 && (found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
}

#[test]
fn a_column_that_says_nothing_is_named() {
    let place = Place::new();
    let table = values(0.0, 1.0).replace(",level\n", ",level,same\n").replace("\ns", "\nS");
    let table: String = table
        .lines()
        .map(|line| if line.starts_with('S') { format!("{line},5\n") } else { format!("{line}\n") })
        .collect();
    fs::write(place.path("steps.csv"), &table).unwrap();
    let data = ["--set", "data.series.id=who", "--set", "data.series.target=level"];
    let data = [&data[..], &REGRESSION[2..]].concat();
    let found = place.fgn(&[&["data", "steps.csv"][..], &data].concat()).succeeds().out;
    assert!(found.contains("\nconstant  same (the same number everywhere"), "{found}");
    let args = ["train", "series", "--data", "steps.csv", "--out", "run", "--epochs", "1"];
    let done = place.fgn(&[&args[..], &SMALL, &data].concat()).succeeds();
    assert!(done.err.contains("nothing is learned: same"), "{}", done.err);
}

#[test]
fn a_scale_that_leaves_numbers_alike_is_reported_and_numbers_beyond_it_are_refused() {
    let place = Place::new();
    fs::write(place.path("steps.csv"), stamps(1_700_000_000) + "far,1e18,rises\n").unwrap();
    let columns = ["--set", "data.series.id=who", "--set", "data.series.target=kind"];
    let all = [&["data", "steps.csv", "--set", "data.test=2"][..], &columns].concat();
    let found = place.fgn(&all).succeeds().out;
    assert!(found.contains("\nalike     t (most differences are lost in f32"), "{found}");
    fs::write(place.path("steps.csv"), stamps(1_700_000_000)).unwrap();
    let data = ["--data", "steps.csv", "--set", "data.series.target=kind", "--epochs", "1"];
    let scale = |std: &str| format!("model.input.scale={{ mean = [0.0], std = [{std}] }}");
    let train = |std: &str, out: &str| {
        let scale = scale(std);
        let args = [&["train", "series", "--set", &scale, "--out", out][..], &data, &SMALL];
        place.fgn(&args.concat())
    };
    let done = train("1.0", "run").succeeds();
    assert!(done.err.contains("are lost in f32, in which the model computes: t."), "{}", done.err);
    let done = train("1e-30", "other");
    assert_eq!(done.code, Some(1), "{done:?}");
    let error = "error: feature 0 is 1.700000007e39 after scaling, which does not fit F32";
    assert!(done.err.contains(error), "{}", done.err);
}

#[test]
fn a_forecast_with_an_offset_is_as_good_as_one_without() {
    let explained = |offset: f64| {
        let place = Place::new();
        let wave = |at: usize| offset + (at as f64 * 0.3).sin();
        let rows: String = (0..400).map(|at| format!("{:.5}\n", wave(at))).collect();
        fs::write(place.path("wave.csv"), format!("height\n{rows}")).unwrap();
        let recipe = "name = \"wave\"\n[data]\nsource = \"wave.csv\"\nvalidation = 0.1\n[data.series]\n\
                      target = \"height\"\ntask = { forecast = { window = 12 } }\n[training]\n\
                      epochs = 8\nbatch_size = 16\n[optimizer]\nname = \"adam\"\n\
                      learning_rate = 0.01\n[model.recurrent]\nhidden_size = 12\n\
                      cell = { name = \"gru\" }\n";
        fs::write(place.path("wave.toml"), recipe).unwrap();
        place.fgn(&["train", "wave.toml", "--out", "run"]).succeeds();
        let found = evaluated(&place, &[]);
        (found["r2"].as_f64().unwrap(), found["mae"].as_f64().unwrap())
    };
    let ((plain, plain_mae), (found, mae)) = (explained(0.0), explained(1_700_000_000.0));
    assert!(
        plain > 0.9 && (found - plain).abs() < 1e-3,
        "{found} with the offset, {plain} without"
    );
    assert!((mae / plain_mae - 1.0).abs() < 0.02, "{mae} with the offset, {plain_mae} without");
}
