//! Many bytes: in memory as long as they fit, else in a temporary file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use crate::fingerprint::{Fingerprint, Fingerprinter};

/// Bytes that were written once, of which any part can be read.
#[derive(Debug)]
pub(crate) struct Spill {
    storage: Storage,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<u8>),
    /// Without a name: the system removes it when it is closed, however the program ends.
    File(Mutex<File>),
}

impl Spill {
    /// Whether all bytes are in memory.
    #[cfg(test)]
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.storage, Storage::Memory(_))
    }

    /// Of all bytes, in their order.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Fills `bytes` with those from `start` on.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(crate) fn read(&self, start: u64, bytes: &mut [u8]) -> io::Result<()> {
        match &self.storage {
            Storage::Memory(all) => {
                let all = usize::try_from(start).ok().and_then(|start| all.get(start..));
                let part = all.and_then(|all| all.get(..bytes.len()));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Storage::File(file) => {
                // Every holder sets the position first, so that one that panicked did no harm.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(bytes)
            }
        }
    }
}

/// Builds a [`Spill`].
pub(crate) struct SpillWriter {
    /// How many bytes may be in memory.
    limit: usize,
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    content: Fingerprinter,
}

impl SpillWriter {
    /// With `limit` bytes in memory at most.
    pub(crate) fn new(limit: u64) -> SpillWriter {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        SpillWriter { limit, memory: Vec::new(), file: None, content: Fingerprinter::new() }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// What the system says of the temporary file: a full disk, say.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.content.bytes(bytes);
        if self.file.is_none() && self.memory.len() + bytes.len() > self.limit {
            let mut file = BufWriter::new(tempfile::tempfile()?);
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// All bytes.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(crate) fn finish(mut self) -> io::Result<Spill> {
        let storage = match self.file {
            Some(file) => Storage::File(Mutex::new(
                file.into_inner().map_err(io::IntoInnerError::into_error)?,
            )),
            None => {
                self.memory.shrink_to_fit();
                Storage::Memory(self.memory)
            }
        };
        Ok(Spill { storage, fingerprint: self.content.finish() })
    }
}
