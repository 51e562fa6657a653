//! Sounds one after the other: in memory as long as they fit, else in a temporary file.

use std::io;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprinter;
use crate::spill::{Spill, SpillWriter};

/// The bytes of a sample.
const SIZE: usize = size_of::<f32>();

/// Many sounds.
#[derive(Debug)]
pub(super) struct Store {
    name: String,
    bytes: Spill,
    /// Where each sound ends, in samples.
    ends: Vec<u64>,
}

impl Store {
    /// How many sounds there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The samples of the sound at `index`.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(super) fn get(&self, index: usize) -> Result<Vec<f32>> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut bytes = vec![0; (self.ends[index] - start) as usize * SIZE];
        let read = self.bytes.read(start * SIZE as u64, &mut bytes);
        read.map_err(|source| spill_error(&self.name, source))?;
        Ok(bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// Adds all samples and lengths to a fingerprint.
    pub(super) fn fingerprint(&self, content: &mut Fingerprinter) {
        content.fingerprint(self.bytes.fingerprint());
        content.number(self.len() as u64);
        self.ends.iter().for_each(|&end| content.number(end));
    }
}

/// Builds a [`Store`].
pub(super) struct Writer {
    name: String,
    bytes: SpillWriter,
    ends: Vec<u64>,
}

impl Writer {
    /// For the sounds of what is called `name`, of which `bytes` may be in memory.
    pub(super) fn new(name: &str, bytes: u64) -> Writer {
        Writer { name: name.to_owned(), bytes: SpillWriter::new(bytes), ends: Vec::new() }
    }

    /// Appends a sound.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.bytes.push(&bytes).map_err(|source| spill_error(&self.name, source))?;
        let before = self.ends.last().copied().unwrap_or(0);
        self.ends.push(before + samples.len() as u64);
        Ok(())
    }

    /// All sounds.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(super) fn finish(self) -> Result<Store> {
        let Writer { name, bytes, ends } = self;
        let bytes = bytes.finish().map_err(|source| spill_error(&name, source))?;
        Ok(Store { name, bytes, ends })
    }
}

/// What the temporary file's error means to people.
fn spill_error(name: &str, source: io::Error) -> Error {
    let (file, folder) = (name.to_owned(), std::env::temp_dir());
    Error::Spill { file, option: "data.audio.memory", folder, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_what_memory_gives() {
        let sounds = [vec![0.5; 7], vec![-1.0], vec![1e-30, f32::MAX, 0.0]];
        for (bytes, in_memory) in [(44, true), (43, false), (0, false)] {
            let mut writer = Writer::new("sounds", bytes);
            sounds.iter().for_each(|sound| writer.push(sound).unwrap());
            let store = writer.finish().unwrap();
            assert_eq!((store.bytes.is_in_memory(), store.len()), (in_memory, 3));
            for index in [2, 0, 1] {
                assert_eq!(store.get(index).unwrap(), sounds[index]);
            }
        }
    }
}
