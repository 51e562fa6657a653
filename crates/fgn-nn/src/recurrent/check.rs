//! Checks of the inputs of a forward pass, and the search for the first NaN in its states.

use candle_core::{DType, Tensor};

use super::checked::Checked;
use super::options::{RecurrentInput, RecurrentOptions};
use super::stack::Recurrent;
use super::state::State;
use crate::check::check;
use crate::error::{Error, Result};

impl Recurrent {
    /// The input with steps first, and what else belongs to a pass over it.
    pub(super) fn checked<'a>(
        &self,
        input: RecurrentInput<'a>,
        options: &RecurrentOptions<'a>,
    ) -> Result<(Tensor, Checked<'a>)> {
        let (x, batch_first, lengths) = match input {
            RecurrentInput::Features(x) => (x, self.config.batch_first, options.lengths),
            RecurrentInput::Sequences(x) => {
                let (fits, found) = (options.lengths.is_none(), format!("{:?}", options.lengths));
                check(fits, "lengths", found, "None: sequences have lengths of their own")?;
                (x.tensor(), false, x.lengths())
            }
        };
        self.check_features(x, batch_first)?;
        let initial = State::new(Vec::new(), self.config.bidirectional);
        let mut checked = Checked { batch_first, initial, resets: None, lengths };
        let x = checked.in_callers_order(x)?;
        checked.initial = match options.state {
            Some(state) => self.checked_state(state, &x)?,
            None => self.zero_state(x.dim(1)?)?,
        };
        if let Some(resets) = options.resets {
            checked.resets = Some(checked_resets(resets, &x, &checked)?);
        }
        Ok((x, checked))
    }

    fn check_features(&self, x: &Tensor, batch_first: bool) -> Result<()> {
        if !matches!(*x.dims(), [_, _, features] if features == self.input_size) {
            let axes = if batch_first { "B, T" } else { "T, B" };
            return Err(Error::Shape {
                what: "inputs of the recurrent layer",
                found: x.dims().to_vec(),
                expected: format!("[{axes}, {}]", self.input_size),
            });
        }
        self.check_dtype("inputs of the recurrent layer", x)
    }

    fn checked_state(&self, state: &State, x: &Tensor) -> Result<State> {
        if (state.tensors.len(), state.bidirectional)
            != (self.layers.len(), self.config.bidirectional)
        {
            let directions = |bidirectional| if bidirectional { 2 } else { 1 };
            let found = directions(state.bidirectional);
            return Err(Error::Shape {
                what: "initial states, as [layers, directions],",
                found: vec![state.tensors.len() / found, found],
                expected: format!(
                    "[{}, {}]",
                    self.config.layers,
                    directions(self.config.bidirectional)
                ),
            });
        }
        let batch = x.dim(1)?;
        for (layer, tensor) in self.layers.iter().zip(&state.tensors) {
            let shape = [self.config.state_rows(), batch, self.config.hidden_size];
            if tensor.dims() != shape {
                return Err(Error::Shape {
                    what: "initial states",
                    found: tensor.dims().to_vec(),
                    expected: format!("{shape:?} for layer {}", layer.at.layer),
                });
            }
            self.check_dtype("initial states", tensor)?;
        }
        Ok(state.clone())
    }

    fn check_dtype(&self, what: &'static str, tensor: &Tensor) -> Result<()> {
        if tensor.dtype() == self.dtype {
            return Ok(());
        }
        let expected = if self.dtype == DType::F64 { "F64" } else { "F32" };
        Err(Error::DType { what, found: tensor.dtype(), expected })
    }

    /// Searches the states for NaN in the order in which they were computed, layer by layer: a NaN in a lower
    /// layer is the cause of those in higher ones. `all: [T, B, S, H]` each.
    pub(super) fn find_nan(
        &self,
        initial: &State,
        all: &[Tensor],
        lengths: Option<&[usize]>,
    ) -> Result<()> {
        let names = self.config.cell.spec().states;
        for ((layer, initial), all) in self.layers.iter().zip(&initial.tensors).zip(all) {
            let (steps, batch, count, hidden) = all.dims4()?;
            let found = |step, sequence, state: usize, unit| Error::NanState {
                // Past the cell's states come the inputs that a convolution keeps.
                state: names.get(state).copied().unwrap_or("conv"),
                layer: layer.at.layer,
                reverse: layer.at.reverse,
                step,
                sequence,
                unit,
            };
            let numbers = |tensor: &Tensor| -> Result<Vec<f64>> {
                Ok(tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
            };
            if let Some(index) = numbers(initial)?.iter().position(|x| x.is_nan()) {
                let (state, rest) = (index / (batch * hidden), index % (batch * hidden));
                return Err(found(None, rest / hidden, state, rest % hidden));
            }
            let all = numbers(all)?;
            for done in 0..steps {
                for sequence in 0..batch {
                    let length = lengths.map_or(steps, |lengths| lengths[sequence]);
                    if done >= length {
                        continue;
                    }
                    let step = if layer.at.reverse { length - 1 - done } else { done };
                    let row = &all[(step * batch + sequence) * count * hidden..][..count * hidden];
                    if let Some(index) = row.iter().position(|x| x.is_nan()) {
                        return Err(found(Some(step), sequence, index / hidden, index % hidden));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The resets with steps first, as the input `x` has them.
fn checked_resets(resets: &Tensor, x: &Tensor, checked: &Checked<'_>) -> Result<Tensor> {
    let (steps, batch, _) = x.dims3()?;
    let expected = if checked.batch_first { [batch, steps] } else { [steps, batch] };
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
    checked.in_callers_order(resets)
}
