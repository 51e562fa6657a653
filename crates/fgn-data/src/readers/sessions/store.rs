//! The events of sessions, session by session: in memory as long as they fit, else in a temporary file.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprinter;
use crate::spill::{Spill, SpillWriter};
use crate::text::lists::Memory;
use crate::text::tokens::{from_bytes, to_bytes, width_of};

/// How many events are read together, where all are read.
const BLOCK: u64 = 1 << 18;

/// What sessions are called. A session has a number, by which its name is found.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    /// The number itself is the name, of such a thing: `line 7`.
    Numbers(&'static str),
    /// The number is where the name was written.
    Texts(Arc<Spill>),
}

/// Writes the names of sessions one after the other.
pub(super) struct NamesWriter {
    bytes: SpillWriter,
    end: u64,
}

impl Names {
    fn title(&self, number: u64) -> io::Result<String> {
        let spill = match self {
            Names::Numbers(unit) => return Ok(format!("{unit} {number}")),
            Names::Texts(spill) => spill,
        };
        let mut length = [0; 4];
        spill.read(number, &mut length)?;
        let mut name = vec![0; u32::from_le_bytes(length) as usize];
        spill.read(number + 4, &mut name)?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }
}

impl NamesWriter {
    /// With `memory` bytes in memory at most.
    pub(super) fn new(memory: u64) -> NamesWriter {
        NamesWriter { bytes: SpillWriter::new(memory), end: 0 }
    }

    /// Appends a name, and gives its number. A later name has a larger one.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(super) fn push(&mut self, name: &str) -> io::Result<u64> {
        // No row of a table has 4 GiB.
        let length = name.len() as u32;
        self.bytes.push(&length.to_le_bytes())?;
        self.bytes.push(name.as_bytes())?;
        let number = self.end;
        self.end += 4 + u64::from(length);
        Ok(number)
    }

    /// # Errors
    /// What the system says of the temporary file.
    pub(super) fn finish(self) -> io::Result<Names> {
        Ok(Names::Texts(Arc::new(self.bytes.finish()?)))
    }
}

/// Sessions: the items of each, and its number.
#[derive(Debug)]
pub(super) struct Store {
    events: Spill,
    /// The bytes of an item.
    width: usize,
    /// The end of each session, in events.
    ends: Vec<u64>,
    numbers: Vec<u64>,
    names: Names,
    memory: Memory,
}

/// Builds a [`Store`].
pub(super) struct StoreWriter {
    events: SpillWriter,
    width: usize,
    ends: Vec<u64>,
    numbers: Vec<u64>,
    memory: Memory,
}

impl StoreWriter {
    /// For items below `items`.
    pub(super) fn new(memory: Memory, items: usize) -> StoreWriter {
        let events = SpillWriter::new(memory.bytes);
        let (ends, numbers) = (Vec::new(), Vec::new());
        StoreWriter { events, width: width_of(items), ends, numbers, memory }
    }

    /// Appends a session.
    ///
    /// # Errors
    /// [`Error::Spill`]; [`Error::TooMany`] for more sessions than an index can name.
    pub(super) fn push(&mut self, number: u64, items: &[u32]) -> Result<()> {
        if u32::try_from(self.ends.len() + 1).is_err() {
            return Err(Error::TooMany { count: self.ends.len() + 1 });
        }
        let pushed = self.events.push(&to_bytes(items, self.width));
        pushed.map_err(|source| self.memory.failed(source))?;
        let before = self.ends.last().copied().unwrap_or(0);
        self.ends.push(before + items.len() as u64);
        self.numbers.push(number);
        Ok(())
    }

    /// # Errors
    /// [`Error::Spill`].
    pub(super) fn finish(self, names: Names) -> Result<Store> {
        let StoreWriter { events, width, mut ends, mut numbers, memory } = self;
        let events = events.finish().map_err(|source| memory.failed(source))?;
        ends.shrink_to_fit();
        numbers.shrink_to_fit();
        Ok(Store { events, width, ends, numbers, names, memory })
    }
}

impl Store {
    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where the session begins, in events; of the number of sessions, where the last one ends.
    pub(super) fn start(&self, session: usize) -> u64 {
        session.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// How many events the session has.
    pub(super) fn events(&self, session: usize) -> u64 {
        self.ends[session] - self.start(session)
    }

    /// The items of the events in a range.
    ///
    /// # Errors
    /// [`Error::Spill`], of a range that is not there too.
    pub(super) fn read(&self, range: Range<u64>) -> Result<Vec<u32>> {
        let mut bytes = vec![0; (range.end - range.start) as usize * self.width];
        let read = self.events.read(range.start * self.width as u64, &mut bytes);
        read.map_err(|source| self.memory.failed(source))?;
        Ok(from_bytes(&bytes, self.width))
    }

    /// Calls `each` with every session: its number, and its items.
    ///
    /// # Errors
    /// [`Error::Spill`], and those of `each`.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(usize, u64, &[u32]) -> Result<()>,
    ) -> Result<()> {
        let mut session = 0;
        while session < self.len() {
            let start = self.start(session);
            let fit = self.ends[session..].partition_point(|&end| end <= start + BLOCK);
            let end = session + fit.max(1);
            let items = self.read(start..self.start(end))?;
            let mut left = &items[..];
            for at in session..end {
                let (items, rest) = left.split_at(self.events(at) as usize);
                each(at, self.numbers[at], items)?;
                left = rest;
            }
            session = end;
        }
        Ok(())
    }

    /// What the session is called; `None` where its name cannot be read.
    pub(super) fn title(&self, session: usize) -> Option<String> {
        self.names.title(*self.numbers.get(session)?).ok()
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Adds all items and lengths to a fingerprint.
    pub(super) fn fingerprint(&self, content: &mut Fingerprinter) {
        content.fingerprint(self.events.fingerprint());
        content.number(self.width as u64);
        content.number(self.len() as u64);
        self.ends.iter().for_each(|&end| content.number(end));
    }
}
