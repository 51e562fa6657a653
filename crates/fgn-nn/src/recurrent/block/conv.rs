//! The causal convolution ahead of a cell.

use candle_core::Tensor;
use fgn_kernels::{CausalConvOutput, causal_conv};

use crate::error::Result;
use crate::init::uniform;
use crate::parameters::Parameters;

/// A depthwise convolution over time with `weight: [D, K]`, drawn from `U[-1/√K, 1/√K]` as PyTorch does, and `bias: [D]`,
/// zeros. The last column of the weight is that of the present input.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    weight: Tensor,
    bias: Tensor,
}

impl Conv {
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        [width, taps]: [usize; 2],
    ) -> Result<Self> {
        let bound = 1.0 / (taps as f64).sqrt();
        let draw = |generator: &mut _| uniform(generator, width * taps, bound);
        let weight = parameters.take(format!("{name}.weight"), &[width, taps], draw)?;
        let bias = parameters.take(format!("{name}.bias"), &[width], |_| vec![0.0; width])?;
        Ok(Self { weight: weight.as_tensor().clone(), bias: bias.as_tensor().clone() })
    }

    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        [&mut self.weight, &mut self.bias].into_iter()
    }

    /// For `x: [T, B, D]` and the inputs before the first step, `[K − 1, B, D]`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        window: &Tensor,
        resets: Option<&Tensor>,
        lengths: Option<&[usize]>,
    ) -> Result<CausalConvOutput> {
        Ok(causal_conv(x, &self.weight, &self.bias, window, resets, lengths)?)
    }

    /// The present parameters, for rows outside the computation graph.
    pub(super) fn rows(&self) -> Result<ConvRows> {
        let taps = self.weight.t()?.flatten_all()?.to_vec1()?;
        Ok(ConvRows { taps, bias: self.bias.to_vec1()? })
    }
}

/// A [`Conv`] on slices, for a few sequences: no tensors, no allocation.
#[derive(Clone)]
pub(super) struct ConvRows {
    /// `[K, D]`
    taps: Vec<f32>,
    bias: Vec<f32>,
}

impl ConvRows {
    /// How many inputs are kept from one step to the next: `K − 1`.
    pub(super) fn window(&self) -> usize {
        self.taps.len() / self.bias.len() - 1
    }

    /// The step of inputs `x: [B, D]`: writes the outputs `y: [B, D]`, and goes on with the `window: [K − 1, B, D]`.
    pub(super) fn step(&self, x: &[f32], window: &mut [f32], y: &mut [f32]) {
        let width = self.bias.len();
        for y in y.chunks_exact_mut(width) {
            y.copy_from_slice(&self.bias);
        }
        let inputs = window.chunks_exact(x.len()).chain([x]);
        for (tap, x) in self.taps.chunks_exact(width).zip(inputs) {
            for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                for ((y, tap), x) in y.iter_mut().zip(tap).zip(x) {
                    *y += tap * x;
                }
            }
        }
        window.copy_within(x.len().., 0);
        let last = window.len() - x.len();
        window[last..].copy_from_slice(x);
    }

    pub(super) fn count(&self) -> usize {
        self.taps.len() + self.bias.len()
    }
}
