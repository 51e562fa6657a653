//! One residual block.

use candle_core::Tensor;
use fgn_kernels::residual_block;

use super::super::masks::{Half, Masks};
use super::config::BlockConfig;
use super::conv::{Conv, ConvRows};
use super::linear::Affine;
use super::mlp::{Mlp, MlpRows};
use super::norm::{NormRows, RowNorm};
use crate::dense::LinearRows;
use crate::error::Result;
use crate::parameters::Parameters;

/// What is the same for all blocks of a pass.
#[derive(Clone, Copy)]
pub(in super::super) struct Pass<'a> {
    /// `T` and `B`.
    pub(in super::super) sizes: [usize; 2],
    /// `[T, B]`
    pub(in super::super) resets: Option<&'a Tensor>,
    pub(in super::super) lengths: Option<&'a [usize]>,
    pub(in super::super) masks: Option<Masks>,
    /// The initial window of each layer's convolution, `[K − 1, B, D]`; empty without convolutions.
    pub(in super::super) windows: &'a [Tensor],
}

/// What is around one recurrent layer.
#[derive(Clone, Debug)]
pub(super) struct Block {
    index: usize,
    config: BlockConfig,
    norm: RowNorm,
    conv: Option<Conv>,
    out: Affine,
    mlp: Option<Mlp>,
}

impl Block {
    /// The block of the layer of that index, of `layers`.
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        width: usize,
        config: BlockConfig,
        [index, layers]: [usize; 2],
    ) -> Result<Self> {
        // Each layer adds twice: so the variance of the stream does not grow with their number (Radford et al. 2019).
        let scale = 1.0 / (2.0 * layers as f64).sqrt();
        let norm = RowNorm::new(parameters, &format!("{name}.norm"), width, config.norm)?;
        let conv = match config.conv {
            0 => None,
            taps => Some(Conv::new(parameters, &format!("{name}.conv"), [width, taps])?),
        };
        let out = Affine::new(parameters, &format!("{name}.out"), [width, width], scale)?;
        let mlp = match config.mlp_size(width) {
            0 => None,
            hidden => {
                let name = format!("{name}.mlp");
                Some(Mlp::new(parameters, &name, [width, hidden], (config.norm, scale))?)
            }
        };
        Ok(Self { index, config, norm, conv, out, mlp })
    }

    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        let conv = self.conv.iter_mut().flat_map(Conv::tensors);
        let mlp = self.mlp.iter_mut().flat_map(Mlp::tensors);
        self.norm.tensors().chain(conv).chain(self.out.tensors()).chain(mlp)
    }

    /// Rows `x: [T · B, D]` give the same shape, and the new window of the convolution. `run` runs the cell, from its
    /// inputs `[T, B, D]` to outputs of the same shape.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        run: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let [steps, batch] = pass.sizes;
        let mut input = self.norm.forward(x)?.reshape((steps, batch, ()))?;
        let mut window = None;
        if let (Some(conv), Some(before)) = (&self.conv, pass.windows.get(self.index)) {
            let found = conv.forward(&input, before, pass.resets, pass.lengths)?;
            (input, window) = (found.output, Some(found.state));
        }
        let output = run(&input)?.flatten(0, 1)?;
        let [of_cell, of_mlp] = [Half::Cell, Half::Mlp].map(|half| self.mask(x, pass, half));
        let (of_cell, of_mlp) = (of_cell?, of_mlp?);
        let mlp = self.mlp.as_ref().map(|mlp| mlp.with_mask(of_mlp.as_ref()));
        let x = residual_block(x, &output, self.out.map(), of_cell.as_ref(), mlp)?;
        Ok((x, window))
    }

    fn mask(&self, x: &Tensor, pass: Pass<'_>, half: Half) -> Result<Option<Tensor>> {
        match pass.masks {
            Some(masks) => {
                masks.residual(self.config.dropout, (x, pass.sizes[1]), self.index, half)
            }
            None => Ok(None),
        }
    }

    /// The present parameters, for rows outside the computation graph.
    pub(super) fn rows(&self) -> Result<BlockRows> {
        Ok(BlockRows {
            norm: self.norm.rows()?,
            conv: self.conv.as_ref().map(Conv::rows).transpose()?,
            out: self.out.rows()?,
            mlp: self.mlp.as_ref().map(Mlp::rows).transpose()?,
        })
    }
}

/// A [`Block`] on slices: no tensors, no allocation.
#[derive(Clone)]
pub(super) struct BlockRows {
    pub(super) norm: NormRows,
    pub(super) conv: Option<ConvRows>,
    pub(super) out: LinearRows,
    pub(super) mlp: Option<MlpRows>,
}

impl BlockRows {
    /// How many parameters a step reads.
    pub(super) fn count(&self) -> usize {
        let conv = self.conv.as_ref().map_or(0, ConvRows::count);
        let mlp = self.mlp.as_ref().map_or(0, MlpRows::count);
        self.norm.count() + conv + self.out.count() + mlp
    }
}
