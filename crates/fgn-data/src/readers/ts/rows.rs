//! The lines of a `.ts` file, each a series.

use std::collections::HashSet;

use fgn_schema::{InputSchema, MAX_SIZE, Schema, TargetSchema};

use super::header::{Header, Label};
use super::options::TsOptions;
use crate::classes::Classes;
use crate::error::{Error, Result};
use crate::names::{class_key, shortened};
use crate::reader::Like;
use crate::readers::series::options::{LONGEST, Missing};
use crate::readers::series::sequences::{Piece, Sequence, Series, Targets, spill_error};
use crate::readers::series::store::Writer;
use crate::samples::check_count;
use crate::table::row::Field;

/// The option that bounds the memory.
const MEMORY: &str = "data.ts.memory";

/// The series read so far.
pub(super) struct Rows<'a> {
    name: &'a str,
    header: Header,
    options: &'a TsOptions,
    is_labelled: bool,
    /// Made with the first series, which may say how many dimensions there are.
    store: Option<Writer>,
    width: usize,
    sequences: Vec<Sequence>,
    classes: Classes,
    labels: Vec<u32>,
    values: Vec<f64>,
}

impl<'a> Rows<'a> {
    /// No series of the file `name` yet.
    ///
    /// # Errors
    /// [`Error::Table`] for a file without the targets that are needed, or with a class that is there twice.
    pub(super) fn new(
        name: &'a str,
        header: Header,
        options: &'a TsOptions,
        like: Option<&Like>,
    ) -> Result<Rows<'a>> {
        let is_labelled = like.is_none_or(|like| like.labelled);
        if is_labelled && header.label == Label::None {
            return Err(Error::Table {
                at: name.to_owned(),
                found: "series without targets".into(),
                expected: "@classLabel true, or @targetLabel true".into(),
            });
        }
        let classes = match (like.map(|like| &like.schema.target), &header.label) {
            (Some(TargetSchema::Class { names, .. }), _) => Classes::new(Some(names)),
            (_, Label::Class(names)) if !names.is_empty() => {
                let mut sorted = names.clone();
                sorted.sort_by(|one, other| class_key(one).cmp(&class_key(other)));
                if names.iter().collect::<HashSet<_>>().len() < names.len() {
                    return Err(Error::Table {
                        at: format!("{name}, @classLabel"),
                        found: format!("a class twice: {}", shortened(&names.join(" "))),
                        expected: "each class once".into(),
                    });
                }
                Classes::new(Some(&sorted))
            }
            _ => Classes::new(None),
        };
        Ok(Rows {
            name,
            header,
            options,
            is_labelled,
            store: None,
            width: 0,
            sequences: Vec::new(),
            classes,
            labels: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Adds the series of a line.
    ///
    /// # Errors
    /// A field that is not as it should be, with its line.
    pub(super) fn add(&mut self, line: &str, number: u64) -> Result<()> {
        let mut fields: Vec<&str> = line.split(':').collect();
        if self.header.label != Label::None {
            let label = fields.pop().unwrap_or_default().trim();
            if self.is_labelled {
                self.label(label, number)?;
            }
        }
        let dimensions = self.numbers(&fields, number)?;
        let rows = self.steps(&dimensions, number)?;
        let store = self.store.get_or_insert_with(|| Writer::new(self.width, self.options.memory));
        let mut first = None;
        for row in 0..rows {
            let row: Vec<f64> = dimensions.iter().map(|numbers| numbers[row]).collect();
            let index = store.push(&row);
            let index = index.map_err(|source| spill_error(self.name, MEMORY, source))?;
            first.get_or_insert(index);
        }
        let piece = Piece { first: first.unwrap_or_default(), rows };
        let id = format!("line {number}").into();
        self.sequences.push(Sequence { id, pieces: vec![piece], rows });
        Ok(())
    }

    /// All series as samples.
    ///
    /// # Errors
    /// No series.
    pub(super) fn finish(mut self) -> Result<Series> {
        check_count(self.name, self.sequences.len())?;
        let (target, targets) = match self.header.label {
            _ if !self.is_labelled => (TargetSchema::None, Targets::None),
            Label::None => (TargetSchema::None, Targets::None),
            Label::Class(_) => {
                let names = self.classes.sorted(&mut self.labels);
                let target = TargetSchema::Class { names, per_step: false };
                (target, Targets::Classes(self.labels))
            }
            Label::Number => {
                let target = TargetSchema::Value { names: vec!["target".into()], per_step: false };
                (target, Targets::Values { width: 1, values: self.values })
            }
        };
        let store = self.store.unwrap_or_else(|| Writer::new(self.width, 0)).finish();
        Ok(Series {
            name: self.name.to_owned(),
            memory: MEMORY,
            schema: Schema::new(InputSchema::Series { features: self.width }, target),
            features: (0..self.width).map(|dimension| format!("dim_{dimension}")).collect(),
            store: store.map_err(|source| spill_error(self.name, MEMORY, source))?,
            sequences: self.sequences,
            windows: None,
            targets,
        })
    }

    fn label(&mut self, text: &str, number: u64) -> Result<()> {
        match self.header.label {
            Label::None => {}
            Label::Class(_) => {
                let nothing = || (shortened(text), "the name of a class".to_owned());
                let class = match text {
                    "" | "?" => Err(nothing()),
                    name => self.classes.find(name),
                };
                let class = class.map_err(|(found, expected)| self.wrong(number, found, expected));
                self.labels.push(class?);
            }
            Label::Number => {
                let value = Field::of_text(text).number().ok().flatten();
                let expected = "a finite number as the target, as 1.5 or -2e3".to_owned();
                let value = value.ok_or_else(|| self.wrong(number, shortened(text), expected));
                self.values.push(value?);
            }
        }
        Ok(())
    }

    /// The numbers of each dimension.
    fn numbers(&self, fields: &[&str], number: u64) -> Result<Vec<Vec<f64>>> {
        let parsed = |(dimension, field): (usize, &&str)| -> Result<Vec<f64>> {
            let mut numbers: Vec<f64> = Vec::new();
            for (step, text) in field.split(',').enumerate() {
                let at = || format!("dimension {dimension}, step {step}");
                let found = Field::of_text(text).number().map_err(|found| {
                    let expected = format!("a finite number in {}, as 1.5 or -2e3", at());
                    self.wrong(number, found, expected)
                })?;
                let previous = || numbers.last().copied().unwrap_or(0.0);
                numbers.push(match (found, self.options.missing) {
                    (Some(found), _) => found,
                    (None, Missing::Zero) => 0.0,
                    (None, Missing::Previous) => previous(),
                    (None, Missing::Error) => {
                        let expected = format!(
                            "a number in {} (or data.ts.missing = \"zero\" or \"previous\")",
                            at()
                        );
                        return Err(self.wrong(number, shortened(text.trim()), expected));
                    }
                });
            }
            Ok(numbers)
        };
        fields.iter().enumerate().map(parsed).collect()
    }

    /// How many steps a series has, whose dimensions are as many as those of the others.
    fn steps(&mut self, dimensions: &[Vec<f64>], number: u64) -> Result<usize> {
        if self.width == 0 {
            self.width = self.header.dimensions.unwrap_or(dimensions.len());
        }
        let steps = dimensions.first().map_or(0, Vec::len);
        if dimensions.len() != self.width || self.width > MAX_SIZE || self.width == 0 {
            let expected = format!("{}, as in the other series", self.width.clamp(1, MAX_SIZE));
            return Err(self.wrong(number, format!("{} dimensions", dimensions.len()), expected));
        }
        if let Some(other) = dimensions.iter().position(|numbers| numbers.len() != steps) {
            let found = format!("{} steps of dimension {other}", dimensions[other].len());
            return Err(self.wrong(number, found, format!("{steps}, as of dimension 0")));
        }
        if steps > LONGEST {
            return Err(self.wrong(number, format!("{steps} steps"), format!("at most {LONGEST}")));
        }
        let before = self.sequences.first().map_or(steps, |sequence| sequence.rows);
        let length = self.header.length.unwrap_or(before);
        match !self.header.is_equal || steps == length {
            true => Ok(steps),
            false => {
                let expected = format!("{length}: the header says that all lengths are equal");
                Err(self.wrong(number, format!("{steps} steps"), expected))
            }
        }
    }

    fn wrong(&self, number: u64, found: String, expected: String) -> Error {
        Error::Table { at: format!("{}, line {number}", self.name), found, expected }
    }
}
