//! The rows of a table, gathered into sessions.
//!
//! A session's events may be anywhere in the table. They are sorted twice, both times outside of memory if they are
//! many: by session and time, so that each session's first event is found; and then by when their session begins. Of a
//! session only a hash of its name is sorted, of 128 bits; the name is written down where it first appears.

use std::io;
use std::path::Path;

use fgn_schema::MAX_SIZE;
use sha2::{Digest as _, Sha256};

use super::log::{Log, LogWriter};
use super::options::{MEMORY, SessionOptions};
use super::sort::{Event, Sorted, Sorter};
use super::store::NamesWriter;
use crate::error::{Error, Result};
use crate::reader::{ReadProgress, has_ending};
use crate::table::{self, row::Table};

/// The ending of RecBole's atomic files of interactions.
pub(super) const ATOMIC: &[&str] = &["inter"];

/// The types that follow the names of columns in an atomic file.
const TYPES: [&str; 4] = [":token", ":float", ":token_seq", ":float_seq"];

/// Which columns are read.
struct Columns {
    session: usize,
    item: usize,
    time: Option<usize>,
}

/// Events as they are read.
struct Events<'a> {
    log: LogWriter<'a>,
    columns: Columns,
    names: NamesWriter,
    /// The session of the last row: its name, its hash, and where its name is.
    last: Option<(String, [u64; 2], u64)>,
    sorter: Sorter,
}

/// Reads a table.
pub(super) fn read(
    path: &Path,
    options: &SessionOptions,
    log: LogWriter<'_>,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Log> {
    let (mut options, mut format) = (options.clone(), options.format());
    let is_atomic = has_ending(path, ATOMIC);
    if is_atomic {
        format.delimiter = format.delimiter.or(Some('\t'));
    } else {
        options.check_columns()?;
    }
    let mut table = table::open(path, format)?;
    let mut all = table.columns().to_vec();
    if is_atomic {
        all.iter_mut().for_each(strip_type);
        default_columns(&mut options, &all);
        options.check_columns()?;
    }
    let name = log.name().to_owned();
    let column = |column: &str| table::column(&name, &all, column);
    let columns = Columns {
        session: column(&options.session)?,
        item: column(&options.item)?,
        time: options.time.as_deref().map(column).transpose()?,
    };
    let (names, sorter) = (NamesWriter::new(options.memory), Sorter::new(options.memory));
    let mut events = Events { log, columns, names, last: None, sorter };
    table::each_row(&name, &mut *table, progress, |table| events.add(table))?;
    events.finish(&options)
}

/// Takes the type off the name of a column: `user_id:token`.
fn strip_type(column: &mut String) {
    if let Some(name) = TYPES.iter().find_map(|of_type| column.strip_suffix(of_type)) {
        column.truncate(name.len());
    }
}

/// The columns of an atomic file that are not given, where there are such.
fn default_columns(options: &mut SessionOptions, all: &[String]) {
    let find = |names: &[&str]| {
        names.iter().find(|name| all.iter().any(|column| column == **name)).map(|&it| it.to_owned())
    };
    if options.session.is_empty() {
        options.session = find(&["user_id", "session_id"]).unwrap_or_default();
    }
    if options.item.is_empty() {
        options.item = find(&["item_id"]).unwrap_or_default();
    }
    options.time = options.time.take().or_else(|| find(&["timestamp"]));
}

