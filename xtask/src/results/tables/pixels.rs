//! MNIST pixel by pixel, in the order of rows and in a scrambled one.

use super::super::column::Column;
use super::super::experiment::Experiment;
use super::super::table::{Body, Row, Table};

const SEQUENTIAL: &str = "sequential";
const PERMUTED: &str = "permuted";

/// A cell: its name, its row, the arguments that it adds to those of the recipe, and the minutes of a run.
const CELLS: [(&str, &str, &[&str], f64); 5] = [
    (
        "ur-lstm",
        "UR-LSTM",
        &[
            "--set",
            r#"model.recurrent.cell={ name = "ur-lstm" }"#,
            "--set",
            r#"model.recurrent.init={ forget_bias = "uniform-gate" }"#,
            "--learning-rate",
            "0.002",
        ],
        20.0,
    ),
    ("fgn", "FGN", &[], 22.0),
    ("lstm", "LSTM", &["--set", r#"model.recurrent.cell={ name = "lstm" }"#], 20.0),
    ("gru", "GRU", &["--set", r#"model.recurrent.cell={ name = "gru" }"#], 18.0),
    (
        "lru-stack",
        "LRU, four residual layers",
        &[
            "--set",
            r#"model.recurrent.cell={ name = "lru" }"#,
            "--set",
            "model.recurrent.layers=4",
            "--set",
            "model.recurrent.residual=true",
        ],
        60.0,
    ),
];

pub(super) fn table() -> Table {
    let columns = vec![
        Column::percent(SEQUENTIAL, "test_accuracy"),
        Column::percent(PERMUTED, "test_accuracy"),
    ];
    let mut rows = vec![
        Row::published("LEM, 128 units", "github.com/tk-rusch/LEM", SEQUENTIAL, "99.45 %"),
        Row::published("LEM, 128 units", "github.com/tk-rusch/LEM", PERMUTED, "96.62 %"),
        Row::published(
            "LSTM, 128 units",
            "github.com/V0XNIHILI/LSTM-Sequential-MNIST",
            SEQUENTIAL,
            "96.07 %",
        ),
    ];
    for (recipe, column) in [("mnist-pixels", SEQUENTIAL), ("mnist-permuted", PERMUTED)] {
        for (name, network, args, minutes) in CELLS {
            let args: Vec<_> = [recipe].into_iter().chain(args.iter().copied()).collect();
            let experiment = Experiment::new(format!("{column}-{name}"), &args, minutes);
            rows.push(Row::with_columns(network, experiment, &[column]));
        }
    }
    Table {
        name: "pixels",
        title: "Image pixels",
        bar: "The goal is 99.2 % in the order of the pixels, and 97 % in a scrambled order.",
        body: Body::Rows { columns, rows },
    }
}
