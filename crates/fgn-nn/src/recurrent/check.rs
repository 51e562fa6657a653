//! What a run is given, checked; and its states, looked through for what is not a number.

use candle_core::{DType, Tensor};

use super::{Recurrent, State};
use crate::{Error, Result};

impl Recurrent {
    /// The input with steps first.
    pub(super) fn checked_input(&self, x: &Tensor) -> Result<Tensor> {
        let axes = if self.config.batch_first { "B, T" } else { "T, B" };
        if !matches!(*x.dims(), [_, _, features] if features == self.input_size) {
            return Err(Error::Shape {
                what: "inputs of the recurrent layer",
                found: x.dims().to_vec(),
                expected: format!("[{axes}, {}]", self.input_size),
            });
        }
        self.checked_numbers("inputs of the recurrent layer", x)?;
        self.turned(x)
    }

    pub(super) fn checked_state(&self, state: &State, x: &Tensor) -> Result<State> {
        if (state.tensors.len(), state.bidirectional)
            != (self.layers.len(), self.config.bidirectional)
        {
            let ways = |bidirectional| if bidirectional { 2 } else { 1 };
            let found = ways(state.bidirectional);
            return Err(Error::Shape {
                what: "initial states, as [layers, directions],",
                found: vec![state.tensors.len() / found, found],
                expected: format!("[{}, {}]", self.config.layers, ways(self.config.bidirectional)),
            });
        }
        let batch = x.dim(1)?;
        for (layer, tensor) in self.layers.iter().zip(&state.tensors) {
            let shape = [self.config.cell.spec().states.len(), batch, self.config.hidden_size];
            if tensor.dims() != shape {
                return Err(Error::Shape {
                    what: "initial states",
                    found: tensor.dims().to_vec(),
                    expected: format!("{shape:?} for layer {}", layer.place.layer),
                });
            }
            self.checked_numbers("initial states", tensor)?;
        }
        Ok(state.clone())
    }

    /// Resets with steps first, beside an input that has.
    pub(super) fn checked_resets(&self, resets: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (steps, batch, _) = x.dims3()?;
        let expected = if self.config.batch_first { [batch, steps] } else { [steps, batch] };
        if resets.dims() != expected {
            return Err(Error::Shape {
                what: "resets",
                found: resets.dims().to_vec(),
                expected: format!("{expected:?}"),
            });
        }
        if resets.dtype() != DType::U8 {
            return Err(Error::DType { what: "resets", found: resets.dtype(), expected: "U8" });
        }
        self.turned(resets)
    }

    fn checked_numbers(&self, what: &'static str, tensor: &Tensor) -> Result<()> {
        if tensor.dtype() == self.dtype {
            return Ok(());
        }
        let expected = if self.dtype == DType::F64 { "F64" } else { "F32" };
        Err(Error::DType { what, found: tensor.dtype(), expected })
    }

    /// Looks through the states in the order in which they were computed, layer by layer: what is not a
    /// number in a lower layer is the cause of what is not in a higher one. `all: [T, B, S, H]` each.
    pub(super) fn find_nan(
        &self,
        initial: &State,
        all: &[Tensor],
        lengths: Option<&[usize]>,
    ) -> Result<()> {
        let names = self.config.cell.spec().states;
        for ((layer, initial), all) in self.layers.iter().zip(&initial.tensors).zip(all) {
            let (steps, batch, count, hidden) = all.dims4()?;
            let found = |step, sequence, state: usize, unit| Error::NotANumber {
                state: names[state],
                layer: layer.place.layer,
                reverse: layer.place.reverse,
                step,
                sequence,
                unit,
            };
            let numbers = |tensor: &Tensor| -> Result<Vec<f64>> {
                Ok(tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
            };
            if let Some(place) = numbers(initial)?.iter().position(|x| x.is_nan()) {
                let (state, rest) = (place / (batch * hidden), place % (batch * hidden));
                return Err(found(None, rest / hidden, state, rest % hidden));
            }
            let all = numbers(all)?;
            for taken in 0..steps {
                for sequence in 0..batch {
                    let length = lengths.map_or(steps, |lengths| lengths[sequence]);
                    if taken >= length {
                        continue;
                    }
                    let step = if layer.place.reverse { length - 1 - taken } else { taken };
                    let row = &all[(step * batch + sequence) * count * hidden..][..count * hidden];
                    if let Some(place) = row.iter().position(|x| x.is_nan()) {
                        return Err(found(Some(step), sequence, place / hidden, place % hidden));
                    }
                }
            }
        }
        Ok(())
    }
}
