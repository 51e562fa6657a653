//! The configuration of residual blocks.

use serde::{Deserialize, Serialize};

use super::super::sequence_dropout::SequenceDropout;
use crate::check::{check, probability};
use crate::error::Result;

/// A residual block around each layer of a stack, as in a transformer, with a recurrent layer in the place of attention.
///
/// The features of the input, `[T, B, I]`, become a residual stream `x: [T, B, D]` by a linear layer, with `D` the
/// [output size](crate::RecurrentConfig::output_size). Each layer adds to it twice:
///
/// ```text
/// x = x + dropout(W_o cell(conv(norm(x))) + b_o)
/// x = x + dropout(W_2 gated(W_1 norm(x) + b_1) + b_2)
/// ```
///
/// The norm comes first ("pre-norm": Xiong et al. 2020). `gated` is SwiGLU (Shazeer 2020): of `2 M` numbers `[a; b]` it
/// makes the `M` numbers `silu(a) · b`. After the last layer there is one more norm.
///
/// ```
/// use fgn_core::AnyCell;
/// use fgn_nn::{BlockConfig, BlockNorm, RecurrentConfig};
///
/// let config = RecurrentConfig {
///     layers: 4,
///     block: Some(BlockConfig { conv: 4, ..BlockConfig::default() }),
///     ..RecurrentConfig::new(AnyCell::MIN_GRU, 64)
/// };
/// let text = r#"{ "hidden_size": 64, "cell": { "name": "min-gru" }, "layers": 4,
///     "block": { "norm": "rms", "mlp": 2.0, "conv": 4 } }"#;
/// assert_eq!(config, serde_json::from_str(text)?);
/// assert_eq!(config.block.unwrap().norm, BlockNorm::Rms);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub struct BlockConfig {
    /// How the residual stream is normalised ahead of each half of a block, and after the last block.
    pub norm: BlockNorm,
    /// The gated multi-layer perceptron after the recurrence has `mlp · D` hidden units, rounded; 0 for none.
    pub mlp: f64,
    /// The width of a causal depthwise convolution over time ahead of the cell, at least 2; 0 for none. Each feature
    /// then reads its present and last `conv − 1` values.
    pub conv: usize,
    /// Dropout of what each half of a block adds to the residual stream.
    pub dropout: SequenceDropout,
}

/// How rows are normalised.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum BlockNorm {
    /// By the root mean square (Zhang & Sennrich 2019).
    #[default]
    Rms,
    /// By mean and standard deviation, with a bias (Ba, Kiros & Hinton 2016).
    Layer,
}

/// The widest convolution.
const MOST_TAPS: usize = 64;

impl Default for BlockConfig {
    fn default() -> Self {
        Self { norm: BlockNorm::Rms, mlp: 2.0, conv: 0, dropout: SequenceDropout::default() }
    }
}

impl BlockConfig {
    /// The hidden units of the multi-layer perceptron for a residual stream of `width` features.
    pub(in super::super) fn mlp_size(&self, width: usize) -> usize {
        (self.mlp * width as f64).round() as usize
    }

    /// How many inputs the convolution keeps from one step to the next.
    pub(crate) fn window(&self) -> usize {
        self.conv.saturating_sub(1)
    }

    /// For a residual stream of `width` features.
    pub(in super::super) fn validate(&self, width: usize, bidirectional: bool) -> Result<()> {
        let fits = self.mlp >= 0.0 && self.mlp <= 64.0;
        check(fits, "recurrent.block.mlp", self.mlp, "0 for none, or a number of at most 64")?;
        if self.mlp > 0.0 {
            let expected = format!("a number that gives 1 hidden unit or more: {width} features");
            check(self.mlp_size(width) > 0, "recurrent.block.mlp", self.mlp, expected)?;
        }
        let fits = self.conv == 0 || (2..=MOST_TAPS).contains(&self.conv);
        let expected = format!("0 for none, or 2 to {MOST_TAPS}");
        check(fits, "recurrent.block.conv", self.conv, expected)?;
        let expected = "0 in a bidirectional layer: a causal convolution reads in one direction";
        check(self.conv == 0 || !bidirectional, "recurrent.block.conv", self.conv, expected)?;
        probability("recurrent.block.dropout.rate", self.dropout.rate)
    }
}
