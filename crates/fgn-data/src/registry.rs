//! Data sets by name: one line each.

use std::path::Path;
use std::sync::Arc;

use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::generated;
use crate::generated::booking::Vocabulary;
use crate::generated::scan::Split;
use crate::generated::tasks::adding::Adding;
use crate::generated::tasks::copy::CopyMemory;
use crate::generated::tasks::parity::Parity;
use crate::generated::tasks::recall::Recall;
use crate::generated::tasks::selective_copy::SelectiveCopy;
use crate::generated::tasks::{self, reber};
use crate::mnist::{mnist, mnist_binary};
use crate::names::nearest;
use crate::reader::Like;
use crate::readers::DataConfig;
use crate::samples::Samples;
use crate::shakespeare::shakespeare;

/// Opens a data set: all its parts for a model that was trained on some like them, if there is one.
type Open = fn(&DataConfig, TestSplit, Option<&Like>) -> Result<Dataset>;

/// What stands for a reader where the options are those of a task.
const TASK: &str = "task";

/// The name of each data set, the reader whose options it is read with, and how it is opened.
const DATASETS: &[(&str, &str, Open)] = &[
    ("mnist", "idx", |_, _, _| Ok(mnist()?.shared())),
    ("mnist-binary", "idx", |_, _, _| mnist_binary()),
    ("shakespeare", "text", |config, split, like| shakespeare(&config.text, split, like)),
    ("scan", "pairs", |config, split, like| {
        generated::scan(Split::Simple { seed: split.seed }, &config.pairs, like)
    }),
    ("scan-length", "pairs", |config, _, like| generated::scan(Split::Length, &config.pairs, like)),
    ("scan-add-jump", "pairs", |config, _, like| {
        generated::scan(Split::AddJump, &config.pairs, like)
    }),
    ("booking", "dialogues", |config, _, like| {
        generated::booking(Vocabulary::Seen, &config.dialogues, like)
    }),
    ("booking-oov", "dialogues", |config, _, like| {
        generated::booking(Vocabulary::OutOfVocabulary, &config.dialogues, like)
    }),
    ("number-names", "documents", |config, split, like| {
        generated::number_names(&config.documents, split, like)
    }),
    ("shop", "sessions", |config, _, like| generated::shop(&config.sessions, like)),
    ("dtmf", "audio", |config, _, like| generated::dtmf(&config.audio, like)),
    ("adding", TASK, |config, split, like| tasks::open::<Adding>(&config.task, split.seed, like)),
    ("copy", TASK, |config, split, like| tasks::open::<CopyMemory>(&config.task, split.seed, like)),
    ("selective-copy", TASK, |config, split, like| {
        tasks::open::<SelectiveCopy>(&config.task, split.seed, like)
    }),
    ("reber", TASK, |config, split, like| reber::open(&config.task, split.seed, like)),
    ("recall", TASK, |config, split, like| tasks::open::<Recall>(&config.task, split.seed, like)),
    ("parity", TASK, |config, split, like| tasks::open::<Parity>(&config.task, split.seed, like)),
];

/// The names that [`open`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    DATASETS.iter().map(|&(name, ..)| name)
}

/// Opens the data set of that name, with the options of its reader as if left out.
///
/// # Errors
/// [`Error::Unknown`] for a name that is not known; it lists those that are, and the nearest. Whatever opening
/// the data set gives.
///
/// ```
/// let error = fgn_data::open("mnits").unwrap_err().to_string();
/// assert!(error.starts_with(r#"no data set is called "mnits"; known: mnist, mnist-binary, shakespeare,"#));
/// assert!(error.ends_with(r#"(did you mean "mnist"?)"#));
/// ```
pub fn open(name: &str) -> Result<Dataset> {
    open_with(&DataConfig::new(name))
}

/// Opens the data set that is the source of `config`.
pub(crate) fn open_with(config: &DataConfig) -> Result<Dataset> {
    let (reader, open) = find(&config.source)?;
    if reader != TASK {
        config.task.check_none(&config.source)?;
    }
    open(config, split(config), None)
}

/// Reads the test part of the data set that is the source of `config`, for a model.
pub(crate) fn read(config: &DataConfig, like: &Like) -> Result<Arc<dyn Samples>> {
    let (reader, open) = find(&config.source)?;
    DataConfig::check_reader(reader, &config.source, like)?;
    let test = open(config, split(config), Some(like))?.test;
    like.check(&*test)?;
    Ok(test)
}

/// The reader with whose options the data set of that name is read.
pub(crate) fn reader(name: &str) -> Option<&'static str> {
    find(name).ok().map(|(reader, _)| reader)
}

/// The error for a path where nothing is, if it is probably a typo of a name.
pub(crate) fn unknown(path: &Path) -> Option<Error> {
    let name = path.to_str().filter(|_| !path.exists())?;
    nearest(name, names())?;
    find(name).err()
}

fn split(config: &DataConfig) -> TestSplit {
    TestSplit { share: config.test, seed: config.seed }
}

fn find(name: &str) -> Result<(&'static str, Open)> {
    match DATASETS.iter().find(|(known, ..)| *known == name) {
        Some(&(_, reader, open)) => Ok((reader, open)),
        None => Err(Error::Unknown {
            name: name.to_owned(),
            known: names().collect::<Vec<_>>().join(", "),
            nearest: nearest(name, names()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), DATASETS.len());
    }
}
