//! Rows of numbers: in memory as long as they fit, else in a temporary file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use crate::fingerprint::{Fingerprint, Fingerprinter};

/// The bytes of a number.
const SIZE: usize = size_of::<f64>();

/// Many rows of `width` numbers each.
#[derive(Debug)]
pub(super) struct Store {
    width: usize,
    storage: Storage,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<f64>),
    /// Without a name: the system removes it when it is closed, however the program ends.
    File(Mutex<File>),
}

impl Store {
    /// Whether all rows are in memory.
    #[cfg(test)]
    fn is_in_memory(&self) -> bool {
        matches!(self.storage, Storage::Memory(_))
    }

    /// Of all numbers, in their order.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Appends the numbers of `count` rows from row `first` on to `numbers`.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(super) fn read(&self, first: u64, count: usize, numbers: &mut Vec<f64>) -> io::Result<()> {
        let length = count * self.width;
        match &self.storage {
            Storage::Memory(all) => {
                let start = first as usize * self.width;
                numbers.extend_from_slice(&all[start..start + length]);
            }
            Storage::File(file) => {
                let mut bytes = vec![0; length * SIZE];
                // Every holder sets the position first, so that one that panicked did no harm.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(first * (self.width * SIZE) as u64))?;
                file.read_exact(&mut bytes)?;
                let words = bytes.as_chunks().0.iter();
                numbers.extend(words.map(|word| f64::from_le_bytes(*word)));
            }
        }
        Ok(())
    }
}

/// Builds a [`Store`].
pub(super) struct Writer {
    width: usize,
    rows: u64,
    /// How many numbers may be in memory.
    limit: usize,
    memory: Vec<f64>,
    file: Option<BufWriter<File>>,
    content: Fingerprinter,
}

impl Writer {
    /// For rows of `width` numbers, of which `bytes` may be in memory.
    pub(super) fn new(width: usize, bytes: usize) -> Writer {
        let (memory, content) = (Vec::new(), Fingerprinter::new());
        Writer { width, rows: 0, limit: bytes / SIZE, memory, file: None, content }
    }

    /// Appends a row, and gives its index.
    ///
    /// # Errors
    /// What the system says of the temporary file: a full disk, say.
    pub(super) fn push(&mut self, row: &[f64]) -> io::Result<u64> {
        debug_assert_eq!(row.len(), self.width);
        row.iter().for_each(|number| self.content.bytes(&number.to_le_bytes()));
        if self.file.is_none() && self.memory.len() + row.len() > self.limit {
            let mut file = BufWriter::new(tempfile::tempfile()?);
            write(&mut file, &std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => write(file, row)?,
            None => self.memory.extend_from_slice(row),
        }
        self.rows += 1;
        Ok(self.rows - 1)
    }

    /// The store of all rows.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(super) fn finish(mut self) -> io::Result<Store> {
        let storage = match self.file {
            Some(file) => Storage::File(Mutex::new(
                file.into_inner().map_err(io::IntoInnerError::into_error)?,
            )),
            None => {
                self.memory.shrink_to_fit();
                Storage::Memory(self.memory)
            }
        };
        Ok(Store { width: self.width, storage, fingerprint: self.content.finish() })
    }
}

fn write(file: &mut BufWriter<File>, numbers: &[f64]) -> io::Result<()> {
    numbers.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_what_memory_gives() {
        for (width, rows) in [(1, 1), (3, 7), (5, 1000)] {
            let numbers: Vec<f64> = (0..width * rows).map(|i| 1.7e9 + i as f64 * 0.37).collect();
            let store = |bytes| {
                let mut writer = Writer::new(width, bytes);
                for (at, row) in numbers.chunks(width).enumerate() {
                    assert_eq!(writer.push(row).unwrap(), at as u64);
                }
                writer.finish().unwrap()
            };
            let all = SIZE * width * rows;
            for (bytes, in_memory) in [(all, true), (all - 1, false), (all / 2, false), (0, false)]
            {
                let store = store(bytes);
                assert_eq!(store.is_in_memory(), in_memory);
                for (first, count) in [(0, rows), (rows / 2, rows - rows / 2), (rows - 1, 1)] {
                    let mut found = vec![9.0];
                    store.read(first as u64, count, &mut found).unwrap();
                    assert_eq!(found[1..], numbers[first * width..][..count * width]);
                }
            }
        }
    }
}
