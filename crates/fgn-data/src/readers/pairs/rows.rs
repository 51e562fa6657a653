//! Pairs of texts, gathered row by row.

use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema};

use super::options::PairOptions;
use crate::error::{Error, Result};
use crate::reader::Like;
use crate::samples::Samples;
use crate::table::row::Field;
use crate::text::lists::{Memory, TextsWriter};
use crate::text::samples::{END, Origins, Targets, TextSamples, encode, end_token};

/// The pairs read so far.
pub(crate) struct Rows<'a> {
    options: &'a PairOptions,
    like: Option<&'a Like>,
    sources: TextsWriter,
    targets: TextsWriter,
    origins: Origins,
}

impl<'a> Rows<'a> {
    /// No pairs of what is called `name` yet.
    pub(crate) fn new(name: &str, options: &'a PairOptions, like: Option<&'a Like>) -> Rows<'a> {
        let (option, bytes) = ("data.pairs.memory", options.memory);
        let memory = Memory { name: name.to_owned(), option, bytes };
        Rows {
            options,
            like,
            sources: TextsWriter::new(memory.clone()),
            targets: TextsWriter::new(memory),
            origins: Origins::new(name),
        }
    }

    /// Whether sources have targets.
    pub(crate) fn is_labelled(&self) -> bool {
        self.like.is_none_or(|like| like.labelled)
    }

    /// Adds a pair, and what its row is called, as `("line", 7)`.
    ///
    /// # Errors
    /// An empty text.
    pub(crate) fn add(
        &mut self,
        source: Field<'_>,
        target: Option<Field<'_>>,
        place: (&'static str, u64),
    ) -> Result<()> {
        self.origins.push(place);
        let source = source.text().ok_or_else(|| self.lacks(&self.options.source))?;
        self.sources.push(&source)?;
        let Some(target) = target else { return Ok(()) };
        let target = target.text().ok_or_else(|| self.lacks(&self.options.target))?;
        self.targets.push(&target)
    }

    /// The error for the last row, a field of which is empty.
    fn lacks(&self, column: &str) -> Error {
        Error::Table {
            at: format!("{}, column {column:?}", self.origins.last()),
            found: "nothing".into(),
            expected: "the text that belongs to the other one of the pair".into(),
        }
    }

    /// All pairs as samples.
    ///
    /// # Errors
    /// No pairs, and texts that a tokenizer cannot be trained on or cannot read.
    pub(crate) fn finish(self) -> Result<Arc<dyn Samples>> {
        self.origins.check()?;
        let is_labelled = self.is_labelled();
        let (name, known) = (self.origins.name(), self.like.map(|like| &like.schema));
        let sources = self.sources.finish()?;
        let tokenizer = match known.and_then(|schema| schema.input.tokenizer()) {
            Some(tokenizer) => tokenizer.clone(),
            None => self.options.source_tokenizer.tokenizer(name, sources.iter(), &[])?,
        };
        let input = encode(&tokenizer, &sources, &self.origins, |_| ())?;
        drop(sources);
        let input_schema = InputSchema::text(tokenizer);
        if !is_labelled {
            let schema = Schema::new(input_schema, TargetSchema::None);
            return Ok(Arc::new(TextSamples::new(schema, self.origins, input, Targets::None)));
        }
        let targets = self.targets.finish()?;
        let tokenizer = match known.and_then(|schema| schema.target.tokenizer()) {
            Some(tokenizer) => tokenizer.clone(),
            None => self.options.target_tokenizer.tokenizer(name, targets.iter(), &[END])?,
        };
        let end = end_token(&tokenizer, name)?;
        let targets = encode(&tokenizer, &targets, &self.origins, |tokens| tokens.push(end))?;
        let schema = Schema::new(input_schema, TargetSchema::text(tokenizer));
        Ok(Arc::new(TextSamples::new(schema, self.origins, input, Targets::Sequences(targets))))
    }
}
