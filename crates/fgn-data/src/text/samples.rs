//! Samples that are texts, whatever is to be predicted of them.

use candle_core::{DType, Device, Tensor};
use fgn_schema::{Batch, IGNORED, Padded, Schema, Tokenizer};

use super::lists::{Sequences, SequencesWriter, Texts};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Samples, check_count, check_indices};

/// The special token behind a text that a model writes.
pub(crate) const END: &str = "<end>";

/// The most tokens of a sample: a wrong column or file is an error before a batch fills the memory.
const LONGEST: usize = 1 << 20;

/// Texts as tokens, with a target each.
#[derive(Debug)]
pub(crate) struct TextSamples {
    schema: Schema,
    origins: Origins,
    input: Sequences,
    targets: Targets,
}

/// What is to be predicted.
#[derive(Debug)]
pub(crate) enum Targets {
    /// Nothing is known.
    None,
    /// A class for each text.
    Classes(Vec<u32>),
    /// A value for each text.
    Values(Vec<f64>),
    /// A sequence for each: the tokens of another text, or a class for each token.
    Sequences(Sequences),
    /// The next token in the turns of one speaker. The special tokens from `end` on are the ends of turns, and the
    /// speakers' tokens, with which turns begin.
    Replies { end: u32, speaker: u32 },
}

/// Where each text was read: in a file, and there in the line or row of a number.
#[derive(Debug)]
pub(crate) struct Origins {
    name: String,
    unit: &'static str,
    numbers: Vec<u64>,
}

impl Origins {
    /// Of no texts yet of the file `name`.
    pub(crate) fn new(name: &str) -> Origins {
        Origins { name: name.to_owned(), unit: "line", numbers: Vec::new() }
    }

    /// Appends where the next text is: `("line", 7)`.
    pub(crate) fn push(&mut self, (unit, number): (&'static str, u64)) {
        self.unit = unit;
        self.numbers.push(number);
    }

    /// What the texts are called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The number of each text's line or row.
    pub(crate) fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// Where the last text is.
    pub(crate) fn last(&self) -> String {
        self.at(self.numbers.last().copied().unwrap_or(0))
    }

    /// Where the text of that number is.
    fn at(&self, number: u64) -> String {
        format!("{}, {} {number}", self.name, self.unit)
    }

    /// # Errors
    /// [`Error::Empty`] for no texts, [`Error::TooMany`] for more than an index can name.
    pub(crate) fn check(&self) -> Result<()> {
        check_count(&self.name, self.numbers.len())
    }
}

/// The tokens of texts, after `change` had them.
///
/// # Errors
/// Symbols that the vocabulary lacks, a text that has no tokens, and one that has more than fit a sample.
pub(crate) fn encode(
    tokenizer: &Tokenizer,
    texts: &Texts,
    origins: &Origins,
    change: impl Fn(&mut Vec<u32>),
) -> Result<Sequences> {
    let mut sequences = SequencesWriter::new(texts.memory().clone(), tokenizer.vocabulary());
    for (text, &number) in texts.iter().zip(&origins.numbers) {
        let mut tokens = tokens(tokenizer, &text?, origins, number)?;
        if tokens.is_empty() {
            let (found, expected) = ("a text without tokens".into(), "one or more".into());
            return Err(Error::Table { at: origins.at(number), found, expected });
        }
        change(&mut tokens);
        check_length(&tokens, origins, number)?;
        sequences.push(&tokens)?;
    }
    sequences.finish()
}

/// The tokens of the text with that number.
///
/// # Errors
/// Symbols that the vocabulary lacks.
pub(crate) fn tokens(
    tokenizer: &Tokenizer,
    text: &str,
    origins: &Origins,
    number: u64,
) -> Result<Vec<u32>> {
    tokenizer.encode(text).map_err(|error| Error::Table {
        at: origins.at(number),
        found: error.to_string(),
        expected: "a text of the symbols that the tokenizer was trained on".into(),
    })
}

/// # Errors
/// More tokens than fit a sample.
pub(crate) fn check_length(tokens: &[u32], origins: &Origins, number: u64) -> Result<()> {
    match tokens.len() {
        0..=LONGEST => Ok(()),
        count => Err(Error::Table {
            at: origins.at(number),
            found: format!("a text of {count} tokens"),
            expected: format!("at most {LONGEST}"),
        }),
    }
}

/// The token with which every text ends that a model writes. `name` is for errors.
///
/// # Errors
/// [`Error::Unlike`] for a tokenizer without it.
pub(crate) fn end_token(tokenizer: &Tokenizer, name: &str) -> Result<u32> {
    tokenizer.special(END).ok_or_else(|| Error::Unlike {
        origin: name.to_owned(),
        found: format!("targets that end with {END}"),
        expected: format!("{tokenizer} without it"),
    })
}

impl TextSamples {
    /// Texts and their targets, of each as many as there are origins.
    pub(crate) fn new(
        schema: Schema,
        origins: Origins,
        input: Sequences,
        targets: Targets,
    ) -> TextSamples {
        TextSamples { schema, origins, input, targets }
    }

