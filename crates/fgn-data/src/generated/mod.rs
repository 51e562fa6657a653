//! Data sets that are generated. Each follows from its rules, and some from a seed; none needs a file.

pub(crate) mod booking;
mod dtmf;
mod number_names;
pub(crate) mod scan;
pub(crate) mod shop;
pub(crate) mod tasks;

use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema};

use self::booking::{Dialogue, Vocabulary};
use self::dtmf::Tones;
use self::scan::Split;
use self::shop::Shop;
use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::reader::Like;
use crate::readers::audio::options::{AudioOptions, check_rate};
use crate::readers::audio::samples::SoundSamples;
use crate::readers::dialogues::{self, DialogueOptions, Turn};
use crate::readers::documents::{self, DocumentOptions};
use crate::readers::pairs::{self, PairOptions};
use crate::readers::sessions::{self, SessionOptions};
use crate::samples::Samples;
use crate::table::row::Field;
use crate::text::samples::{END, end_token};

/// How many dialogues the training, validation and test part of `booking` have. Each part has the seed of its
/// position.
const DIALOGUES: [usize; 3] = [4_000, 500, 1_000];

/// How many sequences of tones the training and the test part of `dtmf` have.
const TONES: [u32; 2] = [6_000, 1_000];

/// How many sessions the training, validation and test part of `shop` have. Each part has the seed of its position.
const SESSIONS: [usize; 3] = [200_000, 2_000, 4_000];

/// The commands of SCAN, with the actions to write for them.
pub(crate) fn scan(split: Split, options: &PairOptions, like: Option<&Like>) -> Result<Dataset> {
    let (train, test) = scan::split(split);
    let read = |examples: Vec<scan::Example>, like: Option<&Like>| {
        let mut rows = pairs::Rows::new("scan", options, like);
        for (number, example) in (1..).zip(examples) {
            let [command, actions] = [example.command.join(" "), example.actions.join(" ")];
            let target = Field::of_text(&actions);
            let target = Some(target).filter(|_| rows.is_labelled());
            rows.add(Field::of_text(&command), target, ("command", number))?;
        }
        rows.finish()
    };
    let train = read(train, like)?;
    let test = read(test, Some(&alike(&train, like)))?;
    Ok(Dataset { train, valid: None, test })
}

/// Dialogues that book a table; those of the test part may be of words that the training part lacks.
pub(crate) fn booking(
    test: Vocabulary,
    options: &DialogueOptions,
    like: Option<&Like>,
) -> Result<Dataset> {
    let read = |part: usize, vocabulary, like: Option<&Like>| {
        let mut rows = dialogues::Rows::new("booking", options, like);
        let dialogues = booking::dialogues(part as u64 + 1, DIALOGUES[part], vocabulary);
        for (number, dialogue) in (1..).zip(dialogues) {
            rows.add(&turns(dialogue), ("dialogue", number))?;
        }
        rows.finish()
    };
    let train = read(0, Vocabulary::Seen, like)?;
    let like = alike(&train, like);
    let valid = read(1, Vocabulary::Seen, Some(&like))?;
    Ok(Dataset { train, valid: Some(valid), test: read(2, test, Some(&like))? })
}

fn turns(dialogue: Dialogue) -> Vec<Turn> {
    let turns = dialogue.turns.into_iter();
    turns.map(|turn| Turn { speaker: turn.speaker.into(), text: turn.text }).collect()
}

/// The names of numbers in eight languages, which are the classes.
pub(crate) fn number_names(
    options: &DocumentOptions,
    split: TestSplit,
    like: Option<&Like>,
) -> Result<Dataset> {
    let mut rows = documents::Rows::new("number-names", options, like)?;
    for (number, (name, language)) in (1..).zip(number_names::samples()) {
        let language = number_names::LANGUAGES.get(language).copied().unwrap_or_default();
        let target = Some(Field::of_text(language)).filter(|_| rows.is_labelled());
        rows.add(Field::of_text(&name), target, ("name", number))?;
    }
    split.hold_out(&rows.finish()?)
}

/// Sequences of the tones of a telephone's keys, to be transcribed. Of the options, `sample_rate` and `tokenizer` apply.
pub(crate) fn dtmf(options: &AudioOptions, like: Option<&Like>) -> Result<Dataset> {
    let sample_rate = match like.map(|like| &like.schema.input) {
        Some(&InputSchema::Audio { sample_rate }) => sample_rate,
        _ => options.sample_rate.unwrap_or(dtmf::SAMPLE_RATE),
    };
    check_rate(sample_rate)?;
    if sample_rate < dtmf::LOWEST_RATE {
        return Err(Error::Option {
            option: "data.audio.sample_rate",
            found: sample_rate.to_string(),
            expected: format!("{} Hz or more for the tones of keys", dtmf::LOWEST_RATE),
        });
    }
    let tokenizer = match like.and_then(|like| like.schema.target.tokenizer()) {
        Some(tokenizer) => tokenizer.clone(),
        None => {
            let keys = std::iter::once(Ok(dtmf::KEYS.to_owned()));
            options.tokenizer.tokenizer("dtmf", keys, &[END])?
        }
    };
    tokenizer.encode(dtmf::KEYS)?;
    let end = end_token(&tokenizer, "dtmf")?;
    let target = match like.is_none_or(|like| like.labelled) {
        true => TargetSchema::text(tokenizer.clone()),
        false => TargetSchema::None,
    };
    let schema = Schema::new(InputSchema::Audio { sample_rate }, target);
    let [train, test] = [0, 1].map(|part| {
        let (tokenizer, seed) = (tokenizer.clone(), part as u64 + 1);
        let tones = Tones { part: seed, count: TONES[part], sample_rate, tokenizer, end };
        Arc::new(SoundSamples::new("dtmf", schema.clone(), Arc::new(tones))) as Arc<dyn Samples>
    });
    Ok(Dataset { train, valid: None, test })
}

/// Sessions of a shop whose rules are known.
pub(crate) fn shop(options: &SessionOptions, like: Option<&Like>) -> Result<Dataset> {
    let shop = Shop::new();
    let read = |part: usize, like: Option<&Like>| {
        let mut log = sessions::LogWriter::new("shop", options, like);
        for (number, session) in (1..).zip(shop.sessions(part as u64 + 1, SESSIONS[part])) {
            let name = |&item: &usize| log.item(&shop::name(item), || format!("session {number}"));
            let mut items = session.iter().map(name).collect::<Result<Vec<_>>>()?;
            log.session(number, &mut items)?;
        }
        sessions::samples(log.finish(sessions::Names::Numbers("session"))?, options, like)
    };
    options.check()?;
    let train = read(0, like)?;
    let like = alike(&train, like);
    let valid = read(1, Some(&like))?;
    Ok(Dataset { train, valid: Some(valid), test: read(2, Some(&like))? })
}

/// What further parts must be: as the model's data, or else as the training part.
fn alike(train: &Arc<dyn Samples>, like: Option<&Like>) -> Like {
    like.cloned().unwrap_or_else(|| Like::of(&**train))
}
