//! The configuration of a model: plain data, read from and written to any serde format.

use fgn_core::AnyCell;
use serde::{Deserialize, Serialize};

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

/// A recurrent layer.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// `H`: how many units it has.
    pub hidden_size: usize,
    /// The cell, with its options.
    pub cell: AnyCell,
    /// How its parameters are drawn.
    #[serde(default)]
    pub init: InitConfig,
}

/// How the parameters of a recurrent layer are drawn. Biases that [`ForgetBias`] does not name are
/// zero, and so is all of `bias_hh`, which adds to the same gates.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct InitConfig {
    /// The weights on the input, block by block.
    pub weights: WeightInit,
    /// The weights on the hidden state, block by block.
    pub recurrent: RecurrentInit,
    /// The bias of the gates that decide what is kept.
    pub forget_bias: ForgetBias,
}

/// How a block of weights is drawn.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WeightInit {
    /// `U[-b, b]` with `b = √(6 / (columns + H))` (Glorot & Bengio 2010).
    #[default]
    XavierUniform,
    /// `U[-1/√H, 1/√H]`, what PyTorch does.
    PytorchUniform,
    /// A normal distribution about 0, cut at twice its standard deviation.
    TruncatedNormal {
        /// The standard deviation ahead of the cut; 0.01 if left out.
        #[serde(default = "default_std")]
        std: f64,
    },
}

/// How the `H×H` blocks of the recurrent weights are drawn.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum RecurrentInit {
    /// A random orthogonal matrix, which keeps a state's length (Saxe, McClelland & Ganguli 2014).
    #[default]
    Orthogonal,
    /// As the weights on the input.
    Same,
}

/// Where the gates that decide what is kept begin. [`Forget`](fgn_core::Role::Forget) is the gate on
/// the memory, [`Forgetting`](fgn_core::Role::Forgetting) the forgetting gate network's gate on the
/// output.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ForgetBias {
    /// The same number for every `Forget` and `Forgetting` gate; 1.0 is the default (Jozefowicz,
    /// Zaremba & Sutskever 2015).
    Constant(f64),
    /// `b_f ~ ln U[1, t_max − 1]`, and the input gate at `−b_f`: memories of up to about `t_max`
    /// steps (Tallec & Ollivier 2018). `Forgetting` gates are at 1.0.
    Chrono {
        /// The longest memory in time steps. At least 2.
        t_max: usize,
    },
    /// `b_f = −ln(1/u − 1)`, `u ~ U[1/H, 1 − 1/H]`: gates spread evenly over (0, 1) (Gu et al.
    /// 2020). `Forgetting` gates are at 1.0. Needs 2 units.
    UniformGate,
}

impl Default for ForgetBias {
    fn default() -> Self {
        Self::Constant(1.0)
    }
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

impl RecurrentConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        size("recurrent.hidden_size", self.hidden_size, 1)?;
        if let WeightInit::TruncatedNormal { std } = self.init.weights {
            let field = "recurrent.init.weights.truncated-normal.std";
            check(std > 0.0 && std.is_finite(), field, std, "a number over 0")?;
        }
        match self.init.forget_bias {
            ForgetBias::Constant(value) => {
                let field = "recurrent.init.forget_bias.constant";
                check(value.is_finite(), field, value, "a finite number")
            }
            ForgetBias::Chrono { t_max } => {
                let field = "recurrent.init.forget_bias.chrono.t_max";
                check(t_max >= 2, field, t_max, "2 steps or more")
            }
            ForgetBias::UniformGate => {
                let expected = "2 or more for a uniform-gate forget bias";
                let found = self.hidden_size;
                check(found >= 2, "recurrent.hidden_size", found, expected)
            }
        }
    }
}

/// The largest size of anything, far above any use, so that no product of sizes overflows.
const MAX_SIZE: usize = 1 << 14;

fn size(field: &'static str, found: usize, least: usize) -> Result<()> {
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

fn check(
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

fn default_std() -> f64 {
    0.01
}
