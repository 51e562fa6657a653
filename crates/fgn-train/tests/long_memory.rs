//! Tiny trainings of the long-memory tasks, by their recipes.

#![allow(clippy::unwrap_used)]

use fgn_train::{Config, Trained, open_data, train};

fn trained(recipe: &str, settings: &[&str]) -> Trained {
    let settings: Vec<_> = settings.iter().map(|setting| setting.parse().unwrap()).collect();
    let config = Config::load(recipe, &settings).unwrap();
    let dataset = open_data(&config.data).unwrap();
    train(&config, &dataset, &mut ()).unwrap()
}

#[test]
fn adding_is_learned_better_than_by_always_answering_1() {
    let found = trained(
        "adding",
        &[
            "data.task.length=8",
            "data.task.train_samples=1000",
            "data.task.test_samples=200",
            "training.epochs=8",
            "training.batch_size=20",
            "optimizer.learning_rate=0.01",
            "model.recurrent.hidden_size=16",
        ],
    );
    assert_eq!(found.test.targets, 200);
    assert!(found.test.loss() < 0.5 / 6.0, "{}", found.test.loss());
}

#[test]
fn symbols_are_copied_and_only_these_count() {
    let found = trained(
        "copy",
        &[
            "data.task.length=3",
            "data.task.symbols=2",
            "data.task.train_samples=1000",
            "data.task.test_samples=100",
            "training.epochs=8",
            "training.batch_size=20",
            "optimizer.learning_rate=0.01",
            "model.recurrent.hidden_size=32",
        ],
    );
    assert_eq!(found.test.targets, 200, "two of seven steps of a hundred samples");
    let accuracy = found.test.get("accuracy").unwrap();
    assert!(accuracy > 0.5 && found.test.loss() < 8_f64.ln(), "{accuracy}");
    let counts = &found.test.breakdowns[0].columns[0];
    assert_eq!(counts.values.iter().sum::<f64>(), 200.0);
}

#[test]
fn the_grammar_is_learned_beyond_single_symbols() {
    let found = trained(
        "reber",
        &[
            "data.task.train_samples=2000",
            "data.task.test_samples=1000",
            "training.epochs=4",
            "model.recurrent.hidden_size=12",
        ],
    );
    let accuracy = found.test.get("accuracy").unwrap();
    assert!(accuracy > 0.7, "{accuracy}; 0.54 from the current symbol alone");
    assert!(found.test.get("streaming_accuracy").is_none(), "the whole test is one stream");
}