impl Events<'_> {
    /// Adds the table's current row.
    ///
    /// # Errors
    /// A field that is not as it should be, with its line and column.
    fn add(&mut self, table: &dyn Table) -> Result<()> {
        let Columns { session, item, time } = self.columns;
        let wrong = |column: usize, found: String, expected: &str| Error::Table {
            at: format!(
                "{}, {}, column {:?}",
                self.log.name(),
                table.position(),
                table.columns()[column]
            ),
            found,
            expected: expected.into(),
        };
        let lacks = |column, what: &str| {
            let expected = format!("{what} (NA, NaN, null and ? are nothing)");
            wrong(column, "nothing".into(), &expected)
        };
        let name = table.field(session)?.name().ok_or_else(|| lacks(session, "a session"))?;
        let item_name = table.field(item)?.name().ok_or_else(|| lacks(item, "an item"))?;
        let time = match time {
            None => 0,
            Some(column) => {
                let expected = "a finite number, as 1.5 or -2e3";
                let number = table.field(column)?.number();
                let number = number.map_err(|found| wrong(column, found, expected))?;
                sortable(number.ok_or_else(|| wrong(column, "nothing".into(), expected))?)
            }
        };
        let at = format!("{}, {}", self.log.name(), table.place().0);
        let item = self.log.item(&item_name, || format!("{at} {}", table.place().1))?;
        let ([high, low], name) = self.session(name)?;
        let event = Event { key: [high, low, time], name, item };
        self.sorter.push(event).map_err(|source| failed(self.log.name(), source))
    }

    /// The hash of a session's name, and where the name is.
    fn session(&mut self, name: String) -> Result<([u64; 2], u64)> {
        if let Some((last, hash, number)) = &self.last
            && *last == name
        {
            return Ok((*hash, *number));
        }
        let number = self.names.push(&name).map_err(|source| failed(self.log.name(), source))?;
        let digest = Sha256::digest(name.as_bytes());
        let word = |from: usize| {
            digest.iter().skip(from).take(8).fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        let hash = [word(0), word(8)];
        self.last = Some((name, hash, number));
        Ok((hash, number))
    }

    /// All sessions, in the order in which they begin.
    fn finish(self, options: &SessionOptions) -> Result<Log> {
        let Events { mut log, names, sorter, .. } = self;
        let name = log.name().to_owned();
        let failed = |source| failed(&name, source);
        let sorted = sorter.finish().map_err(failed)?;
        let begun = by_beginning(sorted, options.memory).map_err(failed)?;
        let mut items = Vec::new();
        let mut session = None;
        for event in begun {
            let event = event.map_err(failed)?;
            if let Some(number) = session.replace(event.name)
                && number != event.name
            {
                log.session(number, &mut items)?;
                items.clear();
            }
            items.push(event.item);
            if items.len() > MAX_SIZE {
                return Err(Error::Table {
                    at: name,
                    found: format!("more than {MAX_SIZE} events of one session"),
                    expected: "sessions that fit in memory: is it the right column?".into(),
                });
            }
        }
        if let Some(number) = session {
            log.session(number, &mut items)?;
        }
        log.finish(names.finish().map_err(failed)?)
    }
}

/// Sorts events, which are sorted by session and time, by when their session begins: by the time of its first event,
/// and by where its name is first written. Each has the name of its session's first event then.
fn by_beginning(sorted: Sorted, memory: u64) -> io::Result<Sorted> {
    let mut sorter = Sorter::new(memory);
    let mut first: Option<Event> = None;
    for event in sorted {
        let event = event?;
        let first = match first {
            Some(first) if first.key[..2] == event.key[..2] => first,
            _ => *first.insert(event),
        };
        sorter.push(Event { key: [first.key[2], first.name, 0], name: first.name, ..event })?;
    }
    sorter.finish()
}

/// A number whose order is that of the time. Zeros of both signs are one.
fn sortable(time: f64) -> u64 {
    let bits = (time + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn failed(name: &str, source: io::Error) -> Error {
    let (file, folder) = (name.to_owned(), std::env::temp_dir());
    Error::Spill { file, option: MEMORY, folder, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sorted_as_numbers() {
        let times = [f64::MIN, -1e9, -2.5, -1e-300, 0.0, 5e-324, 1.0, 1_700_000_000.25, f64::MAX];
        assert!(times.map(sortable).is_sorted_by(|one, other| one < other));
        assert_eq!(sortable(-0.0), sortable(0.0));
    }

    #[test]
    fn only_known_types_are_taken_off() {
        for (column, expected) in [
            ("user_id:token", "user_id"),
            ("at:float", "at"),
            ("a:b:token_seq", "a:b"),
            ("a:b", "a:b"),
            ("plain", "plain"),
        ] {
            let mut found = column.to_owned();
            strip_type(&mut found);
            assert_eq!(found, expected);
        }
    }
}
