//! Tables: rows of fields under named columns, from a text file or a Parquet file, row by row.

mod csv;
#[cfg(feature = "parquet")]
mod parquet;

use std::path::Path;

use crate::{Error, Result};

/// A table that is read from its first row to its last. One row is held at a time.
pub(crate) trait Table {
    /// The columns' names, at least one.
    fn columns(&self) -> &[String];

    /// Goes to the next row; false behind the last.
    fn advance(&mut self) -> Result<bool>;

    /// A field of the present row.
    fn field(&self, column: usize) -> Result<Field<'_>>;

    /// Where the present row is: `line 7`.
    fn place(&self) -> String;

    /// How much of the file is read, and how much there is.
    fn progress(&self) -> (u64, u64);
}

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// Nothing, or a word for it.
    Missing,
    Text(&'a str),
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "text files hold text"))]
    Number(f64),
}

/// How a text file is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) delimiter: Option<char>,
    pub(crate) header: bool,
}

/// The table in the file: Parquet if it ends in `.parquet`, else text.
pub(crate) fn open(path: &Path, layout: Layout) -> Result<Box<dyn Table>> {
    let ends = |end| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(end));
    if ends("parquet") {
        return parquet_table(path);
    }
    let delimiter = layout.delimiter.unwrap_or(if ends("tsv") { '\t' } else { ',' });
    Ok(Box::new(csv::Csv::open(path, delimiter as u8, layout.header)?))
}

#[cfg(feature = "parquet")]
fn parquet_table(path: &Path) -> Result<Box<dyn Table>> {
    Ok(Box::new(parquet::Parquet::open(path)?))
}

#[cfg(not(feature = "parquet"))]
fn parquet_table(path: &Path) -> Result<Box<dyn Table>> {
    Err(Error::NoParquet { file: path.display().to_string() })
}

/// # Errors
/// More columns than any model takes, and two of one name.
fn check_columns(file: &str, columns: &[String]) -> Result<()> {
    const MOST: usize = 1 << 14;
    let wrong = |found: String, expected: &str| Error::Table {
        at: file.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    if columns.is_empty() || columns.len() > MOST {
        return Err(wrong(format!("{} columns", columns.len()), &format!("1 to {MOST}")));
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
    /// Of a text file, where everything is text.
    fn of_text(text: &str) -> Field<'_> {
        match text.trim() {
            "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL" | "?" => Field::Missing,
            text => Field::Text(text),
        }
    }

    /// As a finite number; none where it is missing.
    ///
    /// # Errors
    /// What stands there instead.
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

/// As an error can show it.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
