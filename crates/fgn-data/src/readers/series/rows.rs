//! The rows of a table, gathered into sequences.

use std::collections::HashMap;

use fgn_schema::{InputSchema, Schema, TargetSchema};

use super::columns::{Columns, names};
use super::options::{LONGEST, Missing, SeriesOptions, Task};
use super::sequences::{Piece, Sequence, Series, Targets, spill_error};
use super::store::Writer;
use super::windows::Windows;
use crate::classes::Classes;
use crate::error::{Error, Result};
use crate::names::shortened;
use crate::reader::Like;
use crate::samples::{Samples as _, check_count};
use crate::table::row::Table;

/// The option that bounds the memory.
const MEMORY: &str = "data.series.memory";

/// The rows read so far.
pub(super) struct Rows<'a> {
    name: &'a str,
    columns: Columns,
    task: Task,
    is_labelled: bool,
    missing: Missing,
    store: Writer,
    sequences: Vec<Sequence>,
    /// The index of each id's sequence.
    ids: HashMap<String, usize>,
    classes: Classes,
    /// The class of each sequence, for classification.
    labels: Vec<u32>,
    /// The values of each sequence, for regression.
    values: Vec<f64>,
    /// The last row of each sequence, where a missing number is read as the previous one.
    last: Vec<Vec<f64>>,
    row: Vec<f64>,
}

