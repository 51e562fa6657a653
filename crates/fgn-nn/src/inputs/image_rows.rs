//! Images, row by row.

use fgn_schema::{InputSchema, Padded, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::image_augment::ImageAugment;
use super::images;
use super::kind::{InputKind, InputLayer};
use crate::dropout::Mode;
use crate::error::Result;
use crate::parameters::Parameters;
use crate::sequences::Sequences;

/// Each row of an image is a time step: `[B, height, width]` becomes `[T, B, I]` with `T = height` and
/// `I = width`. Of images in colour, `[B, height, width, in_channels]`, `I = width · in_channels`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ImageRows {
    /// The height of the images.
    pub height: usize,
    /// Their width.
    pub width: usize,
    /// The numbers of a pixel: 1 for grey images (if left out), 3 for images in colour.
    #[serde(default = "images::grey", skip_serializing_if = "images::is_grey")]
    pub in_channels: usize,
    /// How images are changed in training.
    #[serde(default, skip_serializing_if = "ImageAugment::is_none")]
    pub augment: ImageAugment,
}

impl ImageRows {
    /// For grey images of this size.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, in_channels: images::grey(), augment: ImageAugment::default() }
    }
}

impl InputKind for ImageRows {
    fn stand_in() -> InputSchema {
        images::schema(1, 1, 1)
    }

    fn complete(
        _: &Map<String, Value>,
        samples: &InputSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        images::complete(samples)
    }

    fn validate(&self) -> Result<()> {
        images::validate(self.height, self.width, self.in_channels)?;
        self.augment.validate()
    }

    fn samples(&self) -> InputSchema {
        images::schema(self.height, self.width, self.in_channels)
    }

    fn features(&self) -> usize {
        self.width * self.in_channels
    }

    fn steps(&self) -> Option<usize> {
        Some(self.height)
    }

    fn build(&self, _: &mut Parameters, _: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let size = [self.height, self.width, self.in_channels];
        Ok(Box::new(Rows { size, augment: self.augment }))
    }
}

#[derive(Debug)]
struct Rows {
    size: [usize; 3],
    augment: ImageAugment,
}

impl InputLayer for Rows {
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences> {
        let images = self.augment.apply(images::checked(samples, self.size)?, mode)?;
        Sequences::new(images.flatten_from(2)?.transpose(0, 1)?.contiguous()?, None)
    }
}
