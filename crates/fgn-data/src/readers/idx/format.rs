//! Files of images and files of labels, read together.

use std::path::Path;

use super::names::{IMAGES, TEST, TRAIN, find, pair};
use super::source::{Source, array};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::images::Images;

/// Reads a data set from a folder with MNIST's four files: `train-images-idx3-ubyte`,
/// `train-labels-idx1-ubyte`, and the same two of `t10k` or `test`. Each may be gzipped, end in `.gz` or not,
/// and be spelt `train-images.idx3-ubyte`; of several spellings the first of these is read. All names may begin
/// with the same prefix, as `emnist-letters-`.
///
/// # Errors
/// A file that is missing, that could be one of several, or that [`read_idx`] refuses; training and test images
/// of different size; a test label that no training image has.
pub fn read_idx_folder(dir: &Path) -> Result<Dataset<Images>> {
    read_folder(dir, false)
}

/// As [`read_idx_folder`], with rows and columns of every image exchanged if `transpose`.
pub(super) fn read_folder(dir: &Path, transpose: bool) -> Result<Dataset<Images>> {
    let (images, labels) = pair(dir, None, TRAIN)?;
    let (test_images, test_labels) = pair(dir, Some(&images.prefix), TEST)?;
    let read = |images: &Path, labels: &Path, known: Option<&[u8]>| {
        images_of(Source::open(images)?, Source::open(labels)?, known, transpose)
    };
    let (train, classes) = read(&images.path, &labels, None)?;
    let (test, _) = read(&test_images.path, &test_labels, Some(&classes))?;
    check_sizes(dir, &train, &test)?;
    Ok(Dataset { train, valid: None, test })
}

/// # Errors
/// [`Error::SizesDiffer`] for training and test images of different size.
pub(super) fn check_sizes(dir: &Path, train: &Images, test: &Images) -> Result<()> {
    let size = |images: &Images| (images.height(), images.width());
    match size(train) == size(test) {
        true => Ok(()),
        false => {
            let origin = dir.display().to_string();
            Err(Error::SizesDiffer { origin, train: size(train), test: size(test) })
        }
    }
}

/// The images and labels of the test part. The classes are the labels that are `known`, or those found.
pub(super) fn read_test(dir: &Path, known: Option<&[u8]>, transpose: bool) -> Result<Images> {
    let (images, labels) = pair(dir, None, TEST)?;
    Ok(images_of(Source::open(&images.path)?, Source::open(&labels)?, known, transpose)?.0)
}

/// The images of a part, of which no labels are known.
pub(super) fn read_images(dir: &Path, part: &[&'static str], transpose: bool) -> Result<Images> {
    let source = Source::open(&find(dir, None, part, IMAGES)?.path)?;
    let name = source.name.clone();
    let (size, pixels) = pixels(source, transpose)?;
    Images::unlabelled(&name, size[0], size[1], pixels)
}

/// Reads a file of images (`[count, height, width]`) and one of labels (`[count]`). Each may be gzipped, whatever
/// its name: the first bytes decide. The classes are the labels that occur, in ascending order, and are called
/// like them: `1` to `26` for EMNIST's letters.
///
/// # Errors
/// A file that cannot be read, is not IDX of unsigned bytes in that many dimensions, or holds fewer
/// or more bytes than its header declares; gzip that is cut short, corrupted or followed by
/// something else; and whatever [`Images::new`] refuses.
pub fn read_idx(images: &Path, labels: &Path) -> Result<Images> {
    decode(Source::open(images)?, Source::open(labels)?)
}

/// Reads images and labels, and checks them against each other.
pub(crate) fn decode(images: Source, labels: Source) -> Result<Images> {
    Ok(images_of(images, labels, None, false)?.0)
}

/// Images, and the label of each class.
fn images_of(
    images: Source,
    labels: Source,
    known: Option<&[u8]>,
    transpose: bool,
) -> Result<(Images, Vec<u8>)> {
    let origin = format!("{} with {}", images.name, labels.name);
    let ([height, width], pixels) = pixels(images, transpose)?;
    let ([_], labels) = array(labels)?;
    let classes = known.map_or_else(|| distinct(&labels), <[u8]>::to_vec);
    let labels = indices(&origin, &labels, &classes)?;
    let names = classes.iter().map(u8::to_string).collect();
    Ok((Images::named(&origin, height, width, names, pixels, labels)?, classes))
}

/// `[height, width]` of the images of a file, and their pixels.
fn pixels(source: Source, transpose: bool) -> Result<([usize; 2], Vec<u8>)> {
    let ([_, height, width], pixels) = array(source)?;
    // An image without pixels is refused later.
    if !transpose || pixels.is_empty() {
        return Ok(([height, width], pixels));
    }
    let image = |image: &[u8]| -> Vec<u8> {
        let column = |x: usize| image.iter().skip(x).step_by(width).copied();
        (0..width).flat_map(column).collect()
    };
    Ok(([width, height], pixels.chunks_exact(height * width).flat_map(image).collect()))
}

/// The labels that occur, in ascending order.
fn distinct(labels: &[u8]) -> Vec<u8> {
    (0..=u8::MAX).filter(|label| labels.contains(label)).collect()
}

/// The index of each label in `classes`.
fn indices(origin: &str, labels: &[u8], classes: &[u8]) -> Result<Vec<u8>> {
    let mut table = [None; 256];
    for (index, &label) in (0..=u8::MAX).zip(classes) {
        table[usize::from(label)] = Some(index);
    }
    let index = |(index, &label): (usize, &u8)| {
        table[usize::from(label)].ok_or_else(|| Error::Label {
            origin: origin.to_owned(),
            index,
            found: label,
            expected: expected(classes),
        })
    };
    labels.iter().enumerate().map(index).collect()
}

/// The known classes, as an error says them.
fn expected(classes: &[u8]) -> String {
    match (0..=u8::MAX).zip(classes).all(|(index, &label)| index == label) {
        true => format!("less than {}", classes.len()),
        false => {
            let all: Vec<_> = classes.iter().map(u8::to_string).collect();
            format!("one of {}, the labels trained on", all.join(", "))
        }
    }
}
