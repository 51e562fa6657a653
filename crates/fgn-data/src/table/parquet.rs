//! Parquet files, a row at a time: whole row groups are never in memory.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field as Value;
use parquet::record::reader::RowIter;

use super::row::{Field, Stored, Table, check_columns};
use crate::error::{Error, Result};
use crate::names::shortened;

/// A Parquet file of flat columns.
pub(super) struct Parquet {
    name: String,
    columns: Vec<String>,
    /// Of each column, whether it is of the type INT96, of which the library reads milliseconds alone.
    nanoseconds: Vec<bool>,
    rows: RowIter<'static>,
    row: Vec<(String, Value)>,
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
        let nanoseconds =
            fields.iter().map(|field| field.get_physical_type() == Physical::INT96).collect();
        let total = u64::try_from(about.num_rows()).unwrap_or(0);
        let rows = caught(&name, 0, || Ok(RowIter::from_file_into(Box::new(reader))))?;
        Ok(Parquet { name, columns, nanoseconds, rows, row: Vec::new(), done: 0, total })
    }

    /// A value as the library writes it, which panics for dates out of its range.
    fn text_of(&self, value: &Value) -> Result<String> {
        caught(&self.name, self.done, || Ok(value.to_string()))
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
        let wrong = |found: String| Error::Table {
            at: format!("{}, row {}, column {:?}", self.name, self.done, self.columns[column]),
            found,
            expected: "a number or text (or the column in data.series.ignore)".into(),
        };
        let stored = match self.row.get(column).map(|(_, value)| value) {
            None | Some(Value::Null) => return Ok(Field::Missing),
            Some(Value::Str(text)) => return Ok(Field::of_text(text)),
            Some(Value::Float16(value)) if value.is_nan() => return Ok(Field::Missing),
            Some(Value::Float(value)) if value.is_nan() => return Ok(Field::Missing),
            Some(Value::Double(value)) if value.is_nan() => return Ok(Field::Missing),
            Some(Value::Bool(value)) => Stored::Bool(*value),
            Some(Value::Byte(value)) => Stored::Integer((*value).into()),
            Some(Value::Short(value)) => Stored::Integer((*value).into()),
            Some(Value::Int(value)) => Stored::Integer((*value).into()),
            Some(Value::Long(value)) => Stored::Integer((*value).into()),
            Some(Value::UByte(value)) => Stored::Integer((*value).into()),
            Some(Value::UShort(value)) => Stored::Integer((*value).into()),
            Some(Value::UInt(value)) => Stored::Integer((*value).into()),
            Some(Value::ULong(value)) => Stored::Integer((*value).into()),
            Some(Value::Float16(value)) => Stored::Single((*value).into()),
            Some(Value::Float(value)) => Stored::Single(*value),
            Some(Value::Double(value)) => Stored::Double(*value),
            Some(decimal @ Value::Decimal(_)) => {
                let digits = self.text_of(decimal)?;
                Stored::Decimal(digits.trim_end_matches('.').to_owned())
            }
            Some(_) if self.nanoseconds[column] => {
                let found =
                    "a time stamp of the type INT96, of which the nanoseconds would be lost";
                return Err(wrong(found.into()));
            }
            Some(
                time @ (Value::Date(_)
                | Value::TimeMillis(_)
                | Value::TimeMicros(_)
                | Value::TimestampMillis(_)
                | Value::TimestampMicros(_)),
            ) => Stored::Time(self.text_of(time)?),
            Some(other) => return Err(wrong(shortened(&self.text_of(other)?))),
        };
        Ok(Field::Stored(stored))
    }

    fn place(&self) -> (&'static str, u64) {
        ("row", self.done)
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
