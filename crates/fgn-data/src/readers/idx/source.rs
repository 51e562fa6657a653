//! The IDX format: a magic number, the dimensions (all `u32`, big endian), one byte an element.
//!
//! The header is not trusted. Memory grows with the bytes that really come, and reading stops one byte after
//! what the header declares, so that neither an absurd header nor a gzip bomb costs anything.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// First two bytes 0, then 8 for unsigned bytes; the last byte counts the dimensions.
const MAGIC: u32 = 0x0800;

/// Unpacked bytes and what to call them in errors.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) bytes: Box<dyn Read>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Source> {
        let unreadable = |source| unreadable(path, source);
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let gzipped = file.fill_buf().map_err(unreadable)?.starts_with(&GZIP);
        let bytes: Box<dyn Read> =
            if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Source { name: path.display().to_string(), bytes })
    }

    /// The next `limit` bytes, or fewer where the source ends.
    fn read(&mut self, limit: u128) -> Result<Vec<u8>> {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let mut data = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        match self.bytes.by_ref().take(limit).read_to_end(&mut data) {
            Ok(_) => Ok(data),
            Err(source) => {
                let file = self.name.clone();
                match source.kind() {
                    InvalidData | InvalidInput | UnexpectedEof => {
                        Err(Error::Damaged { file, source })
                    }
                    _ => Err(Error::Read { file, source }),
                }
            }
        }
    }
}

/// Header and elements of one IDX file of unsigned bytes in `D` dimensions.
pub(super) fn array<const D: usize>(mut source: Source) -> Result<([usize; D], Vec<u8>)> {
    let (magic, header) = (MAGIC + D as u32, 4 + 4 * D as u128);
    let bytes = source.read(header)?;
    let mut words = bytes.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word));
    if let Some(found) = words.next()
        && found != magic
    {
        return Err(Error::Magic { file: source.name, found, expected: magic });
    }
    let found = bytes.len() as u128;
    if found < header {
        return Err(Error::Truncated { file: source.name, found, expected: header });
    }
    let mut dimensions = [0; D];
    for (dimension, word) in dimensions.iter_mut().zip(words) {
        *dimension = word as usize;
    }

    // Three u32 cannot overflow the product.
    let body: u128 = dimensions.iter().map(|&dimension| dimension as u128).product();
    let mut data = source.read(body + 1)?;
    let (found, expected) = (header + data.len() as u128, header + body);
    if found > expected {
        return Err(Error::Oversized { file: source.name, expected });
    }
    if found < expected {
        return Err(Error::Truncated { file: source.name, found, expected });
    }
    data.shrink_to_fit();
    Ok((dimensions, data))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Read { file: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(header: &[u32], rest: impl Read + 'static) -> Source {
        let header: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        Source { name: "it".to_owned(), bytes: Box::new(io::Cursor::new(header).chain(rest)) }
    }

    #[test]
    fn an_endless_file_is_left_after_one_byte_too_many() {
        let error = array::<3>(source(&[0x803, 5, 7, 11], io::repeat(1))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it: goes on after the 401 bytes (unpacked) that its header declares"
        );
    }

    #[test]
    fn a_header_is_not_trusted() {
        let error = array::<3>(source(&[0x803, u32::MAX, u32::MAX, u32::MAX], io::empty()));
        assert_eq!(
            error.unwrap_err().to_string(),
            "it: ends after 16 bytes, expected 79228162458924105385300197391 (both unpacked): \
             truncated?"
        );
    }

    #[test]
    fn a_failing_disk_is_not_called_damage() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad sector"))
            }
        }
        let error = array::<1>(source(&[0x801, 5], Failing)).unwrap_err();
        assert_eq!(error.to_string(), "cannot read it: bad sector");
    }
}
