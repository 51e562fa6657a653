//! A text piece by piece, so that one of any length needs little memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use lzma_rust2::XzReader;

use crate::error::{Error, Result};

/// The bytes that are read together. A piece is cut behind a line end where there is one.
const PIECE: usize = 1 << 16;

/// The longest line that is not cut: tokens do not reach across a cut.
const LONGEST: usize = 1 << 20;

/// Where a text is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// In a file.
    File(PathBuf),
    /// In this program, compressed.
    Embedded { name: &'static str, xz: &'static [u8] },
}

impl Source {
    /// What it is called in errors.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Embedded { name, .. } => (*name).to_owned(),
        }
    }

    /// How many bytes it has, as far as that is known.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Source::File(path) => path.metadata().map_or(0, |about| about.len()),
            Source::Embedded { .. } => 0,
        }
    }

    /// The text from its beginning.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(crate) fn pieces(&self) -> Result<Pieces> {
        let name = self.name();
        let bytes: Box<dyn Read + Send> = match self {
            Source::File(path) => match File::open(path) {
                Ok(file) => Box::new(file),
                Err(source) => return Err(Error::Read { file: name, source }),
            },
            Source::Embedded { xz, .. } => Box::new(XzReader::new(*xz, false)),
        };
        Ok(Pieces { name, bytes, buffer: Vec::new(), done: 0, ended: false })
    }
}

/// A text in pieces, in their order.
pub(crate) struct Pieces {
    name: String,
    bytes: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// How many bytes were given.
    done: u64,
    ended: bool,
}

impl Pieces {
    /// How many bytes were given so far.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        let missing = length.saturating_sub(self.buffer.len()) as u64;
        let read = (&mut self.bytes).take(missing).read_to_end(&mut self.buffer)?;
        self.ended = (read as u64) < missing;
        Ok(())
    }

    fn piece(&mut self) -> Result<Option<String>> {
        let mut length = PIECE;
        let end = loop {
            self.fill(length).map_err(|source| Error::Read { file: self.name.clone(), source })?;
            match self.buffer.iter().rposition(|&byte| byte == b'\n') {
                _ if self.ended => break self.buffer.len(),
                Some(end) => break end + 1,
                None if length >= LONGEST => break whole_characters(&self.buffer),
                None => length = LONGEST,
            }
        };
        let rest = self.buffer.split_off(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let is_first = self.done == 0;
        let start = self.done;
        self.done += bytes.len() as u64;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let found = error.as_bytes().get(at).copied().unwrap_or_default();
            Error::NotUtf8 { file: self.name.clone(), offset: start + at as u64, found }
        })?;
        Ok(match text.strip_prefix('\u{feff}').filter(|_| is_first) {
            // A byte order mark is no part of the text.
            Some(text) => Some(text.to_owned()),
            None => Some(text).filter(|text| !text.is_empty()),
        })
    }
}

/// The end of the last character that is whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(4);
    let begins = |&at: &usize| (bytes[at] as i8) >= -64;
    match (tail..bytes.len()).rev().find(begins) {
        Some(at) if std::str::from_utf8(&bytes[at..]).is_err() && at > 0 => at,
        _ => bytes.len(),
    }
}

impl Iterator for Pieces {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        self.piece().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, bytes).unwrap();
        Source::File(file).pieces()?.collect()
    }

    #[test]
    fn pieces_make_up_the_text_whatever_its_lines() {
        let lines = "a line of ä few words\n".repeat(20_000);
        let endless = "日本語".repeat(300_000);
        let mixed = format!("{endless}\n{lines}{}", &endless[..9]);
        for text in [&lines[..], &endless, &mixed, "", "\n", "no line end"] {
            let pieces = of(text.as_bytes()).unwrap();
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= LONGEST));
            assert!(pieces.concat() == text, "{} bytes", text.len());
        }
        let cut_at_lines = of(lines.as_bytes()).unwrap();
        assert!(cut_at_lines.iter().all(|piece| piece.ends_with('\n')));
        assert_eq!(of("\u{feff}text".as_bytes()).unwrap(), ["text"]);
    }

    #[test]
    fn what_is_not_utf_8_is_reported_with_its_offset() {
        for before in [0, 3, PIECE - 1, PIECE, 3 * PIECE + 5] {
            let mut bytes = vec![b'x'; before];
            bytes.extend(b"\xff text");
            let error = of(&bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("byte {before} is 0xff")), "{error}");
        }
        assert!(of(b"cut short \xe6\x97").is_err());
    }
}
