//! The residual blocks around the layers of a stack, as the C source has them.

use fgn_nn::{BlockConfig, BlockNorm};

use crate::error::Result;
use crate::linear::Linear;
use crate::matrix::Format;
use crate::parameters::Parameters;

/// What is around the layers: `embed` makes the residual stream of the input, a block is around each layer, and a norm
/// comes last.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) embed: Linear,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: RowNorm,
}

/// What is around one layer.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) norm: RowNorm,
    pub(crate) conv: Option<Conv>,
    pub(crate) out: Linear,
    pub(crate) mlp: Option<Mlp>,
}

/// The gains of a norm, and the biases of a layer normalisation; one by the root mean square has none.
#[derive(Debug)]
pub(crate) struct RowNorm {
    pub(crate) gains: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

/// A causal convolution of each feature: `weight [D, K]`, the tap of the present value last.
#[derive(Debug)]
pub(crate) struct Conv {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// The gated multi-layer perceptron.
#[derive(Debug)]
pub(crate) struct Mlp {
    pub(crate) norm: RowNorm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

impl Blocks {
    /// For `layers` layers of `width` features over `inputs`. The linear map of the inputs has the format `before`.
    pub(crate) fn new(
        parameters: &mut Parameters<'_>,
        config: BlockConfig,
        [inputs, width, layers]: [usize; 3],
        [before, format]: [Format; 2],
    ) -> Result<Self> {
        let embed = Linear::new(parameters, "recurrent.embed", [width, inputs], before)?;
        let blocks =
            (0..layers).map(|index| Block::new(parameters, config, [index, width], format));
        let blocks = blocks.collect::<Result<_>>()?;
        let norm = RowNorm::new(parameters, "recurrent.norm", config.norm, width)?;
        Ok(Self { embed, blocks, norm })
    }

    /// The most hidden units of a multi-layer perceptron.
    pub(crate) fn mlp_size(&self) -> usize {
        let mlps = self.blocks.iter().filter_map(|block| block.mlp.as_ref());
        mlps.map(|mlp| mlp.down.weight.columns).max().unwrap_or(0)
    }

    /// How many values of each feature a convolution keeps from one step to the next.
    pub(crate) fn window(&self) -> usize {
        let convs = self.blocks.iter().filter_map(|block| block.conv.as_ref());
        convs.map(|conv| conv.taps() - 1).max().unwrap_or(0)
    }
}

impl Block {
    fn new(
        parameters: &mut Parameters<'_>,
        config: BlockConfig,
        [index, width]: [usize; 2],
        format: Format,
    ) -> Result<Self> {
        // Dropout is for training alone.
        let BlockConfig { norm, mlp, conv: taps, dropout: _ } = config;
        let name = |part: &str| format!("recurrent.blocks.{index}.{part}");
        let hidden = (mlp * width as f64).round() as usize;
        Ok(Self {
            norm: RowNorm::new(parameters, &name("norm"), norm, width)?,
            conv: match taps {
                0 => None,
                _ => Some(Conv {
                    weight: parameters.take(&name("conv.weight"), &[width, taps])?,
                    bias: parameters.take(&name("conv.bias"), &[width])?,
                }),
            },
            out: Linear::new(parameters, &name("out"), [width, width], format)?,
            mlp: match hidden {
                0 => None,
                _ => Some(Mlp {
                    norm: RowNorm::new(parameters, &name("mlp.norm"), norm, width)?,
                    up: Linear::new(parameters, &name("mlp.up"), [2 * hidden, width], format)?,
                    down: Linear::new(parameters, &name("mlp.down"), [width, hidden], format)?,
                }),
            },
        })
    }
}

impl Conv {
    /// `K`
    pub(crate) fn taps(&self) -> usize {
        self.weight.len() / self.bias.len()
    }
}

impl RowNorm {
    fn new(
        parameters: &mut Parameters<'_>,
        name: &str,
        norm: BlockNorm,
        width: usize,
    ) -> Result<Self> {
        let gains = parameters.take(&format!("{name}.weight"), &[width])?;
        let bias = match norm {
            BlockNorm::Rms => None,
            BlockNorm::Layer => Some(parameters.take(&format!("{name}.bias"), &[width])?),
        };
        Ok(Self { gains, bias })
    }
}
