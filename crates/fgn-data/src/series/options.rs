use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, Result};

/// How a table of rows, a CSV file say, becomes samples.
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
    /// What is to be told.
    pub task: Task,
    /// The column that says which sequence a row belongs to: its rows, in the file's order, are the
    /// steps. Without one, the whole file is one sequence, of which windows are the samples
    /// ([`Task::Forecast`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The columns that hold the target: one for classes, one or more for numbers. In TOML a name, or a
    /// list of names; so too the next two.
    #[serde(deserialize_with = "one_or_more")]
    pub target: Vec<String>,
    /// The columns that hold the numbers of a step; if none are named, all that are neither `id` nor
    /// `target` nor in `ignore`. A forecast sees its target's past too.
    #[serde(deserialize_with = "one_or_more")]
    pub features: Vec<String>,
    /// Columns that are left alone.
    #[serde(deserialize_with = "one_or_more")]
    pub ignore: Vec<String>,
    /// What becomes of a field without a number in it: one that is empty, or `NA`, `NaN`, `null`, `?`.
    pub missing: Missing,
    /// What stands between the fields of a text file: a comma if not given, in a `.tsv` file a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line of a text file names the columns; if not, they are called `1`, `2`, ….
    pub header: bool,
    /// How many bytes of numbers are held in memory; those of a larger file are held in a temporary
    /// file, in the folder that the system has for such (`TMPDIR`), and read batch by batch.
    pub memory: u64,
}

/// What is to be told of a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// Which class it is of: what stands in the target column, the same in all its rows.
    #[default]
    Classes,
    /// Some numbers: those in the target columns, the same in all its rows.
    Numbers,
    /// What the target columns will hold. A sample is a window of `window` rows; its target is what
    /// they hold `ahead` rows behind its last. Windows begin at every `stride`-th row of a sequence.
    Forecast {
        /// The rows of a window, at least 1.
        window: usize,
        /// How far ahead, at least 1; 1 if left out.
        #[serde(default = "one")]
        ahead: usize,
        /// How far the windows are apart, at least 1; 1 if left out.
        #[serde(default = "one")]
        stride: usize,
    },
}

/// What becomes of a missing number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// It is an error, told with its line.
    #[default]
    Error,
    /// It reads as 0.
    Zero,
    /// It reads as in the row before of the same sequence; 0 where there is none.
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
    /// The first option that fits none.
    pub fn check(&self) -> Result<()> {
        let wrong = |option, found: String, expected: &str| {
            Err(Error::Option { option, found, expected: expected.to_owned() })
        };
        if let Some(delimiter) = self.delimiter
            && (!delimiter.is_ascii() || "\"\n\r".contains(delimiter))
        {
            return wrong("delimiter", format!("{delimiter:?}"), "one ASCII character, as ','");
        }
        let named = self.target.len();
        match self.task {
            Task::Classes if named != 1 => {
                return wrong("target", format!("{named} columns"), "the one that holds the class");
            }
            Task::Numbers if named == 0 => {
                return wrong("target", "no column".into(), "one or more that hold the numbers");
            }
            Task::Forecast { .. } if named == 0 => {
                return wrong("target", "no column".into(), "one or more to forecast");
            }
            Task::Forecast { window, ahead, stride } => {
                let sizes = [window, ahead, stride];
                if sizes.iter().any(|size| !(1..=LONGEST).contains(size)) {
                    let expected = format!("each from 1 to {LONGEST}");
                    let found = format!("window {window}, ahead {ahead}, stride {stride}");
                    return wrong("task.forecast", found, &expected);
                }
            }
            Task::Classes | Task::Numbers => {
                if self.id.is_none() {
                    let expected = "the column that says which sequence a row belongs to";
                    return wrong("id", "no column".into(), expected);
                }
            }
        }
        Ok(())
    }
}

/// The most steps of one sample: what a mistaken `id` column would make of a large file is told before
/// it fills the memory.
pub(super) const LONGEST: usize = 1 << 20;

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
