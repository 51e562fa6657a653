use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Form, Layout, TensorSlot};
use fgn_kernels::{Options, Sequence, SequenceWeights, sequence};

use super::masks::Masks;
use super::{Place, RecurrentConfig};
use crate::Result;

/// One layer of a stack in one direction: its parameters.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) place: Place,
    pub(super) cell: AnyCell,
    pub(super) form: Form,
    dtype: DType,
    device: Device,
    /// In the order of [`Layout::tensors`].
    parameters: Vec<Slot>,
    /// All of them laid out, of a layer that is frozen.
    frozen: Option<SequenceWeights>,
}

/// One of the tensors that the kernels take.
#[derive(Clone, Debug)]
struct Slot {
    name: &'static str,
    len: usize,
    /// `None` of the biases of a layer without.
    tensor: Option<Tensor>,
}

impl Layer {
    /// A layer whose tensors `take` gives.
    pub(super) fn new(
        config: &RecurrentConfig,
        input_size: usize,
        place: Place,
        (dtype, device): (DType, &Device),
        mut take: impl FnMut(&TensorSlot, Form) -> Result<Tensor>,
    ) -> Result<Self> {
        let (cell, form) = (config.cell, config.form(place, input_size));
        let mut parameters = Vec::new();
        for slot in Layout::of(cell.spec(), form).tensors() {
            let there = config.bias || !slot.name.starts_with("bias_");
            let tensor = there.then(|| take(slot, form)).transpose()?;
            parameters.push(Slot { name: slot.name, len: slot.len(), tensor });
        }
        Ok(Self { place, cell, form, dtype, device: device.clone(), parameters, frozen: None })
    }

    pub(super) fn detached(&self) -> Self {
        let mut detached = self.clone();
        for slot in &mut detached.parameters {
            slot.tensor = slot.tensor.as_ref().map(Tensor::detach);
        }
        detached
    }

    pub(super) fn frozen(&self, options: &Options) -> Result<Self> {
        let mut frozen = self.detached();
        for tensor in frozen.parameters.iter_mut().filter_map(|slot| slot.tensor.as_mut()) {
            // What is learned later is written into the memory of the one there is.
            *tensor = tensor.copy()?;
        }
        let (weights, sizes) = (self.packed(0.0, None)?, [self.form.input, self.form.hidden]);
        frozen.frozen = Some(SequenceWeights::new(self.cell, &weights, sizes, options)?);
        Ok(frozen)
    }

    /// Runs over `x: [T, B, I]`, in training with recurrent weights dropped.
    pub(super) fn run(
        &self,
        x: &Tensor,
        initial: &Tensor,
        options: &Options,
        (weight_drop, masks): (f64, Option<Masks>),
    ) -> Result<Sequence> {
        match &self.frozen {
            Some(weights) if masks.is_none() => Ok(weights.sequence(x, initial, options)?),
            _ => {
                let weights = self.packed(weight_drop, masks)?;
                Ok(sequence(self.cell, x, &weights, initial, options)?)
            }
        }
    }

    /// `[S, B, H]`.
    pub(super) fn zero_state(&self, batch: usize) -> Result<Tensor> {
        let shape = [self.cell.spec().states.len(), batch, self.form.hidden];
        Ok(Tensor::zeros(&shape, self.dtype, &self.device)?)
    }

    /// All parameters as the one flat vector that the kernels take, in training with recurrent weights
    /// dropped.
    pub(super) fn packed(&self, weight_drop: f64, masks: Option<Masks>) -> Result<Tensor> {
        let part = |slot: &Slot| match (&slot.tensor, masks) {
            (Some(tensor), Some(masks)) if slot.name == "weight_hh" => {
                Ok(masks.weights(weight_drop, tensor, self.place)?.flatten_all()?)
            }
            (Some(tensor), _) => Ok(tensor.flatten_all()?),
            (None, _) => Ok(Tensor::zeros(slot.len, self.dtype, &self.device)?),
        };
        let parts: Vec<_> = self.parameters.iter().map(part).collect::<Result<_>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }
}
