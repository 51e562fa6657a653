//! Rows of numbers: in memory as long as they fit, else in a temporary file.

use std::io;

use crate::fingerprint::Fingerprint;
use crate::spill::{Spill, SpillWriter};

/// The bytes of a number.
const SIZE: usize = size_of::<f64>();

/// Many rows of `width` numbers each.
#[derive(Debug)]
pub(crate) struct Store {
    width: usize,
    bytes: Spill,
}

impl Store {
    /// Of all numbers, in their order.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.bytes.fingerprint()
    }

    /// Appends the numbers of `count` rows from row `first` on to `numbers`.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(crate) fn read(&self, first: u64, count: usize, numbers: &mut Vec<f64>) -> io::Result<()> {
        let mut bytes = vec![0; count * self.width * SIZE];
        self.bytes.read(first * (self.width * SIZE) as u64, &mut bytes)?;
        let words = bytes.as_chunks().0.iter();
        numbers.extend(words.map(|word| f64::from_le_bytes(*word)));
        Ok(())
    }
}

/// Builds a [`Store`].
pub(crate) struct Writer {
    width: usize,
    rows: u64,
    bytes: SpillWriter,
}

impl Writer {
    /// For rows of `width` numbers, of which `bytes` may be in memory.
    pub(crate) fn new(width: usize, bytes: u64) -> Writer {
        Writer { width, rows: 0, bytes: SpillWriter::new(bytes) }
    }

    /// Appends a row, and gives its index.
    ///
    /// # Errors
    /// What the system says of the temporary file: a full disk, say.
    pub(crate) fn push(&mut self, row: &[f64]) -> io::Result<u64> {
        debug_assert_eq!(row.len(), self.width);
        row.iter().try_for_each(|number| self.bytes.push(&number.to_le_bytes()))?;
        self.rows += 1;
        Ok(self.rows - 1)
    }

    /// The store of all rows.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(crate) fn finish(self) -> io::Result<Store> {
        Ok(Store { width: self.width, bytes: self.bytes.finish()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_what_memory_gives() {
        for (width, rows) in [(1, 1), (3, 7), (5, 1000)] {
            let numbers: Vec<f64> = (0..width * rows).map(|i| 1.7e9 + i as f64 * 0.37).collect();
            let store = |bytes| {
                let mut writer = Writer::new(width, bytes as u64);
                for (at, row) in numbers.chunks(width).enumerate() {
                    assert_eq!(writer.push(row).unwrap(), at as u64);
                }
                writer.finish().unwrap()
            };
            let all = SIZE * width * rows;
            for (bytes, in_memory) in [(all, true), (all - 1, false), (all / 2, false), (0, false)]
            {
                let store = store(bytes);
                assert_eq!(store.bytes.is_in_memory(), in_memory);
                for (first, count) in [(0, rows), (rows / 2, rows - rows / 2), (rows - 1, 1)] {
                    let mut found = vec![9.0];
                    store.read(first as u64, count, &mut found).unwrap();
                    assert_eq!(found[1..], numbers[first * width..][..count * width]);
                }
            }
        }
    }
}
