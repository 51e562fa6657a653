//! Tables as a reader sees them: rows of fields under named columns.

use fgn_schema::MAX_SIZE;

use crate::error::{Error, Result};
use crate::names::shortened;

/// A table that is read from its first row to its last. Only the current row is in memory.
pub(crate) trait Table {
    /// The columns' names, at least one.
    fn columns(&self) -> &[String];

    /// Goes to the next row; false after the last.
    fn advance(&mut self) -> Result<bool>;

    /// A field of the current row.
    fn field(&self, column: usize) -> Result<Field<'_>>;

    /// Where the current row is: `line 7`.
    fn position(&self) -> String;

    /// How much of the file is read, and how much there is.
    fn progress(&self) -> (u64, u64);
}

/// The content of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// Nothing, or a word for it: `NA`, say.
    Missing,
    Text(&'a str),
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "text files hold text"))]
    Number(f64),
}

/// # Errors
/// More columns than any model takes, and two of one name.
pub(super) fn check_columns(file: &str, columns: &[String]) -> Result<()> {
    let wrong = |found: String, expected: &str| Error::Table {
        at: file.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    if columns.is_empty() || columns.len() > MAX_SIZE {
        return Err(wrong(format!("{} columns", columns.len()), &format!("1 to {MAX_SIZE}")));
    }
    let mut sorted: Vec<&String> = columns.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(wrong(format!("two columns called {:?}", pair[0]), "a name of its own for each"))
        }
        None => Ok(()),
    }
}

impl Field<'_> {
    /// A field of a text file, where everything is text.
    pub(super) fn of_text(text: &str) -> Field<'_> {
        match text.trim() {
            "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL" | "?" => Field::Missing,
            text => Field::Text(text),
        }
    }

    /// As a finite number; none where it is missing.
    ///
    /// # Errors
    /// What is there instead.
    pub(crate) fn number(self) -> std::result::Result<Option<f32>, String> {
        let number = match self {
            Field::Missing => return Ok(None),
            Field::Text(text) => text.parse().map_err(|_| shortened(text))?,
            Field::Number(number) => number,
        };
        match number as f32 {
            finite if finite.is_finite() => Ok(Some(finite)),
            _ => Err(number.to_string()),
        }
    }

    /// As a name; none where it is missing.
    pub(crate) fn name(self) -> Option<String> {
        match self {
            Field::Missing => None,
            Field::Text(text) => Some(text.to_owned()),
            Field::Number(number) => Some(number.to_string()),
        }
    }
}
