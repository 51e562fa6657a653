//! `fgn sweep`: a table, and going on after an interruption.

use std::fs;
use std::time::Duration;

use crate::place::Place;

const SWEEP: &str = r#"
name = "tiny"
recipe = "mnist-rows"
seeds = [1, 2]
set = [
    "data.source=./data", "data.validation=40", "training.epochs=2", "training.batch_size=10",
    "model.recurrent.hidden_size=4", "checkpoint.every_steps=1",
]
[grid]
"optimizer.learning_rate" = [0.03, 1e-9]
"#;

#[test]
fn a_sweep_ends_with_a_table_and_goes_on_where_it_was() {
    let place = Place::new();
    fs::write(place.path("tiny.toml"), SWEEP).unwrap();
    let args = ["sweep", "tiny.toml", "--out", "one"];
    let done = place.fgn(&args).succeeds();
    for part in ["Run 4 of 4: one/trial-002-seed-2", "| trial | optimizer.learning_rate |", " ± "]
    {
        assert!(done.out.contains(part), "no {part:?} in {}", done.out);
    }
    let table = place.read("one/results.md");
    assert!(done.out.contains(&table));
    let trials: Vec<_> =
        table.lines().skip(2).map(|row| row[2..].chars().next().unwrap()).collect();
    assert_eq!(trials, ['1', '2'], "a rate of 1e-9 learns nothing: {table}");
    assert_eq!(place.read("one/results.jsonl").lines().count(), 4);

    // Killed in the middle, gone on with: the same table.
    let two = ["sweep", "tiny.toml", "--out", "two"].map(str::to_owned);
    let mut child = place.command(&two).spawn().unwrap();
    while !place.path("two/trial-001-seed-2/checkpoints/step-000000005").exists() {
        std::thread::sleep(Duration::from_millis(1));
        assert!(child.try_wait().unwrap().is_none(), "it was too fast");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = place.fgn(&["sweep", "tiny.toml", "--out", "two"]).succeeds();
    assert!(!done.out.contains("Run 1 of 4") && done.out.contains("Run 2 of 4"), "{}", done.out);
    assert_eq!(place.read("two/results.md"), table);

    fs::write(place.path("tiny.toml"), SWEEP.replace("0.03", "0.02")).unwrap();
    place.fgn(&args).fails_with(&["one holds another sweep", "--out"]);
}

#[test]
fn a_sweep_is_checked_before_any_work() {
    let place = Place::new();
    fs::write(place.path("tiny.toml"), SWEEP.replace("1e-9", "-1.0")).unwrap();
    place.fgn(&["sweep", "tiny.toml"]).fails_with(&["optimizer.learning_rate is -1, expected"]);
    fs::write(place.path("tiny.toml"), SWEEP.replace("learning_rate", "learning_rat")).unwrap();
    place.fgn(&["sweep", "tiny.toml"]).fails_with(&["`learning_rat`", "mean \"learning_rate\"?"]);
    fs::write(place.path("tiny.toml"), SWEEP.replace("seeds = [1, 2]", "seeds = [1, 1]")).unwrap();
    place
        .fgn(&["sweep", "tiny.toml"])
        .fails_with(&["seeds is a list with 1 twice", "each seed once"]);
    let seeds = SWEEP.to_owned() + "\"training.seed\" = [3, 4]\n";
    fs::write(place.path("tiny.toml"), seeds).unwrap();
    place
        .fgn(&["sweep", "tiny.toml"])
        .fails_with(&["training.seed in grid", "training.seed in seeds"]);
    place.fgn(&["sweep", "none.toml"]).fails_with(&["cannot read none.toml"]);
    assert_eq!(place.list("."), ["data", "tiny.toml"]);
}
