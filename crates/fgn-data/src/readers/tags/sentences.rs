//! Sentences, gathered word by word.

use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema, Tokenizer};

use super::options::TagOptions;
use crate::classes::Classes;
use crate::error::{Error, Result};
use crate::names::shortened;
use crate::reader::Like;
use crate::samples::Samples;
use crate::text::lists::{Memory, Sequences, SequencesWriter, Texts, TextsWriter};
use crate::text::samples::{Origins, Targets, TextSamples, check_length, tokens};

/// What begins a document in files of CoNLL.
const DOCUMENT: &str = "-DOCSTART-";

/// The sentences read so far.
pub(super) struct Sentences<'a> {
    name: &'a str,
    options: &'a TagOptions,
    like: Option<&'a Like>,
    /// The words of each sentence, with a space between two.
    texts: TextsWriter,
    origins: Origins,
    classes: Classes,
    /// Of all words.
    labels: Vec<u32>,
    /// How many words each sentence has.
    lengths: Vec<usize>,
    words: Vec<String>,
    first_line: u64,
}

impl<'a> Sentences<'a> {
    /// No sentences of the file `name` yet.
    pub(super) fn new(name: &'a str, options: &'a TagOptions, like: Option<&'a Like>) -> Self {
        let known = match like.map(|like| &like.schema.target) {
            Some(TargetSchema::Class { names, .. }) => Some(&names[..]),
            _ => None,
        };
        let (option, bytes) = ("data.tags.memory", options.memory);
        Sentences {
            name,
            options,
            like,
            texts: TextsWriter::new(Memory { name: name.to_owned(), option, bytes }),
            origins: Origins::new(name),
            classes: Classes::new(known),
            labels: Vec::new(),
            lengths: Vec::new(),
            words: Vec::new(),
            first_line: 0,
        }
    }

    fn is_labelled(&self) -> bool {
        self.like.is_none_or(|like| like.labelled)
    }

    /// Adds a line of the file.
    ///
    /// # Errors
    /// A word without a tag, and a tag that the model does not know.
    pub(super) fn add(&mut self, line: &str, number: u64) -> Result<()> {
        let mut columns = line.split_whitespace();
        let Some(word) = columns.next() else { return self.end() };
        if word == DOCUMENT {
            return Ok(());
        }
        let wrong = |found: String, expected: String| Error::Table {
            at: format!("{}, line {number}", self.name),
            found,
            expected,
        };
        if self.is_labelled() {
            let Some(tag) = columns.next_back() else {
                let found = format!("{} alone", shortened(word));
                return Err(wrong(found, "a word, white space and its tag".into()));
            };
            let label = self.classes.find(tag);
            self.labels.push(label.map_err(|(found, expected)| wrong(found, expected))?);
        }
        if self.words.is_empty() {
            self.first_line = number;
        }
        self.words.push(word.to_owned());
        Ok(())
    }

    /// Ends a sentence, if one has begun.
    fn end(&mut self) -> Result<()> {
        if !self.words.is_empty() {
            self.origins.push(("line", self.first_line));
            self.lengths.push(self.words.len());
            self.texts.push(&self.words.join(" "))?;
            self.words.clear();
        }
        Ok(())
    }

    /// All sentences as samples.
    ///
    /// # Errors
    /// No sentences, and words that the tokenizer cannot read as one token each.
    pub(super) fn finish(mut self) -> Result<Arc<dyn Samples>> {
        self.end()?;
        self.origins.check()?;
        let is_labelled = self.is_labelled();
        let texts = self.texts.finish()?;
        let tokenizer = match self.like.and_then(|like| like.schema.input.tokenizer()) {
            Some(tokenizer) => tokenizer.clone(),
            None => self.options.tokenizer.tokenizer(self.name, texts.iter(), &[])?,
        };
        let input = encode(&tokenizer, &texts, &self.origins)?;
        let (target, targets) = match is_labelled {
            false => (TargetSchema::None, Targets::None),
            true => {
                let names = self.classes.sorted(&mut self.labels);
                let mut tags = SequencesWriter::new(texts.memory().clone(), names.len());
                let mut labels = &self.labels[..];
                for &length in &self.lengths {
                    let (sentence, rest) = labels.split_at(length);
                    tags.push(sentence)?;
                    labels = rest;
                }
                (TargetSchema::Class { names, per_step: true }, Targets::Sequences(tags.finish()?))
            }
        };
        let schema = Schema::new(InputSchema::text(tokenizer), target);
        Ok(Arc::new(TextSamples::new(schema, self.origins, input, targets)))
    }
}

/// The token of each word.
fn encode(tokenizer: &Tokenizer, texts: &Texts, origins: &Origins) -> Result<Sequences> {
    let mut sequences = SequencesWriter::new(texts.memory().clone(), tokenizer.vocabulary());
    for (text, &number) in texts.iter().zip(origins.numbers()) {
        let mut sentence = Vec::new();
        for word in text?.split(' ') {
            match tokens(tokenizer, word, origins, number)?[..] {
                [token] => sentence.push(token),
                ref several => {
                    return Err(Error::Table {
                        at: format!("{}, the sentence from line {number} on", origins.name()),
                        found: format!("{} as {} tokens", shortened(word), several.len()),
                        expected: "a token for each word: data.tags.tokenizer.kind = \"words\""
                            .into(),
                    });
                }
            }
        }
        check_length(&sentence, origins, number)?;
        sequences.push(&sentence)?;
    }
    sequences.finish()
}
