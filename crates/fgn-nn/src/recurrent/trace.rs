//! The gates of a whole stack, step by step.

use candle_core::Tensor;
use fgn_kernels::{Trace, trace};

use super::options::{RecurrentInput, RecurrentOptions};
use super::stack::Recurrent;
use crate::error::Result;
use crate::layer_direction::LayerDirection;

/// The gates of one layer of a stack, in one direction, at every step.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTrace {
    /// Counted from 0, from the input upwards.
    pub layer: usize,
    /// Whether it ran from each sequence's end to its beginning. Its values are in the order of the input's
    /// steps all the same.
    pub reverse: bool,
    /// The gates' values, `[T, B, H]` each, also where the batch comes first in the input.
    pub trace: Trace,
}

impl Recurrent {
    /// Computes the output as [`forward`](Self::forward) does in inference, and returns it with the gates of
    /// every layer and direction, in the order of [`State::tensors`](crate::State::tensors). `seed`,
    /// `telemetry` and `find_nan` have no effect, and [`Emit::States`](crate::Emit::States) returns what [`Emit::All`](crate::Emit::All) does.
    /// Nothing is kept for a backward pass.
    ///
    /// Each gate of each unit is computed again at each step, in `f64` and one by one: this is for looking
    /// at a few samples, not for training.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Parameters, Recurrent, RecurrentConfig, RecurrentOptions};
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
    /// let (output, traces) = layer.trace(&x, &RecurrentOptions::default())?;
    /// assert_eq!(output.dims(), [20, 3, 2 * 16]);
    /// assert_eq!(traces.len(), 2 * 2);
    /// let top = &traces[3];
    /// assert_eq!((top.layer, top.reverse, top.trace.shape), (1, true, [20, 3, 16]));
    /// assert_eq!(top.trace.gates[3].name, "phi");
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), for shapes, types and lengths that do not fit.
    pub fn trace<'a>(
        &self,
        input: impl Into<RecurrentInput<'a>>,
        options: &RecurrentOptions<'a>,
    ) -> Result<(Tensor, Vec<LayerTrace>)> {
        let (x, checked) = self.checked(input.into(), options)?;
        let detached = self.detached();
        let mut traces = Vec::new();
        let (x, _) = detached.forward_layers(x.detach(), &checked, None, &mut |layer, input| {
            let kernel = self.kernel_options(&checked, layer.at);
            let weights = layer.flat(0.0, None)?;
            let initial = self.cell_state(&checked.initial.tensors[traces.len()])?;
            let (output, trace) = trace(self.config.cell, input, &weights, &initial, &kernel)?;
            let LayerDirection { layer, reverse } = layer.at;
            traces.push(LayerTrace { layer, reverse, trace });
            Ok(output)
        })?;
        Ok((detached.output(&x, options.emit, &checked)?, traces))
    }
}
