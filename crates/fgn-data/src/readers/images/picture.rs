//! An image file as pixels of a given size.

use std::path::Path;

use candle_core::{Device, Tensor};
use fgn_schema::InputSchema;
use image::DynamicImage;
use image::imageops::FilterType;

use super::background::Background;
use super::decode::{LONGEST, decode};
use crate::error::{Error, Result};

/// What image files are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// `[height, width]`.
    pub(super) size: [usize; 2],
    /// Whether there are three channels, red, green and blue; if not, one of grey.
    pub(super) colour: bool,
    /// Whether an image of another size is resized; if not, it is an error.
    pub(super) resize: bool,
    /// The colour behind transparent pixels.
    pub(super) background: Background,
    /// Whether images are read as negatives.
    pub(super) invert: bool,
}

impl Picture {
    /// # Errors
    /// [`Error::Option`] for a side without pixels, or far above any use.
    pub(super) fn check(&self) -> Result<()> {
        let [height, width] = self.size;
        match self.size.iter().all(|side| (1..=LONGEST).contains(side)) {
            true => Ok(()),
            false => Err(Error::Option {
                option: "data.images.size",
                found: format!("[{height}, {width}]"),
                expected: format!("sides of 1 to {LONGEST} pixels"),
            }),
        }
    }

    /// What the images are as samples.
    pub(super) fn schema(&self) -> InputSchema {
        let [height, width] = self.size;
        InputSchema::Image { height, width, channels: self.channels() }
    }

    fn channels(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }

    /// How many bytes an image is: `height · width · channels`.
    pub(super) fn len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels()
    }

    /// The pixels of an image file, upright, row by row, 0 (black) to 255 (white), in colour three bytes each.
    ///
    /// # Errors
    /// A file that cannot be read, is no image or a damaged one, needs much memory to decode, or has
    /// another size where none is resized.
    pub(super) fn read(&self, file: &Path) -> Result<Vec<u8>> {
        self.check()?;
        let image = decode(file, self.background)?;
        let found = [image.height() as usize, image.width() as usize];
        if found != self.size && !self.resize {
            let (file, expected) = (file.to_owned(), self.size);
            return Err(Error::PictureSize { file, found, expected });
        }
        let image = match self.colour {
            true => DynamicImage::from(image.to_rgb8()),
            false => DynamicImage::from(image.to_luma8()),
        };
        let [height, width] = self.size.map(|side| side as u32);
        let mut pixels = match found == self.size {
            true => image.into_bytes(),
            false => image.resize_exact(width, height, FilterType::Triangle).into_bytes(),
        };
        if self.invert {
            pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
        }
        Ok(pixels)
    }

    /// Images as the input of a batch: `[B, height, width]`, in colour `[B, height, width, 3]`; f32 in
    /// \[0, 1\].
    ///
    /// # Errors
    /// Another number of pixels than the size says.
    pub(super) fn input(&self, all: &[impl AsRef<[u8]>], device: &Device) -> Result<Tensor> {
        let [height, width] = self.size;
        let mut values = Vec::with_capacity(all.len().saturating_mul(self.len()));
        for (index, pixels) in all.iter().enumerate() {
            let pixels = pixels.as_ref();
            if pixels.len() != self.len() {
                return Err(Error::Image { index, found: pixels.len(), height, width });
            }
            values.extend(pixels.iter().map(|&value| f32::from(value) / 255.0));
        }
        Ok(match self.colour {
            true => Tensor::from_vec(values, (all.len(), height, width, 3), device)?,
            false => Tensor::from_vec(values, (all.len(), height, width), device)?,
        })
    }
}
