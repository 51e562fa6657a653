//! The norm of a residual stream.

use candle_core::Tensor;
use fgn_kernels::{layer_norm, rms_norm};

use super::config::BlockNorm;
use crate::error::Result;
use crate::parameters::Parameters;

/// What is added to the mean square.
pub(super) const EPSILON: f64 = 1e-5;

/// A norm with its parameters: `weight: [D]`, ones, and of a layer normalisation `bias: [D]`, zeros.
#[derive(Clone, Debug)]
pub(super) struct RowNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
}

impl RowNorm {
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        width: usize,
        norm: BlockNorm,
    ) -> Result<Self> {
        let weight = parameters.take(format!("{name}.weight"), &[width], |_| vec![1.0; width])?;
        let bias = match norm {
            BlockNorm::Rms => None,
            BlockNorm::Layer => {
                Some(parameters.take(format!("{name}.bias"), &[width], |_| vec![0.0; width])?)
            }
        };
        Ok(Self {
            weight: weight.as_tensor().clone(),
            bias: bias.map(|bias| bias.as_tensor().clone()),
        })
    }

    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        [&mut self.weight].into_iter().chain(&mut self.bias)
    }

    /// The rows of `x: [.., D]`, normalised.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match &self.bias {
            None => rms_norm(x, &self.weight, EPSILON)?,
            Some(bias) => layer_norm(x, &self.weight, bias, EPSILON)?,
        })
    }

    /// The present parameters, for rows outside the computation graph.
    pub(super) fn rows(&self) -> Result<NormRows> {
        let bias = self.bias.as_ref().map(Tensor::to_vec1::<f32>).transpose()?;
        Ok(NormRows { weight: self.weight.to_vec1()?, bias })
    }
}

/// A [`RowNorm`] on slices: no tensors, no allocation.
#[derive(Clone)]
pub(super) struct NormRows {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl NormRows {
    /// `x: [D]` gives `y: [D]`.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let width = x.len() as f32;
        let mean = match self.bias {
            Some(_) => x.iter().sum::<f32>() / width,
            None => 0.0,
        };
        let square: f32 = x.iter().map(|x| (x - mean) * (x - mean)).sum();
        let scale = 1.0 / (square / width + EPSILON as f32).sqrt();
        for ((y, x), weight) in y.iter_mut().zip(x).zip(&self.weight) {
            *y = (x - mean) * scale * weight;
        }
        if let Some(bias) = &self.bias {
            y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.weight.len() + self.bias.as_ref().map_or(0, Vec::len)
    }
}
