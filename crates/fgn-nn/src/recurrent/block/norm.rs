//! Norms of rows, as a residual stream has them.

use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;
use fgn_kernels::{layer_norm, rms_norm};

use super::config::BlockNorm;
use crate::check;
use crate::error::Result;
use crate::parameters::{Parameters, joined};

/// What is added to the mean square.
pub(super) const EPSILON: f64 = 1e-5;

/// A norm of each row with its parameters: `weight [D]`, ones, and of a layer normalisation `bias [D]`, zeros. Both have a
/// gradient, on the CPU of a single pass.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_nn::{BlockNorm, Parameters, RowNorm};
///
/// let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu)?;
/// let norm = RowNorm::new(&mut parameters, "norm", 2, BlockNorm::Layer)?;
/// let y = norm.forward(&Tensor::new(&[[1f64, 5.0]], &Device::Cpu)?)?.to_vec2::<f64>()?;
/// assert!((y[0][0] + 1.0).abs() < 1e-5 && (y[0][1] - 1.0).abs() < 1e-5);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RowNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
}

impl RowNorm {
    /// A norm of rows of `width` values, with ε = 10⁻⁵. The parameters are named `{name}.weight` and `{name}.bias`, or
    /// `weight` and `bias` with an empty name.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a width of 0.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        width: usize,
        norm: BlockNorm,
    ) -> Result<Self> {
        check::width("width", width)?;
        let weight = parameters.take(joined(name, "weight"), &[width], |_| vec![1.0; width])?;
        let bias = match norm {
            BlockNorm::Rms => None,
            BlockNorm::Layer => {
                Some(parameters.take(joined(name, "bias"), &[width], |_| vec![0.0; width])?)
            }
        };
        Ok(Self {
            weight: weight.as_tensor().clone(),
            bias: bias.map(|bias| bias.as_tensor().clone()),
        })
    }

    /// As [`new`](Self::new), with the parameters `weight` and `bias` of candle-nn's `vb`.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Parameters::from_builder`].
    pub fn from_builder(width: usize, norm: BlockNorm, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&mut Parameters::from_builder(&vb, 0)?, "", width, norm)
    }

    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        [&mut self.weight].into_iter().chain(&mut self.bias)
    }

    /// The rows of `x: [.., D]`, normalised.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) for another last dimension or data type.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
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

impl Module for RowNorm {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(RowNorm::forward(self, x)?)
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
