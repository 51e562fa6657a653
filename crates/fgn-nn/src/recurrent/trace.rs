//! What the gates of a whole stack did, step by step.

use candle_core::Tensor;
use fgn_kernels::{Emit, Trace, trace};

use super::{Recurrent, Run};
use crate::Result;

/// What the gates of one layer of a stack did, in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTrace {
    /// Counted from 0, from the input upwards.
    pub layer: usize,
    /// Whether it ran from each sequence's end to its beginning. Its numbers stand in the order of the
    /// input's steps all the same.
    pub reverse: bool,
    /// What its gates did, `[T, B, H]` each, whatever comes first in the input.
    pub trace: Trace,
}

impl Recurrent {
    /// Runs as [`forward`](Self::forward) does in use, and gives its output with what the gates of every
    /// layer and direction did, in the order of [`State::tensors`](super::State::tensors). Masks, telemetry
    /// and the look-out for what is no number are left aside, and so are the states of all steps: for
    /// [`Emit::States`] the output is that of [`Emit::All`]. Nothing is kept for a backward pass.
    ///
    /// Each gate of each unit is computed anew at each step, in `f64` and one by one: this is for looking
    /// at some samples, not for training.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Parameters, Recurrent, RecurrentConfig, Run};
    ///
    /// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
    /// let config = RecurrentConfig {
    ///     layers: 2,
    ///     bidirectional: true,
    ///     ..RecurrentConfig::new(AnyCell::FGN, 16)
    /// };
    /// let layer = Recurrent::new(&mut parameters, "encoder", 5, &config)?;
    ///
    /// let x = Tensor::ones((20, 3, 5), DType::F32, &Device::Cpu)?;
    /// let (output, traces) = layer.trace(&x, &Run::default())?;
    /// assert_eq!(output.dims(), [20, 3, 2 * 16]);
    /// assert_eq!(traces.len(), 2 * 2);
    /// let top = &traces[3];
    /// assert_eq!((top.layer, top.reverse, top.trace.shape), (1, true, [20, 3, 16]));
    /// assert_eq!(top.trace.gates[3].name, "phi");
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), of shapes, types and lengths that do not fit.
    pub fn trace(&self, x: &Tensor, run: &Run<'_>) -> Result<(Tensor, Vec<LayerTrace>)> {
        let (x, given) = self.checked(x, run)?;
        let mut traces = Vec::new();
        let output = self.stacked(x.detach(), None, |way, seen| {
            let options = self.options(run, &given, way.place);
            let weights = way.packed(0.0, None)?;
            let initial = &given.initial.tensors[traces.len()];
            let (output, trace) = trace(self.config.cell, seen, &weights, initial, &options)?;
            let (layer, reverse) = (way.place.layer, way.place.reverse);
            traces.push(LayerTrace { layer, reverse, trace });
            Ok(output)
        })?;
        let output = match run.emit {
            Emit::Last => self.ends(&output, run.lengths)?,
            Emit::All | Emit::States => self.turned(&output)?,
        };
        Ok((output, traces))
    }
}
