//! Parquet files, a row at a time: whole row groups are never in memory.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field as Stored;
use parquet::record::reader::RowIter;

use super::row::{Field, Table, check_columns};
use crate::error::{Error, Result};

/// A Parquet file of flat columns.
pub(super) struct Parquet {
    name: String,
    columns: Vec<String>,
    rows: RowIter<'static>,
    row: Vec<(String, Stored)>,
    done: u64,
    total: u64,
}

impl Parquet {
    pub(super) fn open(path: &Path) -> Result<Parquet> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| Error::Read { file: name.clone(), source })?;
        let reader = caught(&name, 0, || SerializedFileReader::new(file))?;
        let about = reader.metadata().file_metadata();
        let fields = about.schema().get_fields();
        if let Some(nested) = fields.iter().find(|field| !field.is_primitive()) {
            return Err(Error::Table {
                at: name,
                found: format!("a column {:?} of nested values", nested.name()),
                expected: "columns of single values".into(),
            });
        }
        let columns: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
        check_columns(&name, &columns)?;
        let total = u64::try_from(about.num_rows()).unwrap_or(0);
        let rows = caught(&name, 0, || Ok(RowIter::from_file_into(Box::new(reader))))?;
        Ok(Parquet { name, columns, rows, row: Vec::new(), done: 0, total })
    }
}

impl Table for Parquet {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn advance(&mut self) -> Result<bool> {
        match caught(&self.name, self.done, || self.rows.next().transpose())? {
            Some(row) => {
                self.row = row.into_columns();
                self.done += 1;
                Ok(true)
            }
            None if self.done < self.total => Err(Error::Table {
                at: format!("{}, row {}", self.name, self.done),
                found: "the end".into(),
                expected: format!("{} rows: truncated?", self.total),
            }),
            None => Ok(false),
        }
    }

    fn field(&self, column: usize) -> Result<Field<'_>> {
        let number =
            |number: f64| Ok(if number.is_nan() { Field::Missing } else { Field::Number(number) });
        match self.row.get(column).map(|(_, field)| field) {
            None | Some(Stored::Null) => Ok(Field::Missing),
            Some(Stored::Bool(value)) => number(f64::from(u8::from(*value))),
            Some(Stored::Byte(value)) => number(f64::from(*value)),
            Some(Stored::Short(value)) => number(f64::from(*value)),
            Some(Stored::Int(value)) => number(f64::from(*value)),
            Some(Stored::Long(value)) => number(*value as f64),
            Some(Stored::UByte(value)) => number(f64::from(*value)),
            Some(Stored::UShort(value)) => number(f64::from(*value)),
            Some(Stored::UInt(value)) => number(f64::from(*value)),
            Some(Stored::ULong(value)) => number(*value as f64),
            Some(Stored::Float16(value)) => number(f64::from(*value)),
            Some(Stored::Float(value)) => number(f64::from(*value)),
            Some(Stored::Double(value)) => number(*value),
            Some(Stored::Str(text)) => Ok(Field::of_text(text)),
            Some(other) => Err(Error::Table {
                at: format!("{}, row {}, column {:?}", self.name, self.done, self.columns[column]),
                found: other.to_string(),
                expected: "a number or text (or name the column in ignore)".into(),
            }),
        }
    }

    fn position(&self) -> String {
        format!("row {}", self.done)
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}

/// Calls the library, which panics on some damaged files.
fn caught<T>(
    file: &str,
    rows: u64,
    call: impl FnOnce() -> std::result::Result<T, ParquetError>,
) -> Result<T> {
    let found = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "values that make its reader panic".into(),
    };
    Err(Error::Table {
        at: format!("{file}, after row {rows}"),
        found,
        expected: "a whole Parquet file".into(),
    })
}
