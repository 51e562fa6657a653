//! How a table becomes samples.

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::table::TextFormat;

/// How a table of rows, a CSV file say, becomes samples: `[data.series]` of a recipe.
///
/// ```
/// use fgn_data::SeriesOptions;
///
/// let options = SeriesOptions {
///     id: Some("utterance".into()),
///     target: vec!["speaker".into()],
///     ..SeriesOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesOptions {
    /// What is to be predicted.
    pub task: Task,
    /// The column that says which sequence a row belongs to: its rows, in the file's order, are the
    /// steps. Without one, the whole file is one sequence, of which windows are the samples
    /// ([`Task::Forecast`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The columns that hold the target: one for classification, one or more otherwise. In TOML a name, or a
    /// list of names, as for the next two.
    #[serde(deserialize_with = "one_or_more")]
    pub target: Vec<String>,
    /// The columns that hold the features of a step; if none are named, all that are neither `id` nor
    /// `target` nor in `ignore`. The targets of a forecast are always features too.
    #[serde(deserialize_with = "one_or_more")]
    pub features: Vec<String>,
    /// Columns that are not read.
    #[serde(deserialize_with = "one_or_more")]
    pub ignore: Vec<String>,
    /// How a missing number is read. A field is missing if it is empty, `NA`, `N/A`, `NaN`, `null` or `?`.
    pub missing: Missing,
    /// The character between the fields of a text file: a comma if not given, in a `.tsv` file a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line of a text file names the columns; if not, they are called `1`, `2`, ….
    pub header: bool,
    /// How many bytes of numbers may be in memory. Those of a larger table are in a temporary file, in the
    /// system's folder for such files (`TMPDIR`), and are read batch by batch.
    pub memory: u64,
}

/// What is to be predicted of a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Task {
    /// Its class: the content of the target column, the same in all its rows.
    #[default]
    Classification,
    /// Values: the numbers in the target columns, the same in all its rows.
    Regression,
    /// Future values of the target columns. A sample is a window of `window` rows; its target is what the
    /// columns hold `ahead` rows after the last of them. Windows begin at every `stride`-th row of a sequence.
    Forecast {
        /// The rows of a window, at least 1.
        window: usize,
        /// How many rows after the window the target is, at least 1; 1 if left out.
        #[serde(default = "one")]
        ahead: usize,
        /// How many rows apart the windows begin, at least 1; 1 if left out.
        #[serde(default = "one")]
        stride: usize,
    },
}

/// How a missing number is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Missing {
    /// As an error, which names its line and column.
    #[default]
    Error,
    /// As 0.
    Zero,
    /// As the number in the previous row of the same sequence; as 0 where there is none.
    Previous,
}

impl Default for SeriesOptions {
    fn default() -> Self {
        SeriesOptions {
            task: Task::default(),
            id: None,
            target: Vec::new(),
            features: Vec::new(),
            ignore: Vec::new(),
            missing: Missing::default(),
            delimiter: None,
            header: true,
            memory: 256 << 20,
        }
    }
}

impl SeriesOptions {
    /// Checks what can be checked without a file.
    ///
    /// # Errors
    /// [`Error::Option`] for the first option that is missing or out of range.
    pub fn check(&self) -> Result<()> {
        let wrong = |option, found: String, expected: &str| {
            Err(Error::Option { option, found, expected: expected.to_owned() })
        };
        self.format().check("data.series.delimiter")?;
        let named = self.target.len();
        match self.task {
            Task::Classification if named != 1 => {
                return wrong(
                    "data.series.target",
                    format!("{named} columns"),
                    "the one that holds the class",
                );
            }
            Task::Regression if named == 0 => {
                return wrong(
                    "data.series.target",
                    "no column".into(),
                    "one or more that hold the values",
                );
            }
            Task::Forecast { .. } if named == 0 => {
                return wrong("data.series.target", "no column".into(), "one or more to forecast");
            }
            Task::Forecast { window, ahead, stride } => {
                let sizes = [window, ahead, stride];
                if sizes.iter().any(|size| !(1..=LONGEST).contains(size)) {
                    let expected = format!("each from 1 to {LONGEST}");
                    let found = format!("window {window}, ahead {ahead}, stride {stride}");
                    return wrong("data.series.task.forecast", found, &expected);
                }
            }
            Task::Classification | Task::Regression => {
                if self.id.is_none() {
                    let expected = "the column that says which sequence a row belongs to";
                    return wrong("data.series.id", "no column".into(), expected);
                }
            }
        }
        Ok(())
    }

    pub(super) fn format(&self) -> TextFormat {
        TextFormat { delimiter: self.delimiter, header: self.header, quotes: true }
    }
}

/// The most steps of one sample. A wrong `id` column is an error before a large file fills the memory.
pub(crate) const LONGEST: usize = 1 << 20;

fn one_or_more<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a column's name, or a list of names")]
    enum Names {
        One(String),
        More(Vec<String>),
    }
    Ok(match Names::deserialize(source)? {
        Names::One(name) => vec![name],
        Names::More(names) => names,
    })
}

fn one() -> usize {
    1
}
