//! Logs: sessions in their order, of the items that were found or that a model knows.

use fgn_schema::{MAX_SIZE, TargetSchema};

use super::items::{Items, LeftOut, UNKNOWN};
use super::options::{MEMORY, SessionOptions};
use super::store::{Names, Store, StoreWriter};
use crate::error::{Error, Result};
use crate::reader::Like;
use crate::text::lists::Memory;

/// Builds a [`Log`] of sessions that come in their order.
pub(crate) struct LogWriter<'a> {
    name: &'a str,
    options: &'a SessionOptions,
    /// Whether the sessions are for a trained model, and whether they need targets.
    is_given: bool,
    is_labelled: bool,
    items: Items,
    store: StoreWriter,
    left_out: LeftOut,
}

/// Sessions in their order.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) name: String,
    /// The indices are those of `items`; or those of a model's catalogue.
    pub(super) store: Store,
    /// The names of the items; none for a model.
    pub(super) items: Vec<String>,
}

impl<'a> LogWriter<'a> {
    /// No sessions of the log called `name` yet. With `like` they are for a model.
    pub(crate) fn new(
        name: &'a str,
        options: &'a SessionOptions,
        like: Option<&Like>,
    ) -> LogWriter<'a> {
        let known = match like.map(|like| &like.schema.target) {
            Some(TargetSchema::NextItem { catalogue }) => Some(catalogue),
            _ => None,
        };
        let memory = Memory { name: name.to_owned(), option: MEMORY, bytes: options.memory };
        LogWriter {
            name,
            options,
            is_given: like.is_some(),
            is_labelled: like.is_none_or(|like| like.labelled),
            items: Items::new(known),
            store: StoreWriter::new(memory, known.map_or(MAX_SIZE, |known| known.len())),
            left_out: LeftOut::default(),
        }
    }

    /// What the log is called.
    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// The index of the item of that name. `at` says where it is found.
    ///
    /// # Errors
    /// More items than a model can have.
    pub(crate) fn item(&mut self, name: &str, at: impl Fn() -> String) -> Result<u32> {
        let index = self.items.index(name);
        index.map_err(|(found, expected)| Error::Table { at: at(), found, expected })
    }

    /// Appends a session, unless it is left out; `items` are changed. `number` is for its name.
    ///
    /// # Errors
    /// [`Error::Spill`], and more sessions than an index can name.
    pub(crate) fn session(&mut self, number: u64, items: &mut Vec<u32>) -> Result<()> {
        let events = items.len();
        if self.options.deduplicate {
            items.dedup_by(|item, before| item == before && *item != UNKNOWN);
            self.left_out.repeated += (events - items.len()) as u64;
        }
        if self.is_labelled && items.len() < self.options.min_length {
            self.left_out.short += 1;
            return Ok(());
        }
        if self.is_given {
            items.retain(|&item| item != UNKNOWN);
        }
        if !self.is_labelled {
            items.drain(..items.len().saturating_sub(self.options.max_length));
        }
        match items.len() < self.fewest() {
            true => Ok(()),
            false => self.store.push(number, items),
        }
    }

    /// The fewest events of known items of a session: one to read, and one to predict.
    fn fewest(&self) -> usize {
        if self.is_labelled { 2 } else { 1 }
    }

    /// All sessions, without rare items.
    ///
    /// # Errors
    /// No session, and [`Error::Spill`].
    pub(crate) fn finish(mut self, names: Names) -> Result<Log> {
        let mut store = self.store.finish(names)?;
        if !self.is_given && self.options.min_support > 1 {
            store = without_rare(store, self.options, &mut self.left_out)?;
        }
        self.left_out.report(self.name, self.options.min_length);
        if let Items::Known { unknown, .. } = &self.items {
            unknown.warn(self.name, "the catalogue");
        }
        if store.len() == 0 {
            let least = self.options.min_length;
            return Err(Error::Table {
                at: self.name.to_owned(),
                found: match (self.is_labelled, self.is_given) {
                    (true, false) => format!("no session of {least} or more events"),
                    (true, true) => {
                        format!("no session of {least} or more events, 2 of them of known items")
                    }
                    (false, _) => "no event of a known item".into(),
                },
                expected: "at least one".into(),
            });
        }
        Ok(Log { name: self.name.to_owned(), store, items: self.items.into_names() })
    }
}

/// The sessions without the events of rare items, and without those that are too short then.
fn without_rare(all: Store, options: &SessionOptions, left_out: &mut LeftOut) -> Result<Store> {
    let mut support: Vec<u64> = Vec::new();
    all.each(|_, _, items| {
        count(&mut support, items);
        Ok(())
    })?;
    let is_rare = |item: u32| support[item as usize] < options.min_support;
    let rare = || support.iter().filter(|&&events| (1..options.min_support).contains(&events));
    left_out.rare = (rare().count() as u64, rare().sum());
    if left_out.rare.0 == 0 {
        return Ok(all);
    }
    let mut writer = StoreWriter::new(all.memory().clone(), MAX_SIZE);
    let mut kept = Vec::new();
    all.each(|_, number, items| {
        kept.clear();
        kept.extend(items.iter().filter(|&&item| !is_rare(item)));
        if kept.len() < options.min_length {
            left_out.short += 1;
            return Ok(());
        }
        writer.push(number, &kept)
    })?;
    writer.finish(all.names().clone())
}

/// Counts the events of each item.
pub(super) fn count(counts: &mut Vec<u64>, items: &[u32]) {
    for &item in items {
        let item = item as usize;
        if item >= counts.len() {
            counts.resize(item + 1, 0);
        }
        counts[item] += 1;
    }
}
