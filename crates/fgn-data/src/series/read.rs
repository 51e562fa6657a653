//! From a table to a [`Series`].

use std::collections::HashMap;
use std::path::Path;

use super::options::LONGEST;
use super::store::Writer;
use super::{
    Known, Missing, Piece, Sequence, Series, SeriesOptions, Targets, Task, Windows, spilled,
};
use crate::samples::sorted_classes;
use crate::table::{self, Layout, Table, shortened};
use crate::{Error, Form, Input, Progress, Result, Samples, Target};

pub(super) fn read(
    path: &Path,
    options: &SeriesOptions,
    known: Option<&Known>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Series> {
    options.check()?;
    let layout = Layout { delimiter: options.delimiter, header: options.header };
    let mut table = table::open(path, layout)?;
    let name = path.display().to_string();
    let columns = Columns::find(&name, table.columns(), options, known)?;
    let mut reading = Reading::new(&name, columns, options, known);
    while table.advance()? {
        reading.row(&*table)?;
        if reading.rows.is_multiple_of(4096) {
            let (done, total) = table.progress();
            progress(Progress { name: &name, done, total });
        }
    }
    let (_, total) = table.progress();
    progress(Progress { name: &name, done: total, total });
    reading.finish()
}

/// Where in the table things are.
struct Columns {
    id: Option<usize>,
    features: Vec<(usize, String)>,
    /// None where it is not asked for.
    target: Vec<(usize, String)>,
}

impl Columns {
    fn find(
        file: &str,
        all: &[String],
        options: &SeriesOptions,
        known: Option<&Known>,
    ) -> Result<Columns> {
        let find = |name: &String| {
            all.iter().position(|column| column == name).ok_or_else(|| Error::Column {
                file: file.to_owned(),
                column: name.clone(),
                found: table::shortened(&all.join(", ")),
                nearest: crate::registry::nearest(name, all.iter().map(String::as_str)),
            })
        };
        let find_all = |names: &[String]| -> Result<Vec<(usize, String)>> {
            names.iter().map(|name| Ok((find(name)?, name.clone()))).collect()
        };
        let id = options.id.as_ref().map(find).transpose()?;
        let target = match known {
            Some(Known { target: None, .. }) => Vec::new(),
            _ => find_all(&options.target)?,
        };
        let is_forecast = matches!(options.task, Task::Forecast { .. });
        let has = |columns: &[(usize, String)], at: usize| columns.iter().any(|&(it, _)| it == at);
        let mut features = match (known, &options.features[..]) {
            (Some(known), _) => find_all(&known.features)?,
            (None, []) => {
                let ignored = find_all(&options.ignore)?;
                let free = |&(at, _): &(usize, &String)| {
                    id != Some(at) && !has(&ignored, at) && (is_forecast || !has(&target, at))
                };
                let free = all.iter().enumerate().filter(free);
                free.map(|(at, name)| (at, name.clone())).collect()
            }
            (None, named) => find_all(named)?,
        };
        if is_forecast {
            let unseen = target.iter().filter(|&&(at, _)| !has(&features, at));
            let unseen: Vec<_> = unseen.cloned().collect();
            features.extend(unseen);
        }
        if features.is_empty() {
            return Err(Error::Table {
                at: file.to_owned(),
                found: "no column of features".into(),
                expected: "one or more beside id and target".into(),
            });
        }
        Ok(Columns { id, features, target })
    }
}

/// What is known after some rows.
struct Reading<'a> {
    name: &'a str,
    columns: Columns,
    task: Task,
    /// Whether targets are read.
    told: bool,
    missing: Missing,
    store: Writer,
    rows: u64,
    sequences: Vec<Sequence>,
    /// The place of each id among the sequences.
    ids: HashMap<String, usize>,
    classes: Classes,
    targets: Vec<u32>,
    numbers: Vec<f32>,
    /// The last numbers of each sequence, where a missing one is read as the one before.
    last: Vec<Vec<f32>>,
    row: Vec<f32>,
}

