//! Images through two convolutions.

use candle_core::{Tensor, Var};
use fgn_kernels::conv_relu_pool;
use fgn_schema::{InputSchema, Padded, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::image_augment::ImageAugment;
use super::images;
use super::kind::{InputKind, InputLayer};
use crate::check::{check, size};
use crate::dropout::Mode;
use crate::error::Result;
use crate::init::{kaiming_bound, uniform};
use crate::parameters::Parameters;
use crate::sequences::Sequences;

/// Two blocks of 3×3 convolution, ReLU and 2×2 max-pooling; each row of the last feature maps is a time
/// step: `[B, height, width]` becomes `[T, B, I]` with `T = height / 4` and `I = width / 4 · channels[1]`,
/// 7 steps of 448 features for 28×28 pixels and 64 channels. Images in colour are
/// `[B, height, width, in_channels]`.
///
/// With channels `[C1, C2]` the parameters are `{name}.conv1.weight [C1, in_channels, 3, 3]`, `{name}.conv1.bias
/// [C1]`, `{name}.conv2.weight [C2, C1, 3, 3]` and `{name}.conv2.bias [C2]`, as in PyTorch. Weights are
/// drawn for a ReLU (Kaiming uniform), biases are zero.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ImageConv {
    /// The height of the images, a multiple of 4.
    pub height: usize,
    /// Their width, a multiple of 4.
    pub width: usize,
    /// The numbers of a pixel: 1 for grey images (if left out), 3 for images in colour.
    #[serde(default = "images::grey", skip_serializing_if = "images::is_grey")]
    pub in_channels: usize,
    /// The number of feature maps of the first and the second convolution.
    pub channels: [usize; 2],
    /// How images are changed in training.
    #[serde(default, skip_serializing_if = "ImageAugment::is_none")]
    pub augment: ImageAugment,
}

impl ImageConv {
    /// For grey images of this size.
    pub fn new(height: usize, width: usize, channels: [usize; 2]) -> Self {
        Self {
            height,
            width,
            in_channels: images::grey(),
            channels,
            augment: ImageAugment::default(),
        }
    }
}

impl InputKind for ImageConv {
    fn stand_in() -> InputSchema {
        images::schema(4, 4, 1)
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
        self.augment.validate()?;
        size("input.channels", self.channels[0], 1)?;
        size("input.channels", self.channels[1], 1)?;
        for (field, found) in [("input.height", self.height), ("input.width", self.width)] {
            let expected = "a multiple of 4, as two poolings halve it twice";
            check(found % 4 == 0, field, found, expected)?;
        }
        Ok(())
    }

    fn samples(&self) -> InputSchema {
        images::schema(self.height, self.width, self.in_channels)
    }

    fn features(&self) -> usize {
        self.width / 4 * self.channels[1]
    }

    fn steps(&self) -> Option<usize> {
        Some(self.height / 4)
    }

    fn build(&self, parameters: &mut Parameters, name: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let [first, second] = self.channels;
        Ok(Box::new(Blocks {
            size: [self.height, self.width, self.in_channels],
            augment: self.augment,
            first: Block::new(parameters, &format!("{name}.conv1"), self.in_channels, first)?,
            second: Block::new(parameters, &format!("{name}.conv2"), first, second)?,
        }))
    }
}

#[derive(Debug)]
struct Blocks {
    size: [usize; 3],
    augment: ImageAugment,
    first: Block,
    second: Block,
}

impl InputLayer for Blocks {
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences> {
        let images = self.augment.apply(images::checked(samples, self.size)?, mode)?;
        let maps = self.second.forward(&self.first.forward(&images)?)?;
        // [B, T, width, channels]: a row of all feature maps is one step.
        Sequences::new(maps.flatten_from(2)?.transpose(0, 1)?.contiguous()?, None)
    }
}

/// A convolution, ReLU and max-pooling.
#[derive(Debug)]
struct Block {
    weight: Var,
    bias: Var,
}

impl Block {
    fn new(parameters: &mut Parameters, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let shape = [outputs, inputs, 3, 3];
        let bound = kaiming_bound(9 * inputs);
        let draw = |generator: &mut _| uniform(generator, 9 * inputs * outputs, bound);
        Ok(Self {
            weight: parameters.take(format!("{name}.weight"), &shape, draw)?,
            bias: parameters.take(format!("{name}.bias"), &[outputs], |_| vec![0.0; outputs])?,
        })
    }

    /// `[B, H, W, C]` gives `[B, H/2, W/2, O]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(conv_relu_pool(x, &self.weight, &self.bias)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_two_poolings_do_not_divide_are_refused() {
        for (height, width, channels, field) in [
            (0, 8, [1, 1], "height"),
            (8, 10, [1, 1], "width"),
            (6, 8, [1, 1], "height"),
            (8, 8, [1, 0], "channels"),
        ] {
            let config = ImageConv::new(height, width, channels);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.{field}`")), "{error}");
        }
        let config = ImageConv::new(28, 28, [32, 64]);
        assert_eq!((config.steps(), config.features()), (Some(7), 448));
    }
}
