//! One layer of a stack in one direction.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, LayerShape, Layout, TensorSlot};
use fgn_kernels::{PackedWeights, SequenceOptions, SequenceOutput, sequence};

use super::config::RecurrentConfig;
use super::masks::Masks;
use crate::error::Result;
use crate::layer_direction::LayerDirection;

/// One layer of a stack in one direction: its parameters.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) at: LayerDirection,
    pub(super) cell: AnyCell,
    pub(super) shape: LayerShape,
    dtype: DType,
    device: Device,
    /// In the order of [`Layout::tensors`].
    parameters: Vec<Slot>,
    /// All of them, in the kernels' own layout; only of a layer that is no longer trained.
    packed: Option<PackedWeights>,
}

/// One of the tensors that the kernels take.
#[derive(Clone, Debug)]
struct Slot {
    name: &'static str,
    len: usize,
    /// `None` for a bias of a layer without biases.
    tensor: Option<Tensor>,
}

impl Layer {
    /// A layer of the tensors that `take` returns.
    pub(super) fn new(
        config: &RecurrentConfig,
        input_size: usize,
        at: LayerDirection,
        (dtype, device): (DType, &Device),
        mut take: impl FnMut(&TensorSlot, LayerShape) -> Result<Tensor>,
    ) -> Result<Self> {
        let (cell, shape) = (config.cell, config.layer_shape(at, input_size));
        let mut parameters = Vec::new();
        for slot in Layout::of(cell.spec(), shape).tensors() {
            let exists = config.bias || !slot.name.starts_with("bias_");
            let tensor = exists.then(|| take(slot, shape)).transpose()?;
            parameters.push(Slot { name: slot.name, len: slot.len(), tensor });
        }
        Ok(Self { at, cell, shape, dtype, device: device.clone(), parameters, packed: None })
    }

    pub(super) fn detached(&self) -> Self {
        let mut detached = self.clone();
        for slot in &mut detached.parameters {
            slot.tensor = slot.tensor.as_ref().map(Tensor::detach);
        }
        detached
    }

    /// The same layer with a copy of its present parameters, packed once for all passes.
    pub(super) fn packed(&self, options: &SequenceOptions) -> Result<Self> {
        let mut layer = self.detached();
        for tensor in layer.parameters.iter_mut().filter_map(|slot| slot.tensor.as_mut()) {
            // Training writes into the memory of the present one.
            *tensor = tensor.copy()?;
        }
        let (weights, sizes) = (self.flat(0.0, None)?, [self.shape.input, self.shape.hidden]);
        layer.packed = Some(PackedWeights::new(self.cell, &weights, sizes, options)?);
        Ok(layer)
    }

    /// Computes the outputs for `x: [T, B, I]`, in training with some recurrent weights dropped.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        initial: &Tensor,
        options: &SequenceOptions,
        (weight_drop, masks): (f64, Option<Masks>),
    ) -> Result<SequenceOutput> {
        match &self.packed {
            Some(weights) if masks.is_none() => Ok(weights.sequence(x, initial, options)?),
            _ => {
                let weights = self.flat(weight_drop, masks)?;
                Ok(sequence(self.cell, x, &weights, initial, options)?)
            }
        }
    }

    /// A state of so many rows, `[rows, B, H]`.
    pub(super) fn zero_state(&self, rows: usize, batch: usize) -> Result<Tensor> {
        let shape = [rows, batch, self.shape.hidden];
        Ok(Tensor::zeros(&shape, self.dtype, &self.device)?)
    }

    /// All parameters as the one flat vector that the kernels take, in training with some recurrent weights
    /// dropped.
    pub(super) fn flat(&self, weight_drop: f64, masks: Option<Masks>) -> Result<Tensor> {
        let part = |slot: &Slot| match (&slot.tensor, masks) {
            (Some(tensor), Some(masks)) if slot.name == "weight_hh" => {
                Ok(masks.weights(weight_drop, tensor, self.at)?.flatten_all()?)
            }
            (Some(tensor), _) => Ok(tensor.flatten_all()?),
            (None, _) => Ok(Tensor::zeros(slot.len, self.dtype, &self.device)?),
        };
        let parts: Vec<_> = self.parameters.iter().map(part).collect::<Result<_>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }
}
