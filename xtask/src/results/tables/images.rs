//! Density of binary images.

use super::super::column::Column;
use super::super::experiment::Experiment;
use super::super::table::{Body, Row, Table};

const NATS: &str = "nats an image";

pub(super) fn table() -> Table {
    let pixel_rnn = "van den Oord et al. 2016";
    Table {
        name: "images",
        title: "Binary images",
        bar: "Less is better. The published figures are of a fixed binarisation of MNIST with 10,000 images for validation; \
            an image of `mnist-binary` is drawn once, by a seed.",
        body: Body::Rows {
            columns: vec![Column::number(NATS, "test_nats")],
            rows: vec![
                Row::published("MADE", "Germain et al. 2015", NATS, "86.64"),
                Row::published("Row LSTM", pixel_rnn, NATS, "80.54"),
                Row::published("Diagonal BiLSTM, 7 layers", pixel_rnn, NATS, "79.20"),
                Row::measured(
                    "`mnist-binary`",
                    Experiment::new("mnist-binary", &["mnist-binary"], 40.0),
                ),
            ],
        },
    }
}
