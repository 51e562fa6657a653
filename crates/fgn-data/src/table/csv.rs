//! Text files of fields between delimiters.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::format::TextFormat;
use super::row::{Field, Table, check_columns};
use crate::error::{Error, Result};
use crate::names::shortened;

/// The most bytes of one row, far above any use: a file without line ends is not read into memory.
const LONGEST_ROW: u64 = 16 << 20;

/// A text file, read row by row.
pub(super) struct Csv {
    path: PathBuf,
    name: String,
    reader: Reader<Limited<File>>,
    /// Bytes that the reader may still take before this row's end.
    left: Arc<AtomicU64>,
    columns: Vec<String>,
    row: ByteRecord,
    /// Without a header the first row is read ahead, to count its fields.
    first_is_row: bool,
    /// Where the row begins, or the blank lines before it.
    start: u64,
    lines: RefCell<Option<Lines>>,
    size: u64,
}

impl Csv {
    pub(super) fn open(path: &Path, delimiter: u8, format: TextFormat) -> Result<Csv> {
        let name = path.display().to_string();
        let unreadable = |source| Error::Read { file: name.clone(), source };
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let left = Arc::new(AtomicU64::new(LONGEST_ROW));
        let bytes = Limited { bytes: file, left: left.clone() };
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(format.quotes)
            .has_headers(false)
            .from_reader(bytes);
        let mut csv = Csv {
            path: path.to_owned(),
            name,
            reader,
            left,
            columns: Vec::new(),
            row: ByteRecord::new(),
            first_is_row: !format.header,
            start: 0,
            lines: RefCell::new(None),
            size,
        };
        if !csv.read()? {
            return Err(Error::Empty { origin: csv.name });
        }
        csv.columns = match format.header {
            true => (0..csv.row.len())
                .map(|column| Ok(csv.text(column)?.trim().to_owned()))
                .collect::<Result<_>>()?,
            false => (1..=csv.row.len()).map(|column| column.to_string()).collect(),
        };
        check_columns(&csv.name, &csv.columns)?;
        Ok(csv)
    }

    fn read(&mut self) -> Result<bool> {
        self.left.store(LONGEST_ROW, Ordering::Relaxed);
        self.start = self.reader.position().byte();
        let found = self.reader.read_byte_record(&mut self.row);
        found.map_err(|error| self.explain(error))
    }

    /// The row's line. The reader does not count blank lines before a row, so they are counted in the file:
    /// where somebody asks, and from the row on that was asked for last.
    fn line(&self) -> u64 {
        let mut lines = self.lines.borrow_mut();
        if lines.is_none() {
            *lines = File::open(&self.path).ok().map(Lines::new);
        }
        match &mut *lines {
            Some(lines) => lines.up_to(self.start),
            None => self.reader.position().line(),
        }
    }

    fn text(&self, column: usize) -> Result<&str> {
        let bytes = self.row.get(column).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| Error::Table {
            at: format!("{}, {}, field {}", self.name, self.position(), column + 1),
            found: shortened(&String::from_utf8_lossy(bytes)),
            expected: "text in UTF-8".into(),
        })
    }

    fn explain(&self, error: csv::Error) -> Error {
        let line = self.line();
        let row = |found, expected| Error::Table {
            at: format!("{}, line {line}", self.name),
            found,
            expected,
        };
        match error.into_kind() {
            ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => row(
                format!("a row that goes on after {LONGEST_ROW} bytes"),
                "a line end, or the end of a field in quotes".into(),
            ),
            ErrorKind::Io(source) => Error::Read { file: self.name.clone(), source },
            ErrorKind::UnequalLengths { expected_len, len, .. } => row(
                format!("{len} fields"),
                format!("{expected_len}, as in the first line (is the delimiter right?)"),
            ),
            other => row(format!("{other:?}"), "a row of fields".into()),
        }
    }
}

impl Table for Csv {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn advance(&mut self) -> Result<bool> {
        match std::mem::take(&mut self.first_is_row) {
            true => Ok(true),
            false => self.read(),
        }
    }

    fn field(&self, column: usize) -> Result<Field<'_>> {
        Ok(Field::of_text(self.text(column)?))
    }

    fn place(&self) -> (&'static str, u64) {
        ("line", self.line())
    }

    fn progress(&self) -> (u64, u64) {
        (self.reader.position().byte(), self.size)
    }
}

/// Counts the lines of a file.
struct Lines {
    bytes: BufReader<File>,
    at: u64,
    line: u64,
}

impl Lines {
    fn new(file: File) -> Lines {
        Lines { bytes: BufReader::new(file), at: 0, line: 1 }
    }

    /// The line of the first byte from `start` on that ends no line. `start` never falls.
    fn up_to(&mut self, start: u64) -> u64 {
        while let Some(&byte) = self.bytes.fill_buf().ok().and_then(<[u8]>::first) {
            if self.at >= start && byte != b'\n' && byte != b'\r' {
                break;
            }
            self.line += u64::from(byte == b'\n');
            self.at += 1;
            self.bytes.consume(1);
        }
        self.line
    }
}

/// Gives no more bytes than are left.
struct Limited<R> {
    bytes: R,
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.bytes.read(buffer)?;
        self.left.store(left.saturating_sub(count as u64), Ordering::Relaxed);
        Ok(count)
    }
}
