//! MNIST pixel by pixel, in the order of rows and in a scrambled one.

use super::super::column::Column;
use super::super::experiment::Experiment;
use super::super::table::{Body, Row, Table};

const SEQUENTIAL: &str = "sequential";
const PERMUTED: &str = "permuted";

/// A cell: its name, its row, the arguments that it adds to those of the recipe, and the minutes of a run.
const CELLS: [(&str, &str, &[&str], f64); 6] = [
    (
        "ur-lstm",
        "UR-LSTM",
        &[
            "--set",
            r#"model.recurrent.cell={ name = "ur-lstm" }"#,
            "--set",
            r#"model.recurrent.init={ forget_bias = "uniform-gate" }"#,
        ],
        18.0,
    ),
    ("fgn", "FGN over UR-LSTM", &[], 18.0),
    (
        "fgn-lstm",
        "FGN over LSTM",
        &["--set", r#"model.recurrent.cell={ name = "fgn" }"#, "--set", CHRONO],
        18.0,
    ),
    (
        "lstm",
        "LSTM",
        &["--set", r#"model.recurrent.cell={ name = "lstm" }"#, "--set", CHRONO],
        18.0,
    ),
    ("gru", "GRU", &["--set", r#"model.recurrent.cell={ name = "gru" }"#, "--set", CHRONO], 16.0),
    (
        "lru-stack",
        "LRU, three residual blocks of 64 units",
        &[
            "--set",
            r#"model.recurrent.cell={ name = "lru" }"#,
            "--set",
            "model.recurrent.init={}",
            "--set",
            "model.recurrent.hidden_size=64",
            "--set",
            "model.recurrent.layers=3",
            "--set",
            r#"model.recurrent.block={ norm = "rms", mlp = 1.0 }"#,
            "--set",
            "model.head.pool=mean",
        ],
        50.0,
    ),
];

const CHRONO: &str = "model.recurrent.init={ forget_bias = { chrono = { t_max = 784 } } }";

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
