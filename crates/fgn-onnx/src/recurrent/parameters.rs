//! The parameters of one layer and direction.

use fgn_core::{AnyCell, LayerShape, Layout, Spec};

use crate::error::Result;
use crate::weights::Weights;

/// The parameters of one layer and direction, by tensor and block.
pub(super) struct LayerParameters {
    cell: AnyCell,
    shape: LayerShape,
    layout: Layout,
    /// In the order of the layout; `None` for a bias of a layer without biases.
    tensors: Vec<Option<Vec<f32>>>,
}

impl LayerParameters {
    pub(super) fn take(
        weights: &mut Weights<'_>,
        cell: AnyCell,
        shape: LayerShape,
        suffix: &str,
    ) -> Result<Self> {
        let layout = Layout::of(cell.spec(), shape);
        let mut tensors = Vec::new();
        for slot in layout.tensors() {
            let name = format!("recurrent.{}{suffix}", slot.name);
            let is_absent = slot.name.starts_with("bias_") && !weights.has(&name);
            tensors.push(if is_absent { None } else { Some(weights.take(&name, &slot.shape)?) });
        }
        Ok(Self { cell, shape, layout, tensors })
    }

    pub(super) fn cell(&self) -> AnyCell {
        self.cell
    }

    pub(super) fn spec(&self) -> &'static Spec {
        self.cell.spec()
    }

    pub(super) fn shape(&self) -> LayerShape {
        self.shape
    }

    /// A whole tensor, if the layer has it.
    pub(super) fn tensor(&self, name: &str) -> Option<&[f32]> {
        let index = self.layout.tensors().iter().position(|slot| slot.name == name)?;
        self.tensors.get(index)?.as_deref()
    }

    /// The rows of a tensor for one block, if it has any.
    pub(super) fn block(&self, name: &str, block: usize) -> Option<&[f32]> {
        let slot = self.layout.tensor(name)?;
        let index = slot.blocks.iter().position(|&of| of == block)?;
        let size = slot.len() / slot.blocks.len();
        self.tensor(name)?.get(index * size..(index + 1) * size)
    }

    /// The rows of a tensor for some blocks, one after the other; zeros for those without any.
    pub(super) fn blocks(&self, name: &str, blocks: &[usize], width: usize) -> Vec<f32> {
        let rows = |&block: &usize| match self.block(name, block) {
            Some(rows) => rows.to_vec(),
            None => vec![0.0; self.shape.hidden * width],
        };
        blocks.iter().flat_map(rows).collect()
    }

    /// The sum of a block's biases.
    pub(super) fn bias(&self, block: usize) -> Vec<f32> {
        let [input, hidden] = ["bias_ih", "bias_hh"].map(|name| self.blocks(name, &[block], 1));
        input.iter().zip(&hidden).map(|(input, hidden)| input + hidden).collect()
    }
}
