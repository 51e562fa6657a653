//! Images, pixel by pixel.

use candle_core::Tensor;
use fgn_schema::{InputSchema, Padded, Statistics};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::image_augment::ImageAugment;
use super::images;
use super::kind::{InputKind, InputLayer};
use crate::check::check;
use crate::dropout::Mode;
use crate::error::Result;
use crate::parameters::Parameters;
use crate::random::Generator;
use crate::sequences::Sequences;

/// Each pixel of an image is a time step, row by row or in a permuted order: `[B, height, width]` becomes
/// `[T, B, I]` with `T = height · width` and `I = 1`. Of images in colour, `[B, height, width, in_channels]`,
/// `I = in_channels`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ImagePixels {
    /// The height of the images.
    pub height: usize,
    /// Their width.
    pub width: usize,
    /// The numbers of a pixel: 1 for grey images (if left out), 3 for images in colour.
    #[serde(default = "images::grey", skip_serializing_if = "images::is_grey")]
    pub in_channels: usize,
    /// The seed of a permutation of the pixels, the same for every image; without one they stay in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permutation_seed: Option<u64>,
    /// How images are changed in training.
    #[serde(default, skip_serializing_if = "ImageAugment::is_none")]
    pub augment: ImageAugment,
}

impl ImagePixels {
    /// For grey images of this size, their pixels in order.
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            in_channels: images::grey(),
            permutation_seed: None,
            augment: ImageAugment::default(),
        }
    }

    /// For each step the index of its pixel, counted row by row; `None` where they stay in order, and for an
    /// invalid configuration.
    ///
    /// ```
    /// use fgn_nn::ImagePixels;
    ///
    /// let pixels = ImagePixels { permutation_seed: Some(7), ..ImagePixels::new(2, 3) };
    /// let mut order = pixels.order().unwrap();
    /// order.sort();
    /// assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    /// ```
    pub fn order(&self) -> Option<Vec<u32>> {
        self.validate().ok()?;
        let count = (self.height * self.width) as u32;
        self.permutation_seed.map(|seed| permutation(count, seed))
    }
}

impl InputKind for ImagePixels {
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
        const MOST: usize = 1 << 22;
        images::validate(self.height, self.width, self.in_channels)?;
        self.augment.validate()?;
        let expected = format!("at most {MOST} pixels, as each is a step");
        check(self.height * self.width <= MOST, "input.width", self.width, expected)
    }

    fn samples(&self) -> InputSchema {
        images::schema(self.height, self.width, self.in_channels)
    }

    fn features(&self) -> usize {
        self.in_channels
    }

    fn steps(&self) -> Option<usize> {
        Some(self.height * self.width)
    }

    fn build(&self, parameters: &mut Parameters, _: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let Self { height, width, in_channels, augment, .. } = *self;
        let tensor = |order: Vec<u32>| Tensor::from_slice(&order, order.len(), parameters.device());
        let order = self.order().map(tensor).transpose()?;
        Ok(Box::new(Pixels { size: [height, width, in_channels], augment, order }))
    }
}

fn permutation(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    order.shuffle(Generator::seed_from_u64(seed).rng());
    order
}

#[derive(Debug)]
struct Pixels {
    size: [usize; 3],
    augment: ImageAugment,
    /// For each step the index of its pixel.
    order: Option<Tensor>,
}

impl InputLayer for Pixels {
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences> {
        let images = self.augment.apply(images::checked(samples, self.size)?, mode)?;
        let pixels = images.flatten(1, 2)?.transpose(0, 1)?.contiguous()?;
        let pixels = match &self.order {
            Some(order) => pixels.index_select(order, 0)?,
            None => pixels,
        };
        Sequences::new(pixels.contiguous()?, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_may_have_only_so_many_pixels() {
        let config = |height, width| ImagePixels::new(height, width).validate();
        assert!(config(1 << 11, 1 << 11).is_ok());
        let error = config(1 << 11, (1 << 11) + 1).unwrap_err().to_string();
        let expected = "`input.width` is 2049, expected at most 4194304 pixels";
        assert!(error.starts_with(expected), "{error}");
    }
}
