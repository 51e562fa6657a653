//! Texts with a class or a number each, gathered row by row.

use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema};

use super::options::{DocumentOptions, DocumentTask};
use crate::classes::Classes;
use crate::error::{Error, Result};
use crate::reader::Like;
use crate::samples::Samples;
use crate::table::row::Field;
use crate::text::lists::{Memory, TextsWriter};
use crate::text::samples::{Origins, Targets, TextSamples, encode};

/// The rows read so far.
pub(crate) struct Rows<'a> {
    options: &'a DocumentOptions,
    like: Option<&'a Like>,
    texts: TextsWriter,
    origins: Origins,
    classes: Classes,
    labels: Vec<u32>,
    values: Vec<f64>,
}

impl<'a> Rows<'a> {
    /// No rows of what is called `name` yet.
    ///
    /// # Errors
    /// A length of 0.
    pub(crate) fn new(
        name: &str,
        options: &'a DocumentOptions,
        like: Option<&'a Like>,
    ) -> Result<Rows<'a>> {
        if options.max_length == Some(0) {
            let (option, found) = ("data.documents.max_length", "0".into());
            return Err(Error::Option { option, found, expected: "1 or more tokens".into() });
        }
        let known = match like.map(|like| &like.schema.target) {
            Some(TargetSchema::Class { names, .. }) => Some(&names[..]),
            _ => None,
        };
        let (option, bytes) = ("data.documents.memory", options.memory);
        let memory = Memory { name: name.to_owned(), option, bytes };
        Ok(Rows {
            options,
            like,
            texts: TextsWriter::new(memory),
            origins: Origins::new(name),
            classes: Classes::new(known),
            labels: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Whether rows have targets.
    pub(crate) fn is_labelled(&self) -> bool {
        self.like.is_none_or(|like| like.labelled)
    }

    /// Adds a row: its text, its target where rows have some, and what it is called, as `("line", 7)`.
    ///
    /// # Errors
    /// An empty text, and a target that is none.
    pub(crate) fn add(
        &mut self,
        text: Field<'_>,
        target: Option<Field<'_>>,
        place: (&'static str, u64),
    ) -> Result<()> {
        self.origins.push(place);
        let text = text
            .text()
            .ok_or_else(|| self.wrong(&self.options.column, "nothing".into(), "a text".into()))?;
        self.texts.push(&text)?;
        let Some(target) = target else { return Ok(()) };
        let column = &self.options.target;
        match self.options.task {
            DocumentTask::Classification => {
                let expected = "the name of a class (NA, NaN, null and ? are nothing)";
                let name = target.name();
                let name =
                    name.ok_or_else(|| self.wrong(column, "nothing".into(), expected.into()))?;
                let label = self.classes.find(&name);
                let wrong = |(found, expected)| self.wrong(column, found, expected);
                self.labels.push(label.map_err(wrong)?);
            }
            DocumentTask::Regression => {
                let number = target.number().and_then(|number| number.ok_or("nothing".into()));
                let expected = "a finite number, as 1.5 or -2e3";
                let wrong = |found| self.wrong(column, found, expected.into());
                self.values.push(number.map_err(wrong)?);
            }
        }
        Ok(())
    }

    /// The error for the last row.
    fn wrong(&self, column: &str, found: String, expected: String) -> Error {
        let column = match column {
            "" => String::new(),
            name => format!(", column {name:?}"),
        };
        Error::Table { at: format!("{}{column}", self.origins.last()), found, expected }
    }

    /// All rows as samples.
    ///
    /// # Errors
    /// No rows, and texts that the tokenizer cannot be trained on or cannot read.
    pub(crate) fn finish(mut self) -> Result<Arc<dyn Samples>> {
        self.origins.check()?;
        let is_labelled = self.is_labelled();
        let texts = self.texts.finish()?;
        let tokenizer = match self.like.and_then(|like| like.schema.input.tokenizer()) {
            Some(tokenizer) => tokenizer.clone(),
            None => self.options.tokenizer.tokenizer(self.origins.name(), texts.iter(), &[])?,
        };
        let most = self.options.max_length.unwrap_or(usize::MAX);
        let input = encode(&tokenizer, &texts, &self.origins, |tokens| tokens.truncate(most))?;
        let (target, targets) = match self.options.task {
            _ if !is_labelled => (TargetSchema::None, Targets::None),
            DocumentTask::Classification => {
                let names = self.classes.sorted(&mut self.labels);
                (TargetSchema::Class { names, per_step: false }, Targets::Classes(self.labels))
            }
            DocumentTask::Regression => {
                let names = vec![self.options.target.clone()];
                (TargetSchema::Value { names, per_step: false }, Targets::Values(self.values))
            }
        };
        let schema = Schema::new(InputSchema::text(tokenizer), target);
        Ok(Arc::new(TextSamples::new(schema, self.origins, input, targets)))
    }
}
