//! Tables from files, row by row: text files and Parquet files.

mod csv;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod row;

use std::path::Path;

use self::row::Table;
use crate::error::Result;
use crate::reader::has_ending;

/// What a table is: a file with one of these endings, in upper or lower case. Nothing else decides it.
pub(crate) const ENDINGS: &[&str] = &["csv", "tsv", "parquet"];

/// How a text file is written.
#[derive(Clone, Copy)]
pub(crate) struct TextFormat {
    pub(crate) delimiter: Option<char>,
    pub(crate) header: bool,
}

/// The table in the file: Parquet if it ends in `.parquet`, in upper or lower case, else text.
pub(crate) fn open(path: &Path, format: TextFormat) -> Result<Box<dyn Table>> {
    if has_ending(path, &["parquet"]) {
        return open_parquet(path);
    }
    let default = if has_ending(path, &["tsv"]) { '\t' } else { ',' };
    let delimiter = format.delimiter.unwrap_or(default);
    Ok(Box::new(csv::Csv::open(path, delimiter as u8, format.header)?))
}

#[cfg(feature = "parquet")]
fn open_parquet(path: &Path) -> Result<Box<dyn Table>> {
    Ok(Box::new(parquet::Parquet::open(path)?))
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(path: &Path) -> Result<Box<dyn Table>> {
    Err(crate::error::Error::NoParquet { file: path.display().to_string() })
}
