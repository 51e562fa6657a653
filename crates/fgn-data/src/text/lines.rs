//! A text file line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The most bytes of a line, far above any use: a file without line ends is not read into memory.
const LONGEST_LINE: u64 = 16 << 20;

/// The lines of a text file that are not blank.
pub(crate) struct Lines {
    name: String,
    bytes: BufReader<File>,
    number: u64,
    /// How many bytes are read.
    done: u64,
    size: u64,
}

impl Lines {
    /// Those of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Lines> {
        let name = path.display().to_string();
        let unreadable = |source| Error::Read { file: name.clone(), source };
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        Ok(Lines { name, bytes: BufReader::new(file), number: 0, done: 0, size })
    }

    /// The number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes are read, and how many there are.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.done, self.size)
    }

    /// The next line that is not blank, without its end.
    ///
    /// # Errors
    /// A line that is too long or not in UTF-8.
    pub(crate) fn advance(&mut self) -> Result<Option<String>> {
        while let Some(line) = self.line()? {
            if !line.trim().is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The next line, without its end; a blank one too.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub(crate) fn line(&mut self) -> Result<Option<String>> {
        let (start, mut line) = (self.done, Vec::new());
        let read = (&mut self.bytes).take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|source| Error::Read { file: self.name.clone(), source })? as u64;
        self.done += read;
        self.number += 1;
        if read == 0 {
            return Ok(None);
        }
        if read > LONGEST_LINE {
            return Err(Error::Table {
                at: format!("{}, line {}", self.name, self.number),
                found: format!("a line that goes on after {LONGEST_LINE} bytes"),
                expected: "a line end".into(),
            });
        }
        let text = String::from_utf8(line).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let found = error.as_bytes().get(at).copied().unwrap_or_default();
            Error::NotUtf8 { file: self.name.clone(), offset: start + at as u64, found }
        })?;
        // A byte order mark is no part of the text.
        let text = text.strip_prefix('\u{feff}').filter(|_| start == 0).unwrap_or(&text);
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<Vec<(u64, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, bytes).unwrap();
        let mut lines = Lines::open(&file)?;
        let mut all = Vec::new();
        while let Some(line) = lines.advance()? {
            all.push((lines.number(), line));
        }
        assert_eq!(lines.progress(), (bytes.len() as u64, bytes.len() as u64));
        Ok(all)
    }

    #[test]
    fn lines_have_their_numbers_whatever_is_between_them() {
        let found = of("\u{feff}a\r\n\n \t\nb é\n\nc".as_bytes()).unwrap();
        assert_eq!(found, [(1, "a".into()), (4, "b é".into()), (6, "c".into())]);
        assert_eq!(of(b"").unwrap(), []);
        let longest = vec![b'x'; LONGEST_LINE as usize];
        assert_eq!(of(&longest).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_line_of_text_is_refused() {
        let error = of(b"ok\nno \xff\n").unwrap_err().to_string();
        assert!(error.contains("byte 6 is 0xff"), "{error}");
        let endless = [&b"a\n"[..], &vec![b'x'; LONGEST_LINE as usize + 1]].concat();
        let error = of(&endless).unwrap_err().to_string();
        assert!(
            error.contains("line 2: found a line that goes on after 16777216 bytes"),
            "{error}"
        );
    }
}
