//! A model as the C source has it: checked, and in numbers.

use fgn_nn::{ImageRows, InputConfig, Model};
use fgn_schema::Moments;

use crate::error::{Error, Result};
use crate::head::Head;
use crate::known::{self, kind_names};
use crate::linear::{Linear, matrix};
use crate::matrix::{Format, Matrix};
use crate::parameters::{Parameters, floats, spreads};
use crate::stack::{Stack, has_threshold};

/// A whole model.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) input: Input,
    pub(crate) dense: Option<Linear>,
    pub(crate) stack: Stack,
    pub(crate) head: Head,
}

/// What a step reads.
#[derive(Debug)]
pub(crate) enum Input {
    Series {
        features: usize,
        scale: Option<Scale>,
    },
    /// `[V, E]`.
    Embedding(Matrix),
    Image(Image),
}

/// `(x − mean) / std`. The mean is the sum of two `float`, so that numbers with a large offset keep their differences.
#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) high: Vec<f32>,
    pub(crate) low: Vec<f32>,
    pub(crate) std: Vec<f32>,
}

/// An image, of which a step reads a row or a pixel.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) steps: usize,
    /// For each step the index of its pixel, where the pixels are permuted.
    pub(crate) order: Option<Vec<u32>>,
}

impl Network {
    pub(crate) fn new(model: &Model, int8: bool) -> Result<Self> {
        let config = model.config();
        known::check(config)?;
        let format = if int8 { Format::Int8 } else { Format::Float };
        // What a threshold depends on stays as it is.
        let before = if has_threshold(config.recurrent.cell) { Format::Float } else { format };
        let mut parameters = Parameters::new(model);
        let input = Input::new(&mut parameters, &config.input, before)?;
        let mut features = config.input.features();
        let mut dense = None;
        if let Some(config) = &config.dense {
            dense = Some(Linear::new(&mut parameters, "dense", [config.size, features], before)?);
            features = config.size;
        }
        let stack = Stack::new(&mut parameters, &config.recurrent, features, [before, format])?;
        let head = Head::new(&mut parameters, &config.head, stack.outputs, format)?;
        parameters.finish()?;
        Ok(Self { input, dense, stack, head })
    }
}

impl Input {
    fn new(parameters: &mut Parameters<'_>, config: &InputConfig, format: Format) -> Result<Self> {
        match config {
            InputConfig::Series(series) => Ok(Self::Series {
                features: series.features,
                scale: series.scale.as_ref().map(Scale::new).transpose()?,
            }),
            InputConfig::Embedding(embedding) => {
                let shape = [embedding.num_embeddings, embedding.embedding_dim];
                Ok(Self::Embedding(matrix(parameters, "input.embedding.weight", shape, format)?))
            }
            InputConfig::ImageRows(ImageRows { height, width, in_channels, augment: _ }) => {
                let (height, width, channels) = (*height, *width, *in_channels);
                Ok(Self::Image(Image { height, width, channels, steps: height, order: None }))
            }
            InputConfig::ImagePixels(pixels) => {
                let (height, width, channels) = (pixels.height, pixels.width, pixels.in_channels);
                let order = pixels.order();
                let steps = height * width;
                Ok(Self::Image(Image { height, width, channels, steps, order }))
            }
            other => Err(Error::unsupported("input.kind", other.kind(), kind_names(known::INPUTS))),
        }
    }
}

impl Scale {
    fn new(scale: &Moments) -> Result<Self> {
        let high = floats("the means of `input.scale`", &scale.mean)?;
        let low =
            scale.mean.iter().zip(&high).map(|(&mean, &high)| (mean - f64::from(high)) as f32);
        let low = low.collect();
        Ok(Self { high, low, std: spreads("`input.scale`", &scale.std)? })
    }
}
