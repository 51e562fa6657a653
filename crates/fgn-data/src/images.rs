//! Grey images in memory, checked when they are made.

use std::fmt;
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use fgn_schema::{Batch, InputSchema, Schema, TargetSchema};

use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::pixels::{image_size, input};
use crate::samples::{Samples, check_count, check_indices};

/// Grey images of one size with a label each: at least one image, of at least one pixel, and every label less
/// than [`classes`](Images::classes). The classes that [`new`](Images::new) makes are called `0`, `1`, …;
/// those of a file are called like its labels.
#[derive(Clone)]
pub struct Images {
    name: String,
    schema: Schema,
    height: usize,
    width: usize,
    classes: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// Computed when it is first asked for.
    fingerprint: OnceLock<Fingerprint>,
}

impl Images {
    /// Checks and takes over images. `pixels`: `[count, height, width]`, rows from the top, 0 to 255;
    /// `labels`: `[count]`, each less than `classes`. `origin` names the images in errors: a file, say.
    ///
    /// # Errors
    /// Images without pixels, no image at all, pixels that end within an image, another number of labels
    /// than of images, a label that is not a class, and more than `u32::MAX` images.
    ///
    /// ```
    /// use fgn_data::Images;
    ///
    /// let two = Images::new("two dots", 1, 2, 10, vec![255, 0, 0, 255], vec![3, 7])?;
    /// assert_eq!((two.len(), two.pixels(1), two.label(1)), (2, &[0, 255][..], 7));
    ///
    /// let error = Images::new("bad", 1, 2, 10, vec![255, 0], vec![10]).unwrap_err();
    /// assert_eq!(error.to_string(), "bad: label 0 is 10, expected less than 10");
    /// # Ok::<(), fgn_data::Error>(())
    /// ```
    pub fn new(
        origin: &str,
        height: usize,
        width: usize,
        classes: usize,
        pixels: Vec<u8>,
        labels: Vec<u8>,
    ) -> Result<Images> {
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= classes) {
            let (origin, found) = (origin.to_owned(), labels[index]);
            let expected = format!("less than {classes}");
            return Err(Error::Label { origin, index, found, expected });
        }
        let names = (0..classes).map(|class| class.to_string()).collect();
        Images::named(origin, height, width, names, pixels, labels)
    }

    /// The same, for classes with names; every label is an index into `names`.
    pub(crate) fn named(
        origin: &str,
        height: usize,
        width: usize,
        names: Vec<String>,
        pixels: Vec<u8>,
        labels: Vec<u8>,
    ) -> Result<Images> {
        let count = count(origin, height, width, &pixels)?;
        if count != labels.len() {
            let (origin, labels) = (origin.to_owned(), labels.len());
            return Err(Error::Count { origin, images: count, labels });
        }
        check_count(origin, count)?;
        let (name, classes) = (origin.to_owned(), names.len());
        let target = TargetSchema::Class { names, per_step: false };
        let schema = Schema::new(InputSchema::Image { height, width, channels: 1 }, target);
        let fingerprint = OnceLock::new();
        Ok(Images { name, schema, height, width, classes, pixels, labels, fingerprint })
    }

    /// Images of which nothing is known: there are no classes, and every label is 0.
    ///
    /// # Errors
    /// As [`new`](Self::new), labels aside.
    pub fn unlabelled(
        origin: &str,
        height: usize,
        width: usize,
        pixels: Vec<u8>,
    ) -> Result<Images> {
        let count = count(origin, height, width, &pixels)?;
        check_count(origin, count)?;
        let input = InputSchema::Image { height, width, channels: 1 };
        let (name, schema) = (origin.to_owned(), Schema::new(input, TargetSchema::None));
        let (labels, fingerprint) = (vec![0; count], OnceLock::new());
        Ok(Images { name, schema, height, width, classes: 0, pixels, labels, fingerprint })
    }

    /// Number of images, at least 1.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Always false: a set without images is refused when it is made.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Rows of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The `[height * width]` pixels of image `index`, row by row, 0 to 255.
    ///
    /// # Panics
    /// When `index` is not less than [`len`](Images::len), as a slice does.
    pub fn pixels(&self, index: usize) -> &[u8] {
        let image = self.height * self.width;
        &self.pixels[index * image..][..image]
    }

    /// The class of image `index`, less than [`classes`](Images::classes).
    ///
    /// # Panics
    /// When `index` is not less than [`len`](Images::len), as a slice does.
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }
}