/// The classes, as they come or as they are known.
struct Classes {
    names: Vec<String>,
    places: HashMap<String, u32>,
    are_known: bool,
}

impl<'a> Reading<'a> {
    fn new(
        name: &'a str,
        columns: Columns,
        options: &SeriesOptions,
        known: Option<&Known>,
    ) -> Reading<'a> {
        let names = match known.map(|known| &known.target) {
            Some(Some(Target::Classes(names))) => names.clone(),
            _ => Vec::new(),
        };
        let places = names.iter().cloned().zip(0..).collect();
        let memory = usize::try_from(options.memory).unwrap_or(usize::MAX);
        Reading {
            name,
            store: Writer::new(columns.features.len(), memory),
            columns,
            task: options.task,
            told: known.is_none_or(|known| known.target.is_some()),
            missing: options.missing,
            rows: 0,
            sequences: Vec::new(),
            ids: HashMap::new(),
            classes: Classes { names, places, are_known: known.is_some() },
            targets: Vec::new(),
            numbers: Vec::new(),
            last: Vec::new(),
            row: Vec::new(),
        }
    }

    fn row(&mut self, table: &dyn Table) -> Result<()> {
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
            Task::Classes if self.told => self.class(table, sequence, is_new)?,
            Task::Numbers if self.told => self.target_numbers(table, sequence, is_new)?,
            Task::Forecast { .. } => {}
            Task::Classes | Task::Numbers if is_new => self.targets.push(0),
            Task::Classes | Task::Numbers => {}
        }
        let place = self.store.push(&self.row).map_err(|source| spilled(self.name, source))?;
        self.rows += 1;
        let sequence = &mut self.sequences[sequence];
        sequence.rows += 1;
        match sequence.pieces.last_mut() {
            Some(piece) if piece.first + piece.rows as u64 == place => piece.rows += 1,
            _ => sequence.pieces.push(Piece { first: place, rows: 1 }),
        }
        if sequence.rows > LONGEST && !matches!(self.task, Task::Forecast { .. }) {
            return Err(Error::Table {
                at: format!("{}, {}", self.name, table.place()),
                found: format!("more than {LONGEST} rows of the id {}", shortened(&sequence.id)),
                expected: "sequences that fit in memory: is it the right id column?".into(),
            });
        }
        Ok(())
    }

    /// The sequence that the row belongs to, and whether it is its first.
    fn sequence(&mut self, table: &dyn Table) -> Result<(usize, bool)> {
        let id = match self.columns.id {
            Some(column) => table
                .field(column)?
                .name()
                .ok_or_else(|| self.wrong(table, column, None, "an id"))?,
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

    fn feature(&self, table: &dyn Table, at: usize, sequence: usize) -> Result<f32> {
        let (column, _) = self.columns.features[at];
        let number = table.field(column)?.number();
        match number.map_err(|found| {
            let expected = "a finite number (or name the column in ignore)";
            self.wrong(table, column, Some(found), expected)
        })? {
            Some(number) => Ok(number),
            None => match self.missing {
                Missing::Zero => Ok(0.0),
                Missing::Previous => Ok(self.last[sequence][at]),
                Missing::Error => {
                    let expected = "a number (or missing = \"zero\" or \"previous\")";
                    Err(self.wrong(table, column, None, expected))
                }
            },
        }
    }

    fn class(&mut self, table: &dyn Table, sequence: usize, is_new: bool) -> Result<()> {
        let (column, _) = self.columns.target[0];
        let name = table.field(column)?.name();
        let name = name.ok_or_else(|| self.wrong(table, column, None, "the name of a class"))?;
        let class = match self.classes.places.get(&name) {
            Some(&class) => class,
            None if self.classes.are_known => {
                let expected =
                    format!("a class that is known: {}", shortened(&self.classes.names.join(", ")));
                return Err(self.wrong(table, column, Some(shortened(&name)), &expected));
            }
            None => self.classes.add(name.clone()).ok_or_else(|| {
                let expected = format!("at most {MOST_CLASSES} classes (or task = \"numbers\")");
                self.wrong(table, column, Some("one more class".into()), &expected)
            })?,
        };
        if is_new {
            self.targets.push(class);
        } else if self.targets[sequence] != class {
            let first = &self.classes.names[self.targets[sequence] as usize];
            let expected = format!("{}, as in the rows of this id before", shortened(first));
            return Err(self.wrong(table, column, Some(shortened(&name)), &expected));
        }
        Ok(())
    }

    fn target_numbers(&mut self, table: &dyn Table, sequence: usize, is_new: bool) -> Result<()> {
        let width = self.columns.target.len();
        for at in 0..width {
            let (column, _) = self.columns.target[at];
            let number = table.field(column)?.number();
            let number = number
                .map_err(|found| self.wrong(table, column, Some(found), "a finite number"))?;
            let number = number.ok_or_else(|| self.wrong(table, column, None, "a number"))?;
            if is_new {
                self.numbers.push(number);
                continue;
            }
            let first = self.numbers[sequence * width + at];
            if first != number {
                let expected = format!("{first}, as in the rows of this id before");
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
        let (place, column) = (table.place(), &table.columns()[column]);
        Error::Table {
            at: format!("{}, {place}, column {column:?}", self.name),
            found: found.unwrap_or_else(|| "nothing".into()),
            expected: expected.to_owned(),
        }
    }

    fn finish(mut self) -> Result<Series> {
        let empty = || Error::Empty { origin: self.name.to_owned() };
        if self.sequences.is_empty() {
            return Err(empty());
        }
        let names = |columns: &[(usize, String)]| -> Vec<String> {
            columns.iter().map(|(_, name)| name.clone()).collect()
        };
        let features = names(&self.columns.features);
        let (target, targets) = match self.task {
            Task::Classes | Task::Numbers if !self.told => {
                (Target::Classes(Vec::new()), Targets::Classes(self.targets))
            }
            Task::Classes => {
                if !self.classes.are_known {
                    self.classes.names = sorted_classes(self.classes.names, &mut self.targets);
                }
                (Target::Classes(self.classes.names), Targets::Classes(self.targets))
            }
            Task::Numbers => {
                let width = self.columns.target.len();
                let numbers = Targets::Numbers { width, numbers: self.numbers };
                (Target::Numbers(names(&self.columns.target)), numbers)
            }
            Task::Forecast { window, ahead, stride } => {
                let ahead = if self.told { ahead } else { 0 };
                let target = names(&self.columns.target);
                let place = |name| features.iter().position(|feature| feature == name);
                let columns = target.iter().filter_map(place).collect();
                let mut windows = Windows { window, ahead, stride, columns, ends: Vec::new() };
                let mut end = 0;
                for sequence in &self.sequences {
                    end += windows.of(sequence.rows);
                    windows.ends.push(end);
                }
                if end == 0 {
                    let rows = self.sequences.iter().map(|sequence| sequence.rows).max();
                    return Err(Error::Table {
                        at: format!("{}, its end", self.name),
                        found: format!("{} rows in the longest sequence", rows.unwrap_or(0)),
                        expected: format!("{} or more: window and ahead", window + ahead),
                    });
                }
                (Target::Numbers(target), Targets::Windows(windows))
            }
        };
        let input = Input::Series { features: features.len() };
        let store = self.store.finish().map_err(|source| spilled(self.name, source))?;
        let series = Series {
            name: self.name.to_owned(),
            form: Form { input, target, each_step: false },
            features,
            store,
            sequences: self.sequences,
            targets,
        };
        match u32::try_from(series.len()) {
            Ok(_) => Ok(series),
            Err(_) => Err(Error::TooMany { count: series.len() }),
        }
    }
}

/// As many as a model can have.
const MOST_CLASSES: usize = 1 << 14;

impl Classes {
    fn add(&mut self, name: String) -> Option<u32> {
        let place =
            u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < MOST_CLASSES)?;
        self.names.push(name.clone());
        self.places.insert(name, place);
        Some(place)
    }
}
