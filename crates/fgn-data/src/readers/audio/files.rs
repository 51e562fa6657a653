//! Sound files as samples: read once, resampled to one rate.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fgn_audio::files::{Sound, read};
use fgn_audio::resampling::resample;
use fgn_schema::{InputSchema, Schema, TargetSchema, Tokenizer};
use rayon::prelude::*;

use super::listing::{Entry, list};
use super::options::{AudioOptions, AudioTask};
use super::samples::Source;
use super::store::{Store, Writer};
use crate::classes::Classes;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprinter;
use crate::reader::{Like, ReadProgress};
use crate::samples::check_count;
use crate::text::lists::{Memory, Sequences, SequencesWriter, TextsWriter};
use crate::text::samples::{END, end_token};

/// How many files are read in parallel: each may last as long as the options say.
const TOGETHER: usize = 16;

/// Sound files that were read.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) name: String,
    pub(super) schema: Schema,
    pub(super) sample_rate: u32,
    store: Store,
    titles: Vec<String>,
    /// The group of each sound, and the names of the groups; empty where there are none.
    groups: Vec<u32>,
    group_names: Vec<String>,
    /// The sounds that the options say are for the test, ascending.
    pub(super) test: Vec<u32>,
    targets: Targets,
}

#[derive(Debug)]
enum Targets {
    None,
    Classes(Vec<u32>),
    Texts(Sequences),
}

impl Files {
    /// Reads all that is at `path`.
    ///
    /// # Errors
    /// A file that is missing or damaged, too long or no sound; targets that are missing or not known.
    pub(super) fn load(
        path: &Path,
        options: &AudioOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Files> {
        let name = path.display().to_string();
        let is_labelled = like.is_none_or(|like| like.labelled);
        let entries = list(path, options, (is_labelled, like.is_none()), progress)?;
        check_count(&name, entries.len())?;
        let known = like.map(|like| &like.schema);
        let rate = match known.map(|schema| &schema.input) {
            Some(InputSchema::Audio { sample_rate }) => Some(*sample_rate),
            _ => options.sample_rate,
        };
        let (store, sample_rate) = sounds(&name, &entries, options, rate, progress)?;
        let known = known.map(|schema| &schema.target);
        let (target, targets) = match options.task {
            _ if !is_labelled => (TargetSchema::None, Targets::None),
            AudioTask::Classification => classes(&entries, known)?,
            AudioTask::Transcription => texts(&name, &entries, options, known)?,
        };
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let title =
            |file: &PathBuf| file.strip_prefix(folder).unwrap_or(file).display().to_string();
        let (groups, group_names) = groups(&entries);
        let test = (0..).zip(&entries).filter(|(_, entry)| entry.is_test);
        Ok(Files {
            schema: Schema::new(InputSchema::Audio { sample_rate }, target),
            sample_rate,
            store,
            titles: entries.iter().map(|entry| title(&entry.file)).collect(),
            groups,
            group_names,
            test: test.map(|(index, _)| index).collect(),
            targets,
            name,
        })
    }

    /// The name of a group, for errors.
    pub(super) fn group_name(&self, group: u32) -> &str {
        self.group_names.get(group as usize).map_or("all", String::as_str)
    }

    /// Whether the options name groups.
    pub(super) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }
}

impl Source for Files {
    fn len(&self) -> usize {
        self.store.len()
    }

    fn sound(&self, index: usize) -> Result<Vec<f32>> {
        self.store.get(index)
    }

    fn target(&self, index: usize) -> Result<Vec<u32>> {
        match &self.targets {
            Targets::None => Ok(Vec::new()),
            Targets::Classes(classes) => Ok(vec![classes[index]]),
            Targets::Texts(texts) => texts.get(index),
        }
    }

    fn title(&self, index: usize) -> String {
        self.titles[index].clone()
    }

    fn group(&self, index: usize) -> u32 {
        self.groups.get(index).copied().unwrap_or(index as u32)
    }

    fn fingerprint(&self, content: &mut Fingerprinter) {
        self.store.fingerprint(content);
        match &self.targets {
            Targets::None => {}
            Targets::Classes(classes) => classes.iter().for_each(|&at| content.number(at.into())),
            Targets::Texts(texts) => texts.fingerprint(content),
        }
    }
}

