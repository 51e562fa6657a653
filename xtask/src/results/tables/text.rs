//! Texts: classes, sequences, dialogues and language models.

use super::super::column::Column;
use super::super::experiment::Experiment;
use super::super::table::{Body, Row, Table};

const ACCURACY: &str = "accuracy";
const EXACT: &str = "exact match";
const REPLIES: &str = "right replies";
const NATS: &str = "nats a character";

pub(super) fn table() -> Table {
    let experiment = |name: &str, args: &[&str], minutes| Experiment::new(name, args, minutes);
    let scan = |name: &'static str, source: &str| {
        let source = format!("data.source={source}");
        let args = ["scan", "--set", &source, "--epochs", "15"];
        Row::with_columns(format!("`{name}`"), experiment(name, &args, 3.0), &[EXACT])
    };
    let lake = "Lake & Baroni 2018";
    Table {
        name: "text",
        title: "Text",
        bar: "The nats of `shakespeare` are of windows of 256 characters, each from a state of zeros.",
        body: Body::Rows {
            columns: vec![
                Column::percent(ACCURACY, "test_accuracy"),
                Column::percent(EXACT, "test_exact_match"),
                Column::percent(REPLIES, "test_reply_accuracy"),
                Column::number(NATS, "test_loss"),
            ],
            rows: vec![
                Row::with_columns("`names`", experiment("names", &["names"], 0.5), &[ACCURACY]),
                Row::published("SCAN", lake, EXACT, "99.8 %"),
                Row::with_columns("`scan`", experiment("scan", &["scan"], 5.0), &[EXACT]),
                Row::published("SCAN, longer sequences", lake, EXACT, "13.8 %"),
                scan("scan-length", "scan-length"),
                Row::published("SCAN, `jump`", lake, EXACT, "0.08 to 1.2 %"),
                scan("scan-add-jump", "scan-add-jump"),
                Row::with_columns(
                    "`booking`: replies, and whole dialogues as the exact match",
                    experiment("booking", &["booking"], 4.0),
                    &[REPLIES, EXACT],
                ),
                Row::published("transformer on a GPU", "nanoGPT", NATS, "1.4697"),
                Row::with_columns(
                    "`shakespeare`",
                    experiment("shakespeare", &["shakespeare"], 75.0),
                    &[NATS],
                ),
            ],
        },
    }
}
