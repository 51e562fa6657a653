//! Labelled images, checked when they are made.

use std::fmt;

use candle_core::{Device, Tensor};

use crate::samples::check_places;
use crate::{Batch, Error, Form, Input, Result, Samples, Target, input};

/// Images of one size with a label each: at least one image, of at least one pixel, and every label
/// less than [`classes`](Images::classes).
#[derive(Clone)]
pub struct Images {
    name: String,
    form: Form,
    height: usize,
    width: usize,
    classes: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Checks and takes over a set. `pixels`: `[count, height, width]`, rows from the top, 0 to
    /// 255; `labels`: `[count]`, each less than `classes`. `origin` names the set in errors: a
    /// file, say.
    ///
    /// # Errors
    /// Images without pixels, no image at all, pixels that end within an image, another number of
    /// labels than of images, a label that is not a class, and more than `u32::MAX` images.
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
        let image = image_size(origin, height, width)?;
        let origin = || origin.to_owned();
        let (found, count) = (pixels.len(), pixels.len() / image);
        if count * image != found {
            return Err(Error::Pixels { origin: origin(), found, image });
        }
        if count != labels.len() {
            return Err(Error::Count { origin: origin(), images: count, labels: labels.len() });
        }
        if count == 0 {
            return Err(Error::Empty { origin: origin() });
        }
        if u32::try_from(count).is_err() {
            return Err(Error::TooMany { count });
        }
        match labels.iter().position(|&label| usize::from(label) >= classes) {
            Some(index) => {
                Err(Error::Label { origin: origin(), index, found: labels[index], classes })
            }
            None => {
                let names = (0..classes).map(|class| class.to_string()).collect();
                let form = Form {
                    input: Input::Image { height, width, channels: 1 },
                    target: Target::Classes(names),
                    each_step: false,
                };
                Ok(Images { name: origin(), form, height, width, classes, pixels, labels })
            }
        }
    }

    /// Number of images, at least 1.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Always false: an empty set is refused when it is made.
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

    /// Number of classes; labels run from 0 to one less.
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

    /// The label of image `index`, less than [`classes`](Images::classes).
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

    fn form(&self) -> &Form {
        &self.form
    }

    fn batch(&self, places: &[u32], device: &Device) -> Result<Batch> {
        check_places(places, self.labels.len())?;
        let pixels = places.iter().map(|&place| self.pixels(place as usize));
        let labels = places.iter().map(|&place| u32::from(self.label(place as usize)));
        Ok(Batch {
            input: input(pixels, self.height, self.width, device)?,
            lengths: None,
            target: Tensor::from_vec(labels.collect::<Vec<_>>(), places.len(), device)?,
        })
    }
}

/// The same images with the same labels, wherever they come from.
impl PartialEq for Images {
    fn eq(&self, other: &Images) -> bool {
        let parts = |images: &Images| (images.height, images.width, images.classes);
        parts(self) == parts(other) && self.labels == other.labels && self.pixels == other.pixels
    }
}

/// The pixels of one image, at least 1.
pub(crate) fn image_size(origin: &str, height: usize, width: usize) -> Result<usize> {
    height.checked_mul(width).filter(|&size| size > 0).ok_or_else(|| Error::ImageSize {
        origin: origin.to_owned(),
        height,
        width,
    })
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
}
