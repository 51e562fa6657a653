//! The gated multi-layer perceptron of a block.

use candle_core::Tensor;
use fgn_kernels::GatedMlp;

use super::config::BlockNorm;
use super::linear::Affine;
use super::norm::{EPSILON, NormRows, RowNorm};
use crate::dense::LinearRows;
use crate::error::Result;
use crate::parameters::Parameters;

/// `x + dropout(W_2 gated(W_1 norm(x) + b_1) + b_2)`, with `up` for `W_1: [2 M, D]` and `down` for `W_2: [D, M]`.
#[derive(Clone, Debug)]
pub(super) struct Mlp {
    norm: RowNorm,
    up: Affine,
    down: Affine,
}

impl Mlp {
    /// The second linear map is drawn by Xavier's rule, times `scale`.
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        [width, hidden]: [usize; 2],
        (norm, scale): (BlockNorm, f64),
    ) -> Result<Self> {
        Ok(Self {
            norm: RowNorm::new(parameters, &format!("{name}.norm"), width, norm)?,
            up: Affine::new(parameters, &format!("{name}.up"), [width, 2 * hidden], 1.0)?,
            down: Affine::new(parameters, &format!("{name}.down"), [hidden, width], scale)?,
        })
    }

    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.norm.tensors().chain(self.up.tensors()).chain(self.down.tensors())
    }

    /// For the kernels, with the mask of the dropout.
    pub(super) fn with_mask<'a>(&'a self, mask: Option<&'a Tensor>) -> GatedMlp<'a> {
        GatedMlp {
            norm: &self.norm.weight,
            norm_bias: self.norm.bias.as_ref(),
            epsilon: EPSILON,
            up: self.up.map(),
            down: self.down.map(),
            mask,
        }
    }

    /// The present parameters, for rows outside the computation graph.
    pub(super) fn rows(&self) -> Result<MlpRows> {
        Ok(MlpRows { norm: self.norm.rows()?, up: self.up.rows()?, down: self.down.rows()? })
    }
}

/// An [`Mlp`] on slices: no tensors, no allocation.
#[derive(Clone)]
pub(super) struct MlpRows {
    norm: NormRows,
    up: LinearRows,
    down: LinearRows,
}

impl MlpRows {
    /// `M`
    pub(super) fn hidden(&self) -> usize {
        self.down.inputs()
    }

    /// Adds to `x: [D]`. Beside it come memory for `D` numbers, and for `2 M`.
    pub(super) fn step(&self, x: &mut [f32], row: &mut [f32], hidden: &mut [f32]) {
        self.norm.forward(x, row);
        self.up.forward(row, hidden);
        let (a, b) = hidden.split_at_mut(self.down.inputs());
        for (a, b) in a.iter_mut().zip(b) {
            *a = *a / (1.0 + (-*a).exp()) * *b;
        }
        self.down.forward(a, row);
        x.iter_mut().zip(row).for_each(|(x, more)| *x += *more);
    }

    pub(super) fn count(&self) -> usize {
        self.norm.count() + self.up.count() + self.down.count()
    }
}