impl Samples for Images {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.labels.len())?;
        let pixels = indices.iter().map(|&index| self.pixels(index as usize));
        let labels = indices.iter().map(|&index| u32::from(self.label(index as usize)));
        let target = Tensor::from_vec(labels.collect::<Vec<_>>(), indices.len(), device)?;
        Ok(Batch::new(input(pixels, self.height, self.width, device)?, target))
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let compute = || {
            let mut content = Fingerprinter::new();
            content.names(self.schema.target.names());
            [self.height, self.width].iter().for_each(|&side| content.number(side as u64));
            content.bytes(&self.labels);
            content.bytes(&self.pixels);
            content.finish()
        };
        Ok(*self.fingerprint.get_or_init(compute))
    }
}

/// The same images with the same labels, wherever they come from.
impl PartialEq for Images {
    fn eq(&self, other: &Images) -> bool {
        self.schema == other.schema && self.labels == other.labels && self.pixels == other.pixels
    }
}

/// How many images the pixels are.
fn count(origin: &str, height: usize, width: usize, pixels: &[u8]) -> Result<usize> {
    let image = image_size(origin, height, width)?;
    match pixels.len() % image {
        0 => Ok(pixels.len() / image),
        _ => Err(Error::Pixels { origin: origin.to_owned(), found: pixels.len(), image }),
    }
}

/// Sizes only: the pixels would fill the screen a thousand times.
impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("len", &self.len())
            .field("height", &self.height)
            .field("width", &self.width)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(height: usize, width: usize, pixels: usize, labels: &[u8], message: &str) {
        let made = Images::new("here", height, width, 10, vec![0; pixels], labels.to_vec());
        assert_eq!(made.unwrap_err().to_string(), message);
    }

    #[test]
    fn every_check_refuses() {
        refused(0, 3, 0, &[], "here: images of 0 x 3 pixels, expected at least 1 x 1");
        refused(3, 0, 0, &[1], "here: images of 3 x 0 pixels, expected at least 1 x 1");
        refused(2, 3, 0, &[], "here: an empty set, expected at least one sample");
        refused(
            2,
            3,
            13,
            &[1, 2],
            "here: 13 pixels, expected a multiple of 6, the pixels of one image",
        );
        refused(2, 3, 12, &[1], "here: 2 images but 1 labels, expected as many of each");
        refused(2, 3, 0, &[1], "here: 0 images but 1 labels, expected as many of each");
        refused(2, 3, 12, &[9, 10], "here: label 1 is 10, expected less than 10");
    }

    #[test]
    fn a_size_beyond_memory_is_refused() {
        let made = Images::new("here", usize::MAX, 2, 10, vec![0; 4], vec![0]);
        assert!(matches!(made, Err(Error::ImageSize { .. })), "{made:?}");
    }

    #[test]
    fn debug_shows_sizes_only() {
        let images = Images::new("here", 2, 3, 10, vec![77; 12], vec![1, 2]).unwrap();
        assert_eq!(
            format!("{images:?}"),
            "Images { len: 2, height: 2, width: 3, classes: 10, .. }"
        );
    }

    #[test]
    fn images_without_labels_have_no_target() {
        let images = Images::unlabelled("here", 1, 2, vec![0, 51, 102, 255]).unwrap();
        assert_eq!(images.schema().to_string(), "images of 1 x 2 pixels, no target");
        let batch = images.batch(&[1, 0], &Device::Cpu).unwrap();
        assert_eq!(batch.target().tensor().to_vec1::<u32>().unwrap(), [0, 0]);
        assert!(Images::unlabelled("here", 1, 2, vec![0; 3]).is_err());
        assert!(Images::unlabelled("here", 1, 2, vec![]).is_err());
    }
}
