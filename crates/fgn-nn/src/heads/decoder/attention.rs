//! Attention over the outputs of the encoder.

use candle_core::{D, Device, Tensor};
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

use super::super::kind::Encoded;
use crate::error::Result;
use crate::init::{uniform, xavier_bound};
use crate::parameters::Parameters;

/// The score of an output `s: [D]` of the encoder for an output `h: [A]` of the decoder.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Attention {
    /// `hᵀ W s`, with the parameter `attention.weight [A, D]` (Luong, Pham & Manning 2015).
    #[default]
    General,
    /// `vᵀ tanh(W h + U s)`, with the parameters `attention.query.weight [A, A]`, `attention.key.weight [A, D]` and
    /// `attention.vector [A]` (Bahdanau, Cho & Bengio 2015). It takes `A` times as much memory as the scores.
    Additive,
    /// No attention: all that the decoder knows of a sample is the encoder's last state.
    None,
}

/// The attention's parameters.
#[derive(Clone, Debug)]
pub(super) struct Attentional {
    scores: Scores,
    /// `[A, D + A]`.
    combine: Tensor,
}

#[derive(Clone, Debug)]
enum Scores {
    General { weight: Tensor },
    Additive { query: Tensor, key: Tensor, vector: Tensor },
}

/// The encoder's outputs for a batch, as attention reads them.
#[derive(Debug)]
pub(super) struct Memory {
    /// What does not depend on the decoder: `W s` or `U s`, `[B, T, A]`.
    keys: Tensor,
    /// `[B, T, D]`.
    values: Tensor,
    /// What is added to the scores: 0, or -∞ for padding. `[B, 1, T]`.
    padding: Option<Tensor>,
}

impl Attentional {
    /// Of a decoder with `own` outputs over an encoder with `inputs`.
    pub(super) fn new(
        kind: Attention,
        parameters: &mut Parameters,
        name: &str,
        [own, inputs]: [usize; 2],
    ) -> Result<Option<Self>> {
        let mut take = |suffix: &str, [outputs, inputs]: [usize; 2]| {
            matrix(parameters, format!("{name}.{suffix}.weight"), [outputs, inputs])
        };
        let scores = match kind {
            Attention::None => return Ok(None),
            Attention::General => Scores::General { weight: take("attention", [own, inputs])? },
            Attention::Additive => {
                let query = take("attention.query", [own, own])?;
                let key = take("attention.key", [own, inputs])?;
                let draw = |generator: &mut _| uniform(generator, own, xavier_bound(own, 1));
                let vector = parameters.take(format!("{name}.attention.vector"), &[own], draw)?;
                Scores::Additive { query, key, vector: vector.as_tensor().clone() }
            }
        };
        let combine = matrix(parameters, format!("{name}.combine.weight"), [own, inputs + own])?;
        Ok(Some(Self { scores, combine }))
    }

    /// The same, outside the computation graph.
    pub(super) fn detached(&self) -> Self {
        let scores = match &self.scores {
            Scores::General { weight } => Scores::General { weight: weight.detach() },
            Scores::Additive { query, key, vector } => Scores::Additive {
                query: query.detach(),
                key: key.detach(),
                vector: vector.detach(),
            },
        };
        Self { scores, combine: self.combine.detach() }
    }

    /// The encoder's outputs, which are `[T, B, D]`.
    pub(super) fn memory(&self, encoded: &Encoded<'_>) -> Result<Memory> {
        let values = encoded.output.transpose(0, 1)?.contiguous()?;
        let (batch, steps, _) = values.dims3()?;
        let weight = match &self.scores {
            Scores::General { weight } => weight,
            Scores::Additive { key, .. } => key,
        };
        let padding = encoded.lengths.map(|lengths| {
            let past = |step, &length: &usize| if step < length { 0.0 } else { f64::NEG_INFINITY };
            let all =
                lengths.iter().flat_map(|length| (0..steps).map(move |step| past(step, length)));
            Tensor::from_vec(all.collect(), (batch, 1, steps), &Device::Cpu)?
                .to_dtype(values.dtype())?
                .to_device(values.device())
        });
        Ok(Memory { keys: linear(&values, weight)?, values, padding: padding.transpose()? })
    }

    /// The attentional vectors `[B, U, A]` for the decoder's outputs `h: [B, U, A]`.
    pub(super) fn forward(&self, h: &Tensor, memory: &Memory) -> Result<Tensor> {
        let mut scores = self.scores(h, &memory.keys)?;
        if let Some(padding) = &memory.padding {
            scores = scores.broadcast_add(padding)?;
        }
        let context = softmax(&scores, D::Minus1)?.matmul(&memory.values)?;
        Ok(linear(&Tensor::cat(&[&context, h], D::Minus1)?, &self.combine)?.tanh()?)
    }

    /// `[B, U, T]`.
    fn scores(&self, h: &Tensor, keys: &Tensor) -> Result<Tensor> {
        match &self.scores {
            Scores::General { .. } => Ok(h.matmul(&keys.transpose(1, 2)?)?),
            Scores::Additive { query, vector, .. } => {
                let queries = linear(h, query)?.unsqueeze(2)?;
                let sums = queries.broadcast_add(&keys.unsqueeze(1)?)?.tanh()?;
                Ok(linear(&sums, &vector.unsqueeze(0)?)?.squeeze(D::Minus1)?)
            }
        }
    }
}

impl Memory {
    /// Those samples only.
    pub(super) fn select(&self, samples: &Tensor) -> Result<Self> {
        let padding = self.padding.as_ref();
        Ok(Self {
            keys: self.keys.index_select(samples, 0)?,
            values: self.values.index_select(samples, 0)?,
            padding: padding.map(|padding| padding.index_select(samples, 0)).transpose()?,
        })
    }
}

/// Takes a weight `[O, I]`.
pub(super) fn matrix(
    parameters: &mut Parameters,
    name: String,
    [outputs, inputs]: [usize; 2],
) -> Result<Tensor> {
    let draw =
        |generator: &mut _| uniform(generator, outputs * inputs, xavier_bound(inputs, outputs));
    Ok(parameters.take(name, &[outputs, inputs], draw)?.as_tensor().clone())
}

/// `x: [.., I]` times a weight `[O, I]`: `[.., O]`.
pub(super) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    let inputs = shape.pop().unwrap_or_default();
    shape.push(weight.dim(0)?);
    Ok(x.reshape(((), inputs))?.matmul(&weight.t()?)?.reshape(shape)?)
}
