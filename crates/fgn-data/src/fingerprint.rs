//! Whether samples are still what they were: a hash of their content.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use fgn_schema::{Batch, Padded};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Result;

/// A hash of the content of some samples: 128 bits of SHA-256, written as 32 hexadecimal digits.
///
/// It depends on inputs, targets and names, and not on where or when they were stored.
///
/// ```
/// use fgn_data::{Images, Samples as _};
///
/// let dots = |label| Images::new("dots", 1, 2, 2, vec![255, 0, 0, 255], vec![0, label]);
/// assert_eq!(dots(1)?.fingerprint()?, dots(1)?.fingerprint()?);
/// assert_ne!(dots(1)?.fingerprint()?, dots(0)?.fingerprint()?);
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(u128);

/// Computes a [`Fingerprint`] of what is added, in its order.
///
/// ```
/// let mut content = fgn_data::Fingerprinter::new();
/// content.names(&["x".into(), "y".into()]);
/// content.bytes(&0.5_f32.to_le_bytes());
/// assert_eq!(content.finish().to_string().len(), 32);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Fingerprinter(Sha256);

impl Fingerprinter {
    /// Of nothing yet.
    pub fn new() -> Fingerprinter {
        Fingerprinter::default()
    }

    /// Adds bytes. How many there are is not added: they follow each other without a border.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds names, each with its length.
    pub fn names(&mut self, names: &[String]) {
        self.number(names.len() as u64);
        for name in names {
            self.number(name.len() as u64);
            self.bytes(name.as_bytes());
        }
    }

    /// Adds another fingerprint.
    pub fn fingerprint(&mut self, other: Fingerprint) {
        self.bytes(&other.0.to_le_bytes());
    }

    /// Adds all inputs and targets of a batch: shapes, types, lengths and values.
    ///
    /// # Errors
    /// A tensor that cannot be read.
    pub fn batch(&mut self, batch: &Batch) -> Result<()> {
        for parts in [batch.inputs(), batch.targets()] {
            self.number(parts.len() as u64);
            parts.iter().try_for_each(|part| self.padded(part))?;
        }
        Ok(())
    }

    fn padded(&mut self, part: &Padded) -> Result<()> {
        let tensor = part.tensor();
        self.bytes(tensor.dtype().as_str().as_bytes());
        for lengths in [Some(tensor.dims()), part.lengths()] {
            let lengths = lengths.unwrap_or_default();
            self.number(lengths.len() as u64);
            lengths.iter().for_each(|&length| self.number(length as u64));
        }
        Ok(tensor.write_bytes(self)?)
    }

    /// The fingerprint of all that was added.
    pub fn finish(self) -> Fingerprint {
        let mut first = [0; 16];
        first.copy_from_slice(&self.0.finalize()[..16]);
        Fingerprint(u128::from_be_bytes(first))
    }
}

impl Write for Fingerprinter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.to_string()
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Fingerprint, Self::Err> {
        u128::from_str_radix(text, 16).map(Fingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> std::result::Result<Fingerprint, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf abc | sha256sum` begins with these digits.
    #[test]
    fn it_is_the_beginning_of_sha_256_and_survives_text() {
        let mut content = Fingerprinter::new();
        content.bytes(b"abc");
        let found = content.finish();
        assert_eq!(found.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(Fingerprint::try_from(String::from(found)), Ok(found));
        assert!("none".parse::<Fingerprint>().is_err());
    }

    #[test]
    fn borders_between_names_count() {
        let of = |names: &[&str]| {
            let mut content = Fingerprinter::new();
            content.names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            content.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
    }
}
