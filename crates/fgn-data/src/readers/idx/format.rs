//! The IDX format: a magic number, the dimensions (all `u32`, big endian), one byte an element.
//!
//! The header is not trusted. Memory grows with the bytes that really come, and reading stops one byte after
//! what the header declares, so that neither an absurd header nor a gzip bomb costs anything.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::images::Images;

/// Classes of every data set of four IDX files: MNIST's digits, Fashion-MNIST's garments.
pub(super) const CLASSES: usize = 10;
/// What the files of the training part are called.
pub(super) const TRAIN: &str = "train";
/// What the files of the test part are called.
pub(super) const TEST: &str = "t10k";
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// First two bytes 0, then 8 for unsigned bytes; the last byte counts the dimensions.
const MAGIC: u32 = 0x0800;

/// Reads a data set from a folder with MNIST's four files: `train-images-idx3-ubyte`,
/// `train-labels-idx1-ubyte`, and the same two of `t10k`. Each may be gzipped, end in `.gz` or
/// not, and be spelt `train-images.idx3-ubyte`; of several spellings the first of these is read.
///
/// # Errors
/// A file that is missing or that [`read_idx`] refuses; training and test images of different size.
pub fn read_idx_folder(dir: &Path) -> Result<Dataset<Images>> {
    let (train, test) = (read_part(dir, TRAIN, CLASSES)?, read_part(dir, TEST, CLASSES)?);
    let size = |images: &Images| (images.height(), images.width());
    if size(&train) != size(&test) {
        let origin = dir.display().to_string();
        return Err(Error::SizesDiffer { origin, train: size(&train), test: size(&test) });
    }
    Ok(Dataset { train, valid: None, test })
}

/// The images and labels of one part, in that many classes.
pub(super) fn read_part(dir: &Path, part: &str, classes: usize) -> Result<Images> {
    let [images, labels] = [("images", "idx3-ubyte"), ("labels", "idx1-ubyte")]
        .map(|(what, kind)| find(dir, &format!("{part}-{what}"), kind));
    decode_classes(Source::open(&images?)?, Source::open(&labels?)?, classes)
}

/// The images of one part, of which no labels are known.
pub(super) fn read_images(dir: &Path, part: &str) -> Result<Images> {
    let source = Source::open(&find(dir, &format!("{part}-images"), "idx3-ubyte")?)?;
    let name = source.name.clone();
    let ([_, height, width], pixels) = array(source)?;
    Images::unlabelled(&name, height, width, pixels)
}

/// Reads a file of images (`[count, height, width]`) and one of labels (`[count]`, 0 to 9). Each may be gzipped,
/// whatever its name: the first bytes decide.
///
/// # Errors
/// A file that cannot be read, is not IDX of unsigned bytes in that many dimensions, or holds fewer
/// or more bytes than its header declares; gzip that is cut short, corrupted or followed by
/// something else; and whatever [`Images::new`] refuses.
pub fn read_idx(images: &Path, labels: &Path) -> Result<Images> {
    decode(Source::open(images)?, Source::open(labels)?)
}

/// Unpacked bytes and what to call them in errors.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) bytes: Box<dyn Read>,
}

impl Source {
    fn open(path: &Path) -> Result<Source> {
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

/// Reads images and labels, and checks them against each other.
pub(crate) fn decode(images: Source, labels: Source) -> Result<Images> {
    decode_classes(images, labels, CLASSES)
}

fn decode_classes(images: Source, labels: Source, classes: usize) -> Result<Images> {
    let origin = format!("{} with {}", images.name, labels.name);
    let ([_, height, width], pixels) = array(images)?;
    let ([_], labels) = array(labels)?;
    Images::new(&origin, height, width, classes, pixels, labels)
}

/// Header and elements of one IDX file of unsigned bytes in `D` dimensions.
fn array<const D: usize>(mut source: Source) -> Result<([usize; D], Vec<u8>)> {
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

/// The file of `dir` that holds `part` in the given `kind`, in the first spelling that is there.
fn find(dir: &Path, part: &str, kind: &str) -> Result<PathBuf> {
    fs::read_dir(dir).map_err(|source| unreadable(dir, source))?;
    let names =
        ["-", "."].map(|dot| ["", ".gz"].map(|end| format!("{part}{dot}{kind}{end}"))).concat();
    let found = names.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| Error::Missing {
        dir: dir.display().to_string(),
        looked_for: names.join(", "),
    })
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
