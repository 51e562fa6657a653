//! Blocks step by step, for a few sequences.

use std::sync::Arc;

use super::blocks::BlocksRows;
use super::conv::ConvRows;
use super::mlp::MlpRows;
use crate::error::Result;

/// What blocks keep from one step to the next, and the memory of a step.
pub(in super::super) struct BlocksStream {
    weights: Arc<BlocksRows>,
    batch: usize,
    /// The window of each layer's convolution, `[K − 1, B, D]`; empty without convolutions.
    windows: Vec<Vec<f32>>,
    /// `[B, D]` each: the residual stream, the input of a cell, its output.
    x: Vec<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
    /// `[2 M]`
    hidden: Vec<f32>,
}

impl BlocksStream {
    /// For `batch` sequences, all windows zero.
    pub(in super::super) fn new(weights: &Arc<BlocksRows>, batch: usize) -> Self {
        let size = batch * weights.embed.outputs();
        let window = |conv: &ConvRows| vec![0.0; conv.window() * size];
        let convs = weights.blocks.iter().filter_map(|block| block.conv.as_ref());
        let mlps = weights.blocks.iter().filter_map(|block| block.mlp.as_ref());
        let hidden = mlps.map(MlpRows::hidden).max().unwrap_or(0);
        Self {
            weights: weights.clone(),
            batch,
            windows: convs.map(window).collect(),
            x: vec![0.0; size],
            input: vec![0.0; size],
            output: vec![0.0; size],
            hidden: vec![0.0; 2 * hidden],
        }
    }

    /// The size of the inputs of a sequence.
    pub(in super::super) fn inputs(&self) -> usize {
        self.weights.embed.inputs()
    }

    /// Reads `x: [B, I]`, and writes `output: [B, D]`. `run` runs the cells of a layer, from its inputs to its outputs,
    /// `[B, D]` both.
    pub(in super::super) fn step(
        &mut self,
        x: &[f32],
        output: &mut [f32],
        mut run: impl FnMut(usize, &[f32], &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        let weights = &*self.weights;
        let (inputs, width) = (weights.embed.inputs(), weights.embed.outputs());
        for (x, stream) in x.chunks_exact(inputs).zip(self.x.chunks_exact_mut(width)) {
            weights.embed.forward(x, stream);
        }
        for (index, block) in weights.blocks.iter().enumerate() {
            let rows = self.x.chunks_exact(width).zip(self.input.chunks_exact_mut(width));
            for (x, input) in rows {
                block.norm.forward(x, input);
            }
            if let (Some(conv), Some(window)) = (&block.conv, self.windows.get_mut(index)) {
                conv.step(&self.input, window, &mut self.output);
                std::mem::swap(&mut self.input, &mut self.output);
            }
            run(index, &self.input, &mut self.output)?;
            let rows = self.x.chunks_exact_mut(width).zip(self.output.chunks_exact(width));
            for (x, cell) in rows {
                let row = &mut self.input[..width];
                block.out.forward(cell, row);
                x.iter_mut().zip(row).for_each(|(x, more)| *x += *more);
                if let Some(mlp) = &block.mlp {
                    let hidden = &mut self.hidden[..2 * mlp.hidden()];
                    mlp.step(x, &mut self.input[..width], hidden);
                }
            }
        }
        for (x, output) in self.x.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
            weights.norm.forward(x, output);
        }
        Ok(())
    }

    /// The window of a layer's convolution, `[K − 1, B, D]`; empty without one.
    pub(in super::super) fn window(&self, layer: usize) -> &[f32] {
        self.windows.get(layer).map_or(&[], Vec::as_slice)
    }

    /// Sets the window of a layer, to as many numbers as it has.
    pub(in super::super) fn set_window(&mut self, layer: usize, numbers: &[f32]) {
        if let Some(window) = self.windows.get_mut(layer) {
            window.copy_from_slice(numbers);
        }
    }

    /// Sets the windows of one sequence to zero.
    pub(in super::super) fn reset(&mut self, sequence: usize) {
        let width = self.weights.embed.outputs();
        for window in &mut self.windows {
            for row in window.chunks_exact_mut(width).skip(sequence).step_by(self.batch) {
                row.fill(0.0);
            }
        }
    }
}
