//! Tables from files, row by row: text files and Parquet files.

mod csv;
mod format;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod row;

use std::path::Path;

pub(crate) use self::format::TextFormat;

use self::row::Table;
use crate::error::{Error, Result};
use crate::names::{nearest, shortened};
use crate::reader::{ReadProgress, has_ending};

/// What a table is: a file with one of these endings, in upper or lower case. Nothing else decides it.
pub(crate) const ENDINGS: &[&str] = &["csv", "tsv", "parquet"];

/// The index of the column `name` among `all` of a file.
///
/// # Errors
/// [`Error::Column`] if it is missing.
pub(crate) fn column(file: &str, all: &[String], name: &str) -> Result<usize> {
    all.iter().position(|column| column == name).ok_or_else(|| Error::Column {
        file: file.to_owned(),
        column: name.to_owned(),
        found: shortened(&all.join(", ")),
        nearest: nearest(name, all.iter().map(String::as_str)),
    })
}

/// Checks that the options that name columns are given: each with its name, its value and what is expected.
///
/// # Errors
/// [`Error::Option`] for the first that is empty.
pub(crate) fn check_given(columns: &[(&'static str, &str, &str)]) -> Result<()> {
    match columns.iter().find(|(_, name, _)| name.is_empty()) {
        None => Ok(()),
        Some(&(option, _, expected)) => {
            let (found, expected) = ("not given".into(), expected.into());
            Err(Error::Option { option, found, expected })
        }
    }
}

/// Calls `each` with the table at every row, and reports to `progress` now and then.
///
/// # Errors
/// Those of the table and of `each`.
pub(crate) fn each_row(
    name: &str,
    table: &mut dyn Table,
    progress: &mut dyn FnMut(ReadProgress<'_>),
    mut each: impl FnMut(&dyn Table) -> Result<()>,
) -> Result<()> {
    let mut rows: u64 = 0;
    while table.advance()? {
        each(table)?;
        rows += 1;
        if rows.is_multiple_of(4096) {
            let (done, total) = table.progress();
            progress(ReadProgress::new(name, done, total));
        }
    }
    let (_, total) = table.progress();
    progress(ReadProgress::new(name, total, total));
    Ok(())
}

/// The table in the file: Parquet if it ends in `.parquet`, in upper or lower case, else text.
pub(crate) fn open(path: &Path, format: TextFormat) -> Result<Box<dyn Table>> {
    if has_ending(path, &["parquet"]) {
        return open_parquet(path);
    }
    let default = if has_ending(path, &["tsv"]) { '\t' } else { ',' };
    let delimiter = format.delimiter.unwrap_or(default);
    Ok(Box::new(csv::Csv::open(path, delimiter as u8, format)?))
}

#[cfg(feature = "parquet")]
fn open_parquet(path: &Path) -> Result<Box<dyn Table>> {
    Ok(Box::new(parquet::Parquet::open(path)?))
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(path: &Path) -> Result<Box<dyn Table>> {
    Err(Error::NoParquet { file: path.display().to_string() })
}
