//! The linear maps of a block.

use candle_core::Tensor;
use fgn_kernels::{LinearMap, add_bias};

use crate::dense::LinearRows;
use crate::error::Result;
use crate::init::{uniform, xavier_bound};
use crate::parameters::Parameters;

/// A linear map with `weight: [O, I]` and `bias: [O]`.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    weight: Tensor,
    bias: Tensor,
}

impl Affine {
    /// With weights drawn by Xavier's rule, times `scale`, and biases of zero.
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        [inputs, outputs]: [usize; 2],
        scale: f64,
    ) -> Result<Self> {
        let bound = scale * xavier_bound(inputs, outputs);
        let draw = |generator: &mut _| uniform(generator, outputs * inputs, bound);
        let weight = parameters.take(format!("{name}.weight"), &[outputs, inputs], draw)?;
        let bias = parameters.take(format!("{name}.bias"), &[outputs], |_| vec![0.0; outputs])?;
        Ok(Self { weight: weight.as_tensor().clone(), bias: bias.as_tensor().clone() })
    }

    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        [&mut self.weight, &mut self.bias].into_iter()
    }

    /// Rows `[N, I]` give `[N, O]`.
    pub(super) fn forward(&self, rows: &Tensor) -> Result<Tensor> {
        Ok(add_bias(&rows.matmul(&self.weight.t()?)?, &self.bias)?)
    }

    /// For the kernels.
    pub(super) fn map(&self) -> LinearMap<'_> {
        LinearMap { weight: &self.weight, bias: &self.bias }
    }

    /// The present parameters, for rows outside the computation graph.
    pub(super) fn rows(&self) -> Result<LinearRows> {
        LinearRows::new(&self.weight, &self.bias)
    }
}
