//! The configuration of a model: plain data, read from and written to any serde format.

use serde::{Deserialize, Serialize};

use crate::recurrent::RecurrentConfig;
use crate::{Error, Result};

/// A whole classifier of images: input layer, dense layer (if any), recurrent layer, head.
///
/// ```
/// let config: fgn_nn::ModelConfig = serde_json::from_str(r#"{
///     "classes": 10,
///     "input": { "kind": "image-rows", "height": 28, "width": 28 },
///     "recurrent": { "hidden_size": 128, "cell": { "name": "fgn", "z": "linear" } }
/// }"#)?;
/// config.validate()?;
/// assert_eq!(config.input.steps(), 28);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// How many classes there are: the width of the logits. At least 2.
    pub classes: usize,
    /// How images become time steps.
    pub input: InputConfig,
    /// A fully connected layer ahead of the recurrent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// The recurrent layer.
    pub recurrent: RecurrentConfig,
}

/// How images `[B, height, width]` become the time steps `[T, B, I]` of a sequence.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum InputConfig {
    /// Two blocks of 3×3 convolution, ReLU and 2×2 max-pooling; the rows of the last feature map are
    /// the time steps. `T = height / 4`, `I = width / 4 · channels[1]`: 7 steps of 448 numbers for
    /// 28×28 and 64 channels.
    ImageConv {
        /// The images' height, a multiple of 4.
        height: usize,
        /// Their width, a multiple of 4.
        width: usize,
        /// How many feature maps the first and the second convolution give.
        channels: [usize; 2],
    },
    /// Each row of the image is a time step. `T = height`, `I = width`.
    ImageRows {
        /// The images' height.
        height: usize,
        /// Their width.
        width: usize,
    },
    /// Each pixel is a time step, row by row or under a permutation. `T = height · width`, `I = 1`.
    ImagePixels {
        /// The images' height.
        height: usize,
        /// Their width.
        width: usize,
        /// The seed of a permutation of the pixels, the same for every image; none leaves them in
        /// order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permutation_seed: Option<u64>,
    },
}

/// A fully connected layer, ReLU and dropout, at every time step alike.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct DenseConfig {
    /// How many units it has.
    pub size: usize,
    /// The probability with which each of its outputs is zeroed in training: in `[0, 1)`.
    pub dropout: f64,
}

impl InputConfig {
    /// The `[height, width]` of the images.
    pub fn image_size(&self) -> [usize; 2] {
        match *self {
            Self::ImageConv { height, width, .. }
            | Self::ImageRows { height, width }
            | Self::ImagePixels { height, width, .. } => [height, width],
        }
    }

    /// `T`: how many time steps an image becomes.
    pub fn steps(&self) -> usize {
        match *self {
            Self::ImageConv { height, .. } => height / 4,
            Self::ImageRows { height, .. } => height,
            Self::ImagePixels { height, width, .. } => height * width,
        }
    }

    /// `I`: how many numbers a time step has.
    pub fn features(&self) -> usize {
        match *self {
            Self::ImageConv { width, channels, .. } => width / 4 * channels[1],
            Self::ImageRows { width, .. } => width,
            Self::ImagePixels { .. } => 1,
        }
    }
}

impl ModelConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] names the first field that no model can be built with.
    pub fn validate(&self) -> Result<()> {
        size("classes", self.classes, 2)?;
        self.input.validate()?;
        if let Some(dense) = &self.dense {
            dense.validate()?;
        }
        let expected = "false: a model's steps come first";
        check(!self.recurrent.batch_first, "recurrent.batch_first", true, expected)?;
        self.recurrent.validate()
    }
}

impl InputConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        let [height, width] = self.image_size();
        size("input.height", height, 1)?;
        size("input.width", width, 1)?;
        if let Self::ImageConv { channels, .. } = *self {
            size("input.channels", channels[0], 1)?;
            size("input.channels", channels[1], 1)?;
            for (field, found) in [("input.height", height), ("input.width", width)] {
                let expected = "a multiple of 4, as two poolings halve it twice";
                check(found % 4 == 0, field, found, expected)?;
            }
        }
        Ok(())
    }
}

impl DenseConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        size("dense.size", self.size, 1)?;
        dropout("dense.dropout", self.dropout)
    }
}

/// The largest size of anything, far above any use, so that no product of sizes overflows.
const MAX_SIZE: usize = 1 << 14;

pub(crate) fn size(field: &'static str, found: usize, least: usize) -> Result<()> {
    let fits = (least..=MAX_SIZE).contains(&found);
    check(fits, field, found, format!("{least} to {MAX_SIZE}"))
}

/// A width that may be the product of two sizes.
pub(crate) fn width(field: &'static str, found: usize) -> Result<()> {
    const MAX: usize = MAX_SIZE * MAX_SIZE;
    check((1..=MAX).contains(&found), field, found, format!("1 to {MAX}"))
}

pub(crate) fn dropout(field: &'static str, found: f64) -> Result<()> {
    let expected = "a probability of at least 0 and below 1";
    check((0.0..1.0).contains(&found), field, found, expected)
}

pub(crate) fn check(
    holds: bool,
    field: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Config { field, found: found.to_string(), expected: expected.into() })
}
