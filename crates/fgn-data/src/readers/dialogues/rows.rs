//! Dialogues, gathered one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema, Tokenizer};

use super::options::DialogueOptions;
use super::turns::{Turn, parse};
use crate::error::{Error, Result};
use crate::names::shortened;
use crate::reader::Like;
use crate::samples::Samples;
use crate::text::lists::{Memory, Sequences, SequencesWriter, Texts, TextsWriter};
use crate::text::samples::{END, Origins, Targets, TextSamples, check_length, tokens};

/// The dialogues read so far.
pub(crate) struct Rows<'a> {
    options: &'a DialogueOptions,
    like: Option<&'a Like>,
    /// Each dialogue in JSON.
    dialogues: TextsWriter,
    origins: Origins,
    /// The special tokens of all speakers.
    speakers: BTreeSet<String>,
}

impl<'a> Rows<'a> {
    /// No dialogues of what is called `name` yet.
    pub(crate) fn new(
        name: &str,
        options: &'a DialogueOptions,
        like: Option<&'a Like>,
    ) -> Rows<'a> {
        let (option, bytes) = ("data.dialogues.memory", options.memory);
        let memory = Memory { name: name.to_owned(), option, bytes };
        Rows {
            options,
            like,
            dialogues: TextsWriter::new(memory),
            origins: Origins::new(name),
            speakers: BTreeSet::new(),
        }
    }

    /// Adds a dialogue, and what it is called, as `("line", 7)`.
    ///
    /// # Errors
    /// A dialogue without turns, or without one to learn; a speaker without a name, or one that is not known.
    pub(crate) fn add(&mut self, turns: &[Turn], place: (&'static str, u64)) -> Result<()> {
        self.origins.push(place);
        let known = self.like.and_then(|like| like.schema.input.tokenizer());
        for Turn { speaker, .. } in turns {
            let token = token(speaker);
            if speaker.trim().is_empty() || token == END {
                let found = format!("the speaker {speaker:?}");
                return Err(self.wrong(found, "another name"));
            }
            if known.is_some_and(|tokenizer| tokenizer.special(&token).is_none()) {
                let expected = "a speaker of the data trained on";
                return Err(self.wrong(format!("the speaker {}", shortened(speaker)), expected));
            }
            self.speakers.insert(token);
        }
        let replies = &self.options.replies;
        let is_labelled = self.like.is_none_or(|like| like.labelled);
        if turns.is_empty() || is_labelled && turns.iter().all(|turn| turn.speaker != *replies) {
            let speakers: BTreeSet<&str> = turns.iter().map(|turn| &*turn.speaker).collect();
            let speakers = speakers.into_iter().collect::<Vec<_>>().join(", ");
            let found = match &*speakers {
                "" => "no turns".to_owned(),
                speakers => format!("only turns of {}", shortened(speakers)),
            };
            let expected =
                format!("a turn of {replies:?} (data.dialogues.replies says whose are learned)");
            return Err(self.wrong(found, &expected));
        }
        let json = serde_json::to_string(turns);
        self.dialogues.push(&json.map_err(|error| self.wrong(error.to_string(), "turns"))?)
    }

    /// The error for the last dialogue.
    fn wrong(&self, found: String, expected: &str) -> Error {
        Error::Table { at: self.origins.last(), found, expected: expected.to_owned() }
    }

    /// All dialogues as samples.
    ///
    /// # Errors
    /// No dialogues, and texts that the tokenizer cannot be trained on or cannot read.
    pub(crate) fn finish(self) -> Result<Arc<dyn Samples>> {
        self.origins.check()?;
        let dialogues = self.dialogues.finish()?;
        let tokenizer = match self.like.and_then(|like| like.schema.input.tokenizer()) {
            Some(tokenizer) => tokenizer.clone(),
            None => {
                let speakers = self.speakers.iter().map(String::as_str);
                let special: Vec<&str> = [END].into_iter().chain(speakers).collect();
                let texts = texts(&dialogues);
                self.options.tokenizer.tokenizer(self.origins.name(), texts, &special)?
            }
        };
        let input = encode(&tokenizer, &dialogues, &self.origins)?;
        let vocabulary = tokenizer.vocabulary();
        let (target, targets) = match self.like.is_none_or(|like| like.labelled) {
            true => {
                let speaker = special(&tokenizer, &token(&self.options.replies))?;
                let end = special(&tokenizer, END)?;
                (TargetSchema::NextToken { vocabulary }, Targets::Replies { end, speaker })
            }
            false => (TargetSchema::None, Targets::None),
        };
        let schema = Schema::new(InputSchema::text(tokenizer), target);
        Ok(Arc::new(TextSamples::new(schema, self.origins, input, targets)))
    }
}

/// The special token of a speaker.
fn token(speaker: &str) -> String {
    format!("<{speaker}>")
}

fn special(tokenizer: &Tokenizer, name: &str) -> Result<u32> {
    tokenizer.special(name).ok_or_else(|| Error::Option {
        option: "data.dialogues.replies",
        found: name.to_owned(),
        expected: "a speaker of the data trained on".into(),
    })
}

/// The texts of all turns.
fn texts(dialogues: &Texts) -> impl Iterator<Item = Result<String>> + Send {
    dialogues.iter().flat_map(|dialogue| {
        let texts: Vec<Result<String>> = match dialogue {
            Ok(json) => turns(&json).into_iter().map(|turn| Ok(turn.text)).collect(),
            Err(error) => vec![Err(error)],
        };
        texts
    })
}

/// The turns of a dialogue that was written here.
fn turns(json: &str) -> Vec<Turn> {
    parse(json).unwrap_or_default()
}

/// The tokens of all dialogues.
fn encode(tokenizer: &Tokenizer, dialogues: &Texts, origins: &Origins) -> Result<Sequences> {
    let end = special(tokenizer, END)?;
    let mut sequences = SequencesWriter::new(dialogues.memory().clone(), tokenizer.vocabulary());
    for (dialogue, &number) in dialogues.iter().zip(origins.numbers()) {
        let mut all = Vec::new();
        for Turn { speaker, text } in turns(&dialogue?) {
            all.push(special(tokenizer, &token(&speaker))?);
            all.extend(tokens(tokenizer, &text, origins, number)?);
            all.push(end);
        }
        check_length(&all, origins, number)?;
        sequences.push(&all)?;
    }
    sequences.finish()
}