impl<'a> Rows<'a> {
    /// No rows of the file `name` yet.
    pub(super) fn new(
        name: &'a str,
        columns: Columns,
        options: &SeriesOptions,
        like: Option<&Like>,
    ) -> Rows<'a> {
        let known = match like.map(|like| &like.schema.target) {
            Some(TargetSchema::Class { names, .. }) => Some(&names[..]),
            _ => None,
        };
        Rows {
            name,
            store: Writer::new(columns.features.len(), options.memory),
            columns,
            task: options.task,
            is_labelled: like.is_none_or(|like| like.labelled),
            missing: options.missing,
            sequences: Vec::new(),
            ids: HashMap::new(),
            classes: Classes::new(known),
            labels: Vec::new(),
            values: Vec::new(),
            last: Vec::new(),
            row: Vec::new(),
        }
    }

    /// Adds the table's current row.
    ///
    /// # Errors
    /// A field that is not as it should be, with its line and column.
    pub(super) fn add(&mut self, table: &dyn Table) -> Result<()> {
        let (sequence, is_new) = self.sequence(table)?;
        self.row.clear();
        for at in 0..self.columns.features.len() {
            let number = self.feature(table, at, sequence)?;
            self.row.push(number);
        }
        if self.missing == Missing::Previous {
            self.last[sequence].clone_from(&self.row);
        }
        match self.task {
            Task::Classification if self.is_labelled => self.class(table, sequence, is_new)?,
            Task::Regression if self.is_labelled => self.target_values(table, sequence, is_new)?,
            _ => {}
        }
        let index =
            self.store.push(&self.row).map_err(|source| spill_error(self.name, MEMORY, source))?;
        let sequence = &mut self.sequences[sequence];
        sequence.rows += 1;
        match sequence.pieces.last_mut() {
            Some(piece) if piece.first + piece.rows as u64 == index => piece.rows += 1,
            _ => sequence.pieces.push(Piece { first: index, rows: 1 }),
        }
        if sequence.rows > LONGEST && !matches!(self.task, Task::Forecast { .. }) {
            return Err(Error::Table {
                at: format!("{}, {}", self.name, table.position()),
                found: format!("more than {LONGEST} rows of the id {}", shortened(&sequence.id)),
                expected: "sequences that fit in memory: is it the right id column?".into(),
            });
        }
        Ok(())
    }

    /// All rows as samples.
    ///
    /// # Errors
    /// No rows, or too few for a window.
    pub(super) fn finish(mut self) -> Result<Series> {
        check_count(self.name, self.sequences.len())?;
        let features = names(&self.columns.features);
        let target = names(&self.columns.target);
        let windows = self.windows(&features)?;
        let class = |names| TargetSchema::Class { names, per_step: false };
        let value = |names| TargetSchema::Value { names, per_step: false };
        let (target, targets) = match self.task {
            _ if !self.is_labelled => (TargetSchema::None, Targets::None),
            Task::Classification => {
                let names = self.classes.sorted(&mut self.labels);
                (class(names), Targets::Classes(self.labels))
            }
            Task::Regression => {
                let (width, values) = (target.len(), self.values);
                (value(target), Targets::Values { width, values })
            }
            Task::Forecast { .. } => (value(target), Targets::Ahead),
        };
        let store = self.store.finish().map_err(|source| spill_error(self.name, MEMORY, source))?;
        let series = Series {
            name: self.name.to_owned(),
            memory: MEMORY,
            schema: Schema::new(InputSchema::Series { features: features.len() }, target),
            features,
            store,
            sequences: self.sequences,
            windows,
            targets,
        };
        check_count(self.name, series.len())?;
        Ok(series)
    }

    /// The windows of a forecast.
    fn windows(&self, features: &[String]) -> Result<Option<Windows>> {
        let Task::Forecast { window, ahead, stride } = self.task else {
            return Ok(None);
        };
        // To forecast from a window, no row after it is needed.
        let ahead = if self.is_labelled { ahead } else { 0 };
        let index = |(_, name): &(usize, String)| features.iter().position(|it| it == name);
        let columns = self.columns.target.iter().filter_map(index).collect();
        let rows = || self.sequences.iter().map(|sequence| sequence.rows);
        let windows = Windows::new((window, ahead, stride), columns, rows());
        match windows.count() {
            0 => Err(Error::Table {
                at: format!("{}, its end", self.name),
                found: format!("{} rows in the longest sequence", rows().max().unwrap_or(0)),
                expected: format!("{} or more: window and ahead", window + ahead),
            }),
            _ => Ok(Some(windows)),
        }
    }

    /// The sequence that the row belongs to, and whether it is its first.
    fn sequence(&mut self, table: &dyn Table) -> Result<(usize, bool)> {
        let id = match self.columns.id {
            Some(column) => table.field(column)?.name().ok_or_else(|| {
                self.wrong(table, column, None, "an id (NA, NaN, null and ? are nothing)")
            })?,
            None => String::new(),
        };
        if let Some(&sequence) = self.ids.get(&id) {
            return Ok((sequence, false));
        }
        let sequence = self.sequences.len();
        if u32::try_from(sequence).is_err() {
            return Err(Error::TooMany { count: sequence });
        }
        self.sequences.push(Sequence { id: id.as_str().into(), ..Sequence::default() });
        self.ids.insert(id, sequence);
        if self.missing == Missing::Previous {
            self.last.push(vec![0.0; self.columns.features.len()]);
        }
        Ok((sequence, true))
    }

    fn feature(&self, table: &dyn Table, at: usize, sequence: usize) -> Result<f64> {
        let (column, _) = self.columns.features[at];
        let number = table.field(column)?.number();
        match number.map_err(|found| {
            let expected = "a finite number, as 1.5 or -2e3 (or the column in data.series.ignore)";
            self.wrong(table, column, Some(found), expected)
        })? {
            Some(number) => Ok(number),
            None => match self.missing {
                Missing::Zero => Ok(0.0),
                Missing::Previous => Ok(self.last[sequence][at]),
                Missing::Error => {
                    let expected = "a number (or data.series.missing = \"zero\" or \"previous\")";
                    Err(self.wrong(table, column, None, expected))
                }
            },
        }
    }

    fn class(&mut self, table: &dyn Table, sequence: usize, is_new: bool) -> Result<()> {
        let (column, _) = self.columns.target[0];
        let name = table.field(column)?.name();
        let name = name.ok_or_else(|| {
            self.wrong(table, column, None, "the name of a class (NA, NaN, null and ? are nothing)")
        })?;
        let class = self.classes.find(&name);
        let class =
            class.map_err(|(found, expected)| self.wrong(table, column, Some(found), &expected))?;
        if is_new {
            self.labels.push(class);
        } else if self.labels[sequence] != class {
            let first = &self.classes.names()[self.labels[sequence] as usize];
            let expected = format!("{}, as in the previous rows of this id", shortened(first));
            return Err(self.wrong(table, column, Some(shortened(&name)), &expected));
        }
        Ok(())
    }

    fn target_values(&mut self, table: &dyn Table, sequence: usize, is_new: bool) -> Result<()> {
        let width = self.columns.target.len();
        for at in 0..width {
            let (column, _) = self.columns.target[at];
            let number = table.field(column)?.number();
            let number = number.map_err(|found| {
                self.wrong(table, column, Some(found), "a finite number, as 1.5 or -2e3")
            })?;
            let number = number.ok_or_else(|| self.wrong(table, column, None, "a number"))?;
            if is_new {
                self.values.push(number);
                continue;
            }
            let first = self.values[sequence * width + at];
            if first != number {
                let expected = format!("{first}, as in the previous rows of this id");
                return Err(self.wrong(table, column, Some(number.to_string()), &expected));
            }
        }
        Ok(())
    }

    fn wrong(
        &self,
        table: &dyn Table,
        column: usize,
        found: Option<String>,
        expected: &str,
    ) -> Error {
        let (position, column) = (table.position(), &table.columns()[column]);
        Error::Table {
            at: format!("{}, {position}, column {column:?}", self.name),
            found: found.unwrap_or_else(|| "nothing".into()),
            expected: expected.to_owned(),
        }
    }
}
