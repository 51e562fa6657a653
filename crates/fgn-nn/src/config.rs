//! The configuration of a model: plain data, read from and written to any serde format.

use serde::{Deserialize, Serialize};

use crate::recurrent::RecurrentConfig;
use crate::{Error, Result};

/// A whole model: input layer, dense layer (if any), recurrent layer, head. It tells classes or numbers,
/// of a whole sample or of each of its steps.
///
/// ```
/// let config: fgn_nn::ModelConfig = serde_json::from_str(r#"{
///     "classes": 10,
///     "input": { "kind": "image-rows", "height": 28, "width": 28 },
///     "recurrent": { "hidden_size": 128, "cell": { "name": "fgn", "z": "linear" } }
/// }"#)?;
/// config.validate()?;
/// assert_eq!(config.input.steps(), Some(28));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// How many classes there are: the width of the logits. At least 2; 0 in a model that tells numbers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub classes: usize,
    /// How many numbers are told (regression); 0 in a model that tells classes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub numbers: usize,
    /// What the classes or numbers are called; if not given, they are counted from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whether they are told of each time step; if not, of the whole sample.
    #[serde(default, skip_serializing_if = "is_default")]
    pub each_step: bool,
    /// How samples become time steps.
    pub input: InputConfig,
    /// Mean and deviation of the numbers to tell. The head's outputs are scaled by it, and the loss is
    /// that of numbers scaled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_scale: Option<Scale>,
    /// A fully connected layer ahead of the recurrent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// The recurrent layer.
    pub recurrent: RecurrentConfig,
}

/// How samples, images `[B, height, width]` for one, become the time steps `[T, B, I]` of a sequence.
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
    /// Samples are sequences of numbers already, `[B, T, features]`. `I = features`.
    Series {
        /// How many numbers a step has.
        features: usize,
        /// What is subtracted from the numbers, and what they are divided by then; nothing if not
        /// given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<Scale>,
    },
    /// Samples are sequences of symbols, characters for one, `[B, T]` in `U32`; each symbol has a vector
    /// that is learned. `I = size`.
    Symbols {
        /// How many different symbols there are.
        symbols: usize,
        /// How long their vectors are.
        size: usize,
    },
}

/// Mean and standard deviation of some numbers, one of each for each number.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The means.
    pub mean: Vec<f64>,
    /// The standard deviations, each above 0.
    pub deviation: Vec<f64>,
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
    /// The `[height, width]` of the images; none of samples that are no images.
    pub fn image_size(&self) -> Option<[usize; 2]> {
        match *self {
            Self::ImageConv { height, width, .. }
            | Self::ImageRows { height, width }
            | Self::ImagePixels { height, width, .. } => Some([height, width]),
            Self::Series { .. } | Self::Symbols { .. } => None,
        }
    }

    /// `T`: how many time steps an image becomes; none of samples that are no images, which have a
    /// length each.
    pub fn steps(&self) -> Option<usize> {
        match *self {
            Self::ImageConv { height, .. } => Some(height / 4),
            Self::ImageRows { height, .. } => Some(height),
            Self::ImagePixels { height, width, .. } => Some(height * width),
            Self::Series { .. } | Self::Symbols { .. } => None,
        }
    }

    /// `I`: how many numbers a time step has.
    pub fn features(&self) -> usize {
        match *self {
            Self::ImageConv { width, channels, .. } => width / 4 * channels[1],
            Self::ImageRows { width, .. } => width,
            Self::ImagePixels { .. } => 1,
            Self::Series { features, .. } => features,
            Self::Symbols { size, .. } => size,
        }
    }
}

impl ModelConfig {
    /// A model that tells one of some classes of each sample.
    pub fn classifier(classes: usize, input: InputConfig, recurrent: RecurrentConfig) -> Self {
        Self {
            classes,
            numbers: 0,
            names: Vec::new(),
            each_step: false,
            input,
            target_scale: None,
            dense: None,
            recurrent,
        }
    }

    /// How many numbers the head puts out.
    pub fn outputs(&self) -> usize {
        self.classes + self.numbers
    }

    /// What a class or number is called.
    pub fn name(&self, output: usize) -> String {
        self.names.get(output).cloned().unwrap_or_else(|| output.to_string())
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] names the first field that no model can be built with.
    pub fn validate(&self) -> Result<()> {
        match (self.classes, self.numbers) {
            (classes, 0) => size("classes", classes, 2)?,
            (0, numbers) => size("numbers", numbers, 1)?,
            (_, numbers) => check(false, "numbers", numbers, "0 in a model that tells classes")?,
        }
        let (names, outputs) = (self.names.len(), self.outputs());
        let expected = format!("{outputs}, one for each output, or none");
        check(names == 0 || names == outputs, "names", names, expected)?;
        if let Some(scale) = &self.target_scale {
            check(self.numbers > 0, "target_scale", "given", "none in a model that tells classes")?;
            scale.validate("target_scale", self.numbers)?;
        }
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
        let [height, width] = match self {
            Self::Series { features, scale } => {
                size("input.features", *features, 1)?;
                return match scale {
                    Some(scale) => scale.validate("input.scale", *features),
                    None => Ok(()),
                };
            }
            Self::Symbols { symbols, size: vector } => {
                size("input.symbols", *symbols, 1)?;
                return size("input.size", *vector, 1);
            }
            _ => self.image_size().unwrap_or_default(),
        };
        size("input.height", height, 1)?;
        size("input.width", width, 1)?;
        if let Self::ImagePixels { .. } = self {
            const MOST: usize = 1 << 22;
            let expected = format!("at most {MOST} pixels, as each is a step");
            check(height * width <= MOST, "input.width", width, expected)?;
        }
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

impl Scale {
    fn validate(&self, field: &'static str, numbers: usize) -> Result<()> {
        let counts = [self.mean.len(), self.deviation.len()];
        let expected = format!("{numbers} of each");
        let found = format!("{} means and {} deviations", counts[0], counts[1]);
        check(counts == [numbers; 2], field, found, expected)?;
        let finite = self.mean.iter().all(|mean| mean.is_finite())
            && self.deviation.iter().all(|&deviation| deviation > 0.0 && deviation.is_finite());
        check(finite, field, format!("{self:?}"), "finite means and deviations above 0")
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
