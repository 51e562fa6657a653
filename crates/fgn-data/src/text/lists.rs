//! Lists of texts and of their tokens: in memory as long as they fit, else in a temporary file.

use std::io;

use super::tokens::{from_bytes, to_bytes, width_of};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprinter;
use crate::spill::{Spill, SpillWriter};

/// How much memory a list may take, and what is said where its temporary file fails.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// What the texts are called.
    pub(crate) name: String,
    /// The option that bounds the memory.
    pub(crate) option: &'static str,
    /// The value of that option.
    pub(crate) bytes: u64,
}

impl Memory {
    /// The error for a temporary file that failed.
    pub(crate) fn failed(&self, source: io::Error) -> Error {
        let (file, folder) = (self.name.clone(), std::env::temp_dir());
        Error::Spill { file, option: self.option, folder, source }
    }
}

/// Builds a list of texts.
pub(crate) struct TextsWriter(Writer);

/// A list of texts.
#[derive(Debug)]
pub(crate) struct Texts(List);

impl TextsWriter {
    pub(crate) fn new(memory: Memory) -> TextsWriter {
        TextsWriter(Writer::new(memory))
    }

    /// Appends a text.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(crate) fn push(&mut self, text: &str) -> Result<()> {
        self.0.push(text.as_bytes())
    }

    /// All texts.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(crate) fn finish(self) -> Result<Texts> {
        Ok(Texts(self.0.finish()?))
    }
}

impl Texts {
    /// The texts in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<String>> + Send {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (0..self.0.ends.len()).map(move |index| Ok(text(self.0.get(index)?)))
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }
}

/// Builds a list of sequences of tokens.
pub(crate) struct SequencesWriter {
    list: Writer,
    width: usize,
}

/// A list of sequences of tokens.
#[derive(Debug)]
pub(crate) struct Sequences {
    list: List,
    width: usize,
}

impl SequencesWriter {
    /// For tokens below `vocabulary`.
    pub(crate) fn new(memory: Memory, vocabulary: usize) -> SequencesWriter {
        SequencesWriter { list: Writer::new(memory), width: width_of(vocabulary) }
    }

    /// Appends a sequence.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(crate) fn push(&mut self, tokens: &[u32]) -> Result<()> {
        self.list.push(&to_bytes(tokens, self.width))
    }

    /// All sequences.
    ///
    /// # Errors
    /// [`Error::Spill`].
    pub(crate) fn finish(self) -> Result<Sequences> {
        Ok(Sequences { list: self.list.finish()?, width: self.width })
    }
}

impl Sequences {
    /// How many sequences there are.
    pub(crate) fn len(&self) -> usize {
        self.list.ends.len()
    }

    /// The sequence at `index`.
    ///
    /// # Errors
    /// [`Error::Spill`], of an index out of range too.
    pub(crate) fn get(&self, index: usize) -> Result<Vec<u32>> {
        Ok(from_bytes(&self.list.get(index)?, self.width))
    }

    /// Adds all tokens and lengths to a fingerprint.
    pub(crate) fn fingerprint(&self, content: &mut Fingerprinter) {
        content.fingerprint(self.list.bytes.fingerprint());
        content.number(self.width as u64);
        content.number(self.len() as u64);
        self.list.ends.iter().for_each(|&end| content.number(end));
    }
}

/// Strings of bytes, one after the other.
#[derive(Debug)]
struct List {
    bytes: Spill,
    /// The end of each.
    ends: Vec<u64>,
    memory: Memory,
}

struct Writer {
    bytes: SpillWriter,
    ends: Vec<u64>,
    memory: Memory,
}

impl Writer {
    fn new(memory: Memory) -> Writer {
        Writer { bytes: SpillWriter::new(memory.bytes), ends: Vec::new(), memory }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.push(bytes).map_err(|source| self.memory.failed(source))?;
        let before = self.ends.last().copied().unwrap_or(0);
        self.ends.push(before + bytes.len() as u64);
        Ok(())
    }

    fn finish(self) -> Result<List> {
        let Writer { bytes, ends, memory } = self;
        let bytes = bytes.finish().map_err(|source| memory.failed(source))?;
        Ok(List { bytes, ends, memory })
    }
}

impl List {
    fn get(&self, index: usize) -> Result<Vec<u8>> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut bytes = vec![0; (self.ends[index] - start) as usize];
        self.bytes.read(start, &mut bytes).map_err(|source| self.memory.failed(source))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_what_was_pushed_wherever_it_is() {
        let texts = ["", "é", "a longer text", "", "日本語"];
        for bytes in [0, 7, 1000] {
            let memory = Memory { name: "texts".into(), option: "data.memory", bytes };
            let mut writer = TextsWriter::new(memory.clone());
            texts.iter().for_each(|text| writer.push(text).unwrap());
            let list = writer.finish().unwrap();
            assert_eq!(list.0.bytes.is_in_memory(), bytes == 1000);
            assert_eq!(list.iter().collect::<Result<Vec<_>>>().unwrap(), texts);

            let sequences = [vec![], vec![7], vec![256, 0, 299]];
            let mut writer = SequencesWriter::new(memory, 300);
            sequences.iter().for_each(|tokens| writer.push(tokens).unwrap());
            let list = writer.finish().unwrap();
            let found = (0..list.len()).map(|index| list.get(index).unwrap());
            assert_eq!(found.collect::<Vec<_>>(), sequences);
        }
    }
}
