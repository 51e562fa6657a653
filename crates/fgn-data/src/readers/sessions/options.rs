//! How logs of interactions become samples.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::{self, TextFormat};

/// The option that bounds the memory.
pub(super) const MEMORY: &str = "data.sessions.memory";

/// How logs of interactions become samples: `[data.sessions]` of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// The column of a table that says which session, or which user, an event is of. In a `.inter` file `user_id`, or
    /// else `session_id`, if left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The column of the item of an event. In a `.inter` file `item_id`, if left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub item: String,
    /// The column of the time of an event, a number. The events of a session are sorted by it; those of one time stay
    /// in the order of the file. In a `.inter` file `timestamp`, if left out and if there is such a column; else the
    /// order of the file counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The character between the fields of a text file: a comma if not given, in `.tsv` and `.inter` files a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line of a text file names the columns; if not, they are called `1`, `2`, ….
    pub header: bool,
    /// Whether a field of a text file may be in double quotes, as in CSV; if not, quotes are part of the names.
    pub quotes: bool,
    /// Items of fewer events are left out, at least 1. It does not apply to data for a trained model.
    pub min_support: u64,
    /// Sessions of fewer events are left out, at least 2: once as they are in the log, and again without the events of
    /// rare items. It does not apply to data to predict.
    pub min_length: usize,
    /// Whether an event is left out if the event before it in its session is of the same item. That is done before
    /// anything else is left out.
    pub deduplicate: bool,
    /// How a test part is made of data that has none.
    pub split: SessionSplit,
    /// How sessions become training samples.
    pub batches: SessionBatches,
    /// The steps of a training sample with `batches = "parallel"`, at least 1: how far gradients reach back. With
    /// `training.carry_state` the state goes on from sample to sample until its session ends.
    pub window: usize,
    /// The most events that a sample reads in an evaluation, to predict, and in training with `batches = "padded"`;
    /// at least 2.
    pub max_length: usize,
    /// How many bytes of events, and how many of names of sessions, may be in memory: some megabytes at least. More
    /// are in temporary files, in the system's folder for such files (`TMPDIR`).
    pub memory: u64,
}

/// How a test part is made of data that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SessionSplit {
    /// The sessions that begin last are the test part: `data.test` of all.
    #[default]
    Time,
    /// Sessions are drawn by `data.seed`: `data.test` of all.
    Sessions,
    /// The last event of each session is to be predicted in the test, the one before it in the validation, and all
    /// before these two are for training. Sessions of fewer than 3 events are for training only.
    LeaveOneOut,
}

/// How sessions become training samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SessionBatches {
    /// All sessions are laid end to end, and a sample is a window of that sequence. There is no padding; the state of
    /// a model is set to zero where a session begins.
    #[default]
    Parallel,
    /// A sample is a session, padded to the longest of its batch.
    Padded,
}

impl Default for SessionOptions {
    fn default() -> Self {
        SessionOptions {
            session: String::new(),
            item: String::new(),
            time: None,
            delimiter: None,
            header: true,
            quotes: true,
            min_support: 1,
            min_length: 2,
            deduplicate: false,
            split: SessionSplit::default(),
            batches: SessionBatches::default(),
            window: 32,
            max_length: 200,
            memory: 256 << 20,
        }
    }
}

impl SessionOptions {
    pub(super) fn format(&self) -> TextFormat {
        TextFormat { delimiter: self.delimiter, header: self.header, quotes: self.quotes }
    }

    /// Checks the values that can be wrong whatever the data is.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub(crate) fn check(&self) -> Result<()> {
        let most = fgn_schema::MAX_SIZE as u64;
        for (option, found, least, most) in [
            ("data.sessions.min_support", self.min_support, 1, u64::MAX),
            ("data.sessions.min_length", self.min_length as u64, 2, most),
            ("data.sessions.window", self.window as u64, 1, most),
            ("data.sessions.max_length", self.max_length as u64, 2, most),
        ] {
            if !(least..=most).contains(&found) {
                let expected = format!("{least} to {most}");
                return Err(Error::Option { option, found: found.to_string(), expected });
            }
        }
        self.format().check("data.sessions.delimiter")
    }

    /// # Errors
    /// [`Error::Option`] for columns that are needed and not given.
    pub(super) fn check_columns(&self) -> Result<()> {
        table::check_given(&[
            ("data.sessions.session", &self.session, "the column of sessions or users"),
            ("data.sessions.item", &self.item, "the column of items"),
        ])
    }
}