/// Reads all files, and resamples them to `rate`, or to the rate of the first, which is given too.
fn sounds(
    name: &str,
    entries: &[Entry],
    options: &AudioOptions,
    rate: Option<u32>,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<(Store, u32)> {
    let mut rate = rate;
    let mut store = Writer::new(name, options.memory);
    let total = entries.len() as u64;
    for (at, entries) in entries.chunks(TOGETHER).enumerate() {
        progress(ReadProgress::new(name, (at * TOGETHER) as u64, total));
        let failed = |entry: &Entry, source| Error::Sound { row: entry.row.clone(), source };
        let open = |entry: &Entry| -> Result<Sound> {
            read(&entry.file, options.max_seconds).map_err(|source| failed(entry, source))
        };
        // In their order, so that the first damaged file is the one that is named.
        let read: Vec<Result<Sound>> = entries.par_iter().map(open).collect();
        let read = read.into_iter().collect::<Result<Vec<_>>>()?;
        let to = match read.first() {
            Some(first) => *rate.get_or_insert(first.sample_rate),
            None => continue,
        };
        let resampled =
            entries.par_iter().zip(read).map(|(entry, sound)| match sound.sample_rate == to {
                true => Ok(sound.samples),
                false => resample(&sound.samples, sound.sample_rate, to)
                    .map_err(|source| failed(entry, source)),
            });
        for sound in resampled.collect::<Result<Vec<_>>>()? {
            store.push(&sound)?;
        }
    }
    progress(ReadProgress::new(name, total, total));
    Ok((store.finish()?, rate.unwrap_or_default()))
}

fn classes(entries: &[Entry], known: Option<&TargetSchema>) -> Result<(TargetSchema, Targets)> {
    let known = match known {
        Some(TargetSchema::Class { names, .. }) => Some(&names[..]),
        _ => None,
    };
    let mut classes = Classes::new(known);
    let mut labels = Vec::with_capacity(entries.len());
    for entry in entries {
        let class = classes.find(entry.target.as_deref().unwrap_or_default());
        let wrong = |(found, expected)| Error::Table { at: entry.at(), found, expected };
        labels.push(class.map_err(wrong)?);
    }
    let names = classes.sorted(&mut labels);
    Ok((TargetSchema::Class { names, per_step: false }, Targets::Classes(labels)))
}

fn texts(
    name: &str,
    entries: &[Entry],
    options: &AudioOptions,
    known: Option<&TargetSchema>,
) -> Result<(TargetSchema, Targets)> {
    let (option, bytes) = ("data.audio.memory", options.memory);
    let memory = Memory { name: name.to_owned(), option, bytes };
    let mut texts = TextsWriter::new(memory.clone());
    for entry in entries {
        texts.push(entry.target.as_deref().unwrap_or_default())?;
    }
    let texts = texts.finish()?;
    let tokenizer: Tokenizer = match known.and_then(TargetSchema::tokenizer) {
        Some(tokenizer) => tokenizer.clone(),
        None => options.tokenizer.tokenizer(name, texts.iter(), &[END])?,
    };
    let end = end_token(&tokenizer, name)?;
    let mut sequences = SequencesWriter::new(memory, tokenizer.vocabulary());
    for (text, entry) in texts.iter().zip(entries) {
        let tokens = tokenizer.encode(&text?).map_err(|error| Error::Table {
            at: entry.at(),
            found: error.to_string(),
            expected: "a text of the symbols that the tokenizer was trained on".into(),
        });
        let mut tokens = tokens?;
        tokens.push(end);
        sequences.push(&tokens)?;
    }
    Ok((TargetSchema::text(tokenizer), Targets::Texts(sequences.finish()?)))
}

/// The group of each sound, and the names of the groups.
fn groups(entries: &[Entry]) -> (Vec<u32>, Vec<String>) {
    let (mut names, mut indices) = (Vec::new(), HashMap::new());
    let mut index = |name: &String| {
        *indices.entry(name.clone()).or_insert_with(|| {
            names.push(name.clone());
            names.len() as u32 - 1
        })
    };
    let groups = entries.iter().filter_map(|entry| entry.group.as_ref()).map(&mut index).collect();
    (groups, names)
}
