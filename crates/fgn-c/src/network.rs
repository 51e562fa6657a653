//! A model as the C source has it: checked, and in numbers.

use fgn_nn::{HeadConfig, ImageRows, InputConfig, Model, NextToken, Regression};
use fgn_schema::Moments;

use crate::error::{Error, Result};
use crate::known;
use crate::matrix::{Format, Matrix};
use crate::parameters::{Parameters, floats};
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

/// `y = W x + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Matrix,
    pub(crate) bias: Vec<f32>,
}

/// What a step gives.
#[derive(Debug)]
pub(crate) enum Head {
    Classification {
        linear: Linear,
        names: Vec<String>,
        per_step: bool,
    },
    Regression {
        linear: Linear,
        names: Vec<String>,
        per_step: bool,
        scale: Option<[Vec<f32>; 2]>,
    },
    NextToken(Linear),
    /// A next token by the vectors of the embedding, with what brings outputs to their size, and the biases.
    Tied {
        projection: Option<Matrix>,
        bias: Vec<f32>,
    },
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
        let stack = Stack::new(&mut parameters, &config.recurrent, features, format)?;
        let head = Head::new(&mut parameters, &config.head, stack.outputs, format)?;
        parameters.finish()?;
        Ok(Self { input, dense, stack, head })
    }
}

impl Linear {
    fn new(
        parameters: &mut Parameters<'_>,
        name: &str,
        [outputs, inputs]: [usize; 2],
        format: Format,
    ) -> Result<Self> {
        let weight = parameters.take(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = parameters.take(&format!("{name}.bias"), &[outputs])?;
        Ok(Self { weight: Matrix::new(weight, inputs, format), bias })
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
                let vectors = parameters.take("input.embedding.weight", &shape)?;
                Ok(Self::Embedding(Matrix::new(vectors, shape[1], format)))
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
            other => Err(Error::unsupported("input.kind", other.kind(), names(known::INPUTS))),
        }
    }
}

/// The names of kinds.
fn names(kinds: &[(&str, &[&str])]) -> String {
    kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
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

/// Standard deviations, which must not become zero.
fn spreads(field: &str, std: &[f64]) -> Result<Vec<f32>> {
    let what = format!("the standard deviations of {field}");
    let narrow = floats(&what, std)?;
    match narrow.iter().position(|std| !std.is_normal()) {
        None => Ok(narrow),
        Some(index) => Err(Error::Number { what, index, found: std[index] }),
    }
}

impl Head {
    fn new(
        parameters: &mut Parameters<'_>,
        config: &HeadConfig,
        inputs: usize,
        format: Format,
    ) -> Result<Self> {
        match config {
            HeadConfig::Classification(head) => Ok(Self::Classification {
                linear: Linear::new(parameters, "head", [head.classes, inputs], format)?,
                names: counted(&head.names, head.classes),
                per_step: head.per_step,
            }),
            HeadConfig::Regression(head) => Ok(Self::Regression {
                linear: Linear::new(parameters, "head", [head.values, inputs], format)?,
                names: counted(&head.names, head.values),
                per_step: head.per_step,
                scale: unscale(head)?,
            }),
            HeadConfig::NextToken(head) => Self::next_token(parameters, head, inputs, format),
            other => Err(Error::unsupported("head.kind", other.kind(), names(known::HEADS))),
        }
    }

    fn next_token(
        parameters: &mut Parameters<'_>,
        head: &NextToken,
        inputs: usize,
        format: Format,
    ) -> Result<Self> {
        if !head.cutoffs.is_empty() {
            let found = format!("{:?}", head.cutoffs);
            let expected = "none: one linear layer, or the vectors of the embedding";
            return Err(Error::unsupported("head.cutoffs", found, expected));
        }
        let Some(size) = head.tied else {
            let shape = [head.vocabulary, inputs];
            return Ok(Self::NextToken(Linear::new(parameters, "head", shape, format)?));
        };
        let mut projection = None;
        if size != inputs {
            let weight = parameters.take("head.projection.weight", &[size, inputs])?;
            projection = Some(Matrix::new(weight, inputs, format));
        }
        Ok(Self::Tied { projection, bias: parameters.take("head.bias", &[head.vocabulary])? })
    }

    /// The number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Classification { linear, .. }
            | Self::Regression { linear, .. }
            | Self::NextToken(linear) => linear.bias.len(),
            Self::Tied { bias, .. } => bias.len(),
        }
    }

    /// Whether each step has an answer, rather than the sample after its last one.
    pub(crate) fn is_per_step(&self) -> bool {
        match self {
            Self::Classification { per_step, .. } | Self::Regression { per_step, .. } => *per_step,
            Self::NextToken(_) | Self::Tied { .. } => true,
        }
    }

    /// Whether the outputs are logits.
    pub(crate) fn gives_logits(&self) -> bool {
        !matches!(self, Self::Regression { .. })
    }
}

/// Mean and standard deviation of the values.
fn unscale(head: &Regression) -> Result<Option<[Vec<f32>; 2]>> {
    let Some(scale) = &head.scale else { return Ok(None) };
    let mean = floats("the means of `head.scale`", &scale.mean)?;
    Ok(Some([mean, spreads("`head.scale`", &scale.std)?]))
}

/// The names of `count` outputs: those given, or their indices.
fn counted(given: &[String], count: usize) -> Vec<String> {
    match given.is_empty() {
        true => (0..count).map(|index| index.to_string()).collect(),
        false => given.to_vec(),
    }
}