    /// The tokens of some texts.
    fn sequences(&self, from: &Sequences, indices: &[u32]) -> Result<Vec<Vec<u32>>> {
        indices.iter().map(|&index| from.get(index as usize)).collect()
    }
}

impl Samples for TextSamples {
    fn name(&self) -> &str {
        &self.origins.name
    }

    fn len(&self) -> usize {
        self.input.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn title(&self, index: u32) -> String {
        match self.origins.numbers.get(index as usize) {
            Some(number) => format!("{} {number}", self.origins.unit),
            None => index.to_string(),
        }
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let mut input = self.sequences(&self.input, indices)?;
        let count = indices.len();
        let target = match &self.targets {
            Targets::None => Tensor::zeros(count, DType::U32, device)?.into(),
            Targets::Classes(classes) => {
                let target: Vec<u32> = indices.iter().map(|&at| classes[at as usize]).collect();
                Tensor::from_vec(target, count, device)?.into()
            }
            Targets::Values(values) => {
                let target: Vec<f64> = indices.iter().map(|&at| values[at as usize]).collect();
                Tensor::from_vec(target, (count, 1), device)?.into()
            }
            Targets::Sequences(texts) => padded(&self.sequences(texts, indices)?, device)?,
            &Targets::Replies { end, speaker } => {
                let targets: Vec<Vec<u32>> =
                    input.iter().map(|tokens| replies(tokens, end, speaker)).collect();
                input.iter_mut().for_each(|tokens| tokens.truncate(tokens.len() - 1));
                padded(&targets, device)?
            }
        };
        Ok(Batch::new(padded(&input, device)?, target))
    }

    /// The tokens were hashed while they were read.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.names(self.schema.target.names());
        self.input.fingerprint(&mut content);
        match &self.targets {
            Targets::None => {}
            Targets::Classes(classes) => classes.iter().for_each(|&at| content.number(at.into())),
            Targets::Values(values) => {
                values.iter().for_each(|value| content.bytes(&value.to_le_bytes()));
            }
            Targets::Sequences(texts) => texts.fingerprint(&mut content),
            Targets::Replies { speaker, .. } => content.number((*speaker).into()),
        }
        Ok(content.finish())
    }
}

/// Sequences with their lengths: `[B, T]`, padded with zeros.
pub(crate) fn padded(sequences: &[Vec<u32>], device: &Device) -> Result<Padded> {
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    let steps = lengths.iter().copied().max().unwrap_or(0);
    let mut all = Vec::with_capacity(sequences.len() * steps);
    for tokens in sequences {
        all.extend_from_slice(tokens);
        all.resize(all.len() + steps - tokens.len(), 0);
    }
    let tensor = Tensor::from_vec(all, (sequences.len(), steps), device)?;
    Ok(Padded::with_lengths(tensor, lengths)?)
}

/// The token after each of a dialogue, where it belongs to a turn of `speaker` and is not the token that names the
/// speaker; else [`IGNORED`].
fn replies(dialogue: &[u32], end: u32, speaker: u32) -> Vec<u32> {
    let mut speaks = false;
    let mut targets = Vec::with_capacity(dialogue.len());
    for &token in dialogue {
        let is_speaker = token > end;
        if is_speaker {
            speaks = token == speaker;
        }
        targets.push(if speaks && !is_speaker { token } else { IGNORED });
    }
    targets.remove(0);
    targets
}
