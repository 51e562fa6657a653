//! Data sets that are generated. Each follows from its rules, and some from a seed; none needs a file.

pub(crate) mod booking;
mod number_names;
pub(crate) mod scan;

use std::sync::Arc;

use self::booking::{Dialogue, Vocabulary};
use self::scan::Split;
use crate::dataset::{Dataset, TestSplit};
use crate::error::Result;
use crate::reader::Like;
use crate::readers::dialogues::{self, DialogueOptions, Turn};
use crate::readers::documents::{self, DocumentOptions};
use crate::readers::pairs::{self, PairOptions};
use crate::samples::Samples;
use crate::table::row::Field;

/// How many dialogues the training, validation and test part of `booking` have. Each part has the seed of its
/// position.
const DIALOGUES: [usize; 3] = [4_000, 500, 1_000];

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

/// What further parts must be: as the model's data, or else as the training part.
fn alike(train: &Arc<dyn Samples>, like: Option<&Like>) -> Like {
    like.cloned().unwrap_or_else(|| Like::of(&**train))
}
