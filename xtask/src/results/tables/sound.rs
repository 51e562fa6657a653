//! Sounds. Most of their recipes need recordings of the user's.

use super::super::column::Column;
use super::super::experiment::Experiment;
use super::super::table::{Body, Row, Table};

const ACCURACY: &str = "accuracy";
const WRONG: &str = "wrong symbols";
const EXACT: &str = "strings without error";

pub(super) fn table() -> Table {
    let recordings = "the recordings of the Free Spoken Digit Dataset";
    let digits = Experiment::new("digits", &["digits"], 2.0).seeds(5).needs(recordings);
    let strings = Experiment::new("digit-strings", &["digit-strings"], 6.0).needs(recordings);
    let vowels = Experiment::new("vowels", &["vowels"], 0.2).seeds(5).needs("Japanese Vowels");
    Table {
        name: "sound",
        title: "Sound",
        bar: "Rows that need a file are not run here: `fgn train RECIPE --data PATH` trains them.",
        body: Body::Rows {
            columns: vec![
                Column::percent(ACCURACY, "test_accuracy"),
                Column::percent(WRONG, "test_cer"),
                Column::percent(EXACT, "test_exact_match"),
            ],
            rows: vec![
                Row::with_columns(
                    "`dtmf`",
                    Experiment::new("dtmf", &["dtmf"], 0.5),
                    &[WRONG, EXACT],
                ),
                Row::with_columns("`digits`", digits, &[ACCURACY]),
                Row::with_columns("`digit-strings`", strings, &[WRONG, EXACT]),
                Row::with_columns("`vowels`", vowels, &[ACCURACY]),
            ],
        },
    }
}
