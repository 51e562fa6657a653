//! The networks of `mnist` and `mnist-rows`.
//!
//! The figures are those of the model after the last epoch, as the article's. Only the augmented trainings and their like
//! keep the best epoch.

use super::super::column::{Column, Shown};
use super::super::experiment::Experiment;
use super::super::table::{Body, Published, Row, Table};

const LAST: &str = "checkpoint.model=last";
const LSTM: &str = r#"model.recurrent.cell={ name = "lstm" }"#;
const SCAN: &str = r#"model.recurrent.cell={ name = "fgn-scan" }"#;
/// Twice the epochs of the recipe, without and with images that are moved and turned.
const LONGER: &str = "training.epochs=20";
const AUGMENTED: &str = "model.input.augment={ shift = 2, rotate = 10 }";
const COST: &str = "cost of each epoch";
const ACCURACY: &str = "test accuracy";

pub(super) fn network() -> Table {
    let measured = |name: &str, sets: &[&str]| last("mnist", name, sets, 3.0);
    Table {
        name: "mnist",
        title: "The article's network",
        bar: "",
        body: Body::Rows {
            columns: columns(),
            rows: vec![
                Row::Published(Published {
                    network: "FGN",
                    source: "the article",
                    values: vec![(COST, "0.495 … 0.012"), (ACCURACY, "97.28 %")],
                }),
                Row::measured("FGN", measured("fgn", &[]).seeds(4)),
                Row::measured("LSTM", measured("lstm", &[LSTM])),
                Row::measured("FGN-scan", measured("fgn-scan", &[SCAN])),
                Row::measured(
                    "FGN, 20 epochs, augmented",
                    experiment("mnist", "fgn-20-augmented", &[LONGER, AUGMENTED], 8.0),
                ),
            ],
        },
    }
}

pub(super) fn rows() -> Table {
    let measured = |name: &str, sets: &[&str]| last("mnist-rows", name, sets, 1.0);
    let mut rows = vec![
        Row::measured("LSTM", measured("lstm", &[LSTM])),
        Row::measured("FGN-scan", measured("fgn-scan", &[SCAN])),
    ];
    for z in ["zero", "linear"] {
        for readout in ["gated", "single"] {
            for forgetting in ["soft", "binary"] {
                let sets = [("z", z), ("readout", readout), ("forgetting", forgetting)];
                let sets = sets.map(|(key, value)| format!("model.recurrent.cell.{key}={value}"));
                let sets = sets.each_ref().map(|set| &set[..]);
                let name = format!("fgn-{z}-{readout}-{forgetting}");
                let network = format!("FGN: z {z}, {readout}, {forgetting}");
                rows.push(Row::measured(network, measured(&name, &sets)));
            }
        }
    }
    for (name, network, sets) in [
        ("fgn-20", "FGN, 20 epochs", &[LONGER][..]),
        ("fgn-20-augmented", "FGN, 20 epochs, augmented", &[LONGER, AUGMENTED]),
    ] {
        rows.push(Row::measured(network, experiment("mnist-rows", name, sets, 3.0).seeds(3)));
    }
    Table {
        name: "mnist-rows",
        title: "Image rows",
        bar: "",
        body: Body::Rows { columns: columns(), rows },
    }
}

fn columns() -> Vec<Column> {
    let cost = Column { head: COST, shown: Shown::Costs };
    vec![cost, Column::percent(ACCURACY, "test_accuracy")]
}

/// The model after the last epoch.
fn last(recipe: &str, name: &str, sets: &[&str], minutes: f64) -> Experiment {
    experiment(recipe, name, &[sets, &[LAST]].concat(), minutes)
}

fn experiment(recipe: &str, name: &str, sets: &[&str], minutes: f64) -> Experiment {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    Experiment::new(name, &[recipe].into_iter().chain(sets).collect::<Vec<_>>(), minutes)
}
