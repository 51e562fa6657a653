//! The forward pass of a stack.

use candle_core::{D, Tensor};
use fgn_kernels::{Emit, GateStatistics, SequenceOptions, SequenceOutput};

use super::block::blocks::{Blocks, rows_at_ends};
use super::block::residual::Pass;
use super::checked::Checked;
use super::layer::Layer;
use super::masks::Masks;
use super::options::{RecurrentInput, RecurrentOptions, RecurrentOutput};
use super::sequence_dropout::SequenceDropout;
use super::stack::Recurrent;
use super::state::State;
use crate::check::wrong_shape;
use crate::error::Result;
use crate::layer_direction::LayerDirection;

/// Runs the cell of a layer in one direction over its input `[T, B, ..]`, and returns all its outputs.
type Run<'a> = dyn FnMut(&Layer, &Tensor) -> Result<Tensor> + Send + 'a;

impl Recurrent {
    /// Computes the outputs and states for a tensor `[T, B, I]`, or `[B, T, I]` if the batch comes first; or for
    /// the [`Sequences`](crate::Sequences) of an input layer, whose steps come first also in the outputs.
    ///
    /// An input layer's sequences are best given whole, as `&Sequences`. Their bare tensor has steps first, and
    /// a layer with [`batch_first`](crate::RecurrentConfig::batch_first) would take steps for sequences: no check
    /// can notice it where `T = B`.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) or [`DType`](crate::Error::DType) for an input, state or resets that
    /// do not fit, [`Config`](crate::Error::Config) for lengths beside those of sequences,
    /// [`Candle`](crate::Error::Candle) for lengths that do not fit or a size of zero,
    /// [`NanState`](crate::Error::NanState) with [`RecurrentOptions::find_nan`].
    pub fn forward<'a>(
        &self,
        input: impl Into<RecurrentInput<'a>>,
        options: &RecurrentOptions<'a>,
    ) -> Result<RecurrentOutput> {
        let (x, checked) = self.checked(input.into(), options)?;
        let masks = options.seed.map(Masks::new);
        let mut results = Results::default();
        let (x, windows) = self.forward_layers(x, &checked, masks, &mut |layer, input| {
            let mut kernel = self.kernel_options(&checked, layer.at);
            kernel.emit = self.kernel_emit(options, layer.at);
            kernel.telemetry = options.telemetry;
            kernel.seed = masks.map(|masks| masks.kernel_seed(layer.at));
            let initial = self.cell_state(&checked.initial.tensors[results.states.len()])?;
            let drop = (self.config.weight_drop, masks);
            let output = layer.forward(input, &initial, &kernel, drop)?;
            results.add(output, &kernel, self.config.hidden_output_size())
        })?;
        if options.find_nan {
            self.find_nan(&checked.initial, &results.all, checked.lengths)?;
        }
        results.add_windows(&windows)?;
        Ok(RecurrentOutput {
            output: self.output(&x, options.emit, &checked)?,
            state: State {
                bidirectional: self.config.bidirectional,
                tensors: results.states,
                names: Some(self.config.state_names()),
            },
            states: match options.emit {
                Emit::States => {
                    let all = results.all.iter().map(|all| checked.in_callers_order(all));
                    all.collect::<Result<_>>()?
                }
                _ => Vec::new(),
            },
            gates: results.gates,
        })
    }

    /// Passes `x: [T, B, I]` through all layers, each direction by `run`. Returns what the last layer computes, `[T, B,
    /// ..]`, or `[B, ..]` where the kernels return the last outputs alone, or of blocks the rows of the residual stream,
    /// `[T · B, D]`; and the new windows of the blocks' convolutions, one a layer.
    pub(super) fn forward_layers(
        &self,
        x: Tensor,
        checked: &Checked<'_>,
        masks: Option<Masks>,
        run: &mut Run<'_>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        match &self.blocks {
            Some(blocks) => self.forward_blocks(blocks, &x, checked, masks, run),
            None => Ok((self.forward_plain(x, masks, run)?, Vec::new())),
        }
    }

    /// Layer over layer.
    fn forward_plain(
        &self,
        mut x: Tensor,
        masks: Option<Masks>,
        run: &mut Run<'_>,
    ) -> Result<Tensor> {
        for index in 0..self.config.layers {
            let input = match masks {
                Some(masks) => masks.inputs(self.dropout_before(index), &x, index)?,
                None => x.clone(),
            };
            let output = self.forward_layer(index, &input, run)?;
            let residual = self.config.residual && index > 0;
            x = if residual { (x + output)? } else { output };
        }
        Ok(x)
    }

    /// Along the residual stream of blocks.
    fn forward_blocks(
        &self,
        blocks: &Blocks,
        x: &Tensor,
        checked: &Checked<'_>,
        masks: Option<Masks>,
        run: &mut Run<'_>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        if x.elem_count() == 0 {
            let expected = "[T, B, I] without a size of zero".to_owned();
            return Err(wrong_shape("inputs of the recurrent layer", x, expected));
        }
        let input = match masks {
            Some(masks) => masks.inputs(self.config.input_dropout, x, 0)?,
            None => x.clone(),
        };
        let states = self.config.cell.spec().states.len();
        let window = self.config.state_rows() - states;
        let windows = match window {
            0 => Vec::new(),
            _ => {
                let tensors = checked.initial.tensors.iter();
                tensors.map(|tensor| tensor.narrow(0, states, window)).collect::<Result<_, _>>()?
            }
        };
        let (resets, lengths) = (checked.resets.as_ref(), checked.lengths);
        let (steps, batch, _) = x.dims3()?;
        let pass = Pass { sizes: [steps, batch], resets, lengths, masks, windows: &windows };
        let mut forward = || {
            let mut layer = |index, input: &Tensor| self.forward_layer(index, input, run);
            blocks.forward(&input, pass, &mut layer)
        };
        match x.device().is_cpu() {
            // Products run on rayon's threads. So does all else then: Candle's own threads, once used, would watch for
            // more work on the cores that the next product needs.
            true => rayon::scope(|_| forward()),
            false => forward(),
        }
    }

    /// The outputs of all directions of a layer, side by side.
    fn forward_layer(&self, index: usize, input: &Tensor, run: &mut Run<'_>) -> Result<Tensor> {
        let count = self.config.directions();
        let directions = self.layers[index * count..][..count].iter();
        let outputs = directions.map(|layer| run(layer, input));
        Ok(Tensor::cat(&outputs.collect::<Result<Vec<_>>>()?, D::Minus1)?)
    }

    /// The outputs of a pass in the caller's layout, from what the last layer computes.
    pub(super) fn output(&self, x: &Tensor, emit: Emit, checked: &Checked<'_>) -> Result<Tensor> {
        let (batch, lengths) = (checked.initial.tensors[0].dim(1)?, checked.lengths);
        match (&self.blocks, emit) {
            (Some(blocks), Emit::Last) => blocks.last_outputs(x, batch, lengths),
            (Some(blocks), _) => checked.in_callers_order(&blocks.outputs(x, batch, lengths)?),
            (None, Emit::Last) if x.rank() == 3 => self.last_outputs(x, lengths),
            (None, Emit::Last) => Ok(x.clone()),
            (None, _) => checked.in_callers_order(x),
        }
    }

    /// The state of the cell, `[S, B, H]`, within that of a layer, which may have a window too.
    pub(super) fn cell_state(&self, state: &Tensor) -> Result<Tensor> {
        let rows = self.config.cell.spec().states.len();
        match state.dim(0)? == rows {
            true => Ok(state.clone()),
            false => Ok(state.narrow(0, 0, rows)?),
        }
    }

    /// The kernels' options for that layer and direction, in any pass.
    pub(super) fn kernel_options(
        &self,
        checked: &Checked<'_>,
        at: LayerDirection,
    ) -> SequenceOptions {
        self.config
            .kernel_options()
            .with_reverse(at.reverse)
            .with_lengths(checked.lengths.map(<[_]>::to_vec))
            .with_resets(checked.resets.clone())
            .with_precision(self.precision)
    }

    /// What the kernels return: where only the last output is asked for, they keep no other, unless it is
    /// needed.
    fn kernel_emit(&self, options: &RecurrentOptions<'_>, at: LayerDirection) -> Emit {
        let is_output = !self.config.residual && self.blocks.is_none();
        let last = at.layer + 1 == self.config.layers && is_output;
        match options.emit {
            _ if options.find_nan => Emit::States,
            Emit::Last if !last => Emit::All,
            emit => emit,
        }
    }

    fn dropout_before(&self, layer: usize) -> SequenceDropout {
        if layer == 0 { self.config.input_dropout } else { self.config.dropout }
    }

    /// Of outputs `[T, B, D·P]`, those of each direction at its last step of each sequence: `[B, D·P]`.
    fn last_outputs(&self, output: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
        let size = self.config.hidden_output_size();
        let rows = output.narrow(2, 0, size)?.flatten(0, 1)?;
        let forward = rows_at_ends(&rows, output.dim(1)?, lengths)?;
        if !self.config.bidirectional {
            return Ok(forward);
        }
        let reverse = output.narrow(0, 0, 1)?.squeeze(0)?.narrow(1, size, size)?;
        Ok(Tensor::cat(&[forward, reverse], 1)?)
    }
}

/// Results of the layers so far.
#[derive(Default)]
struct Results {
    /// The final states.
    states: Vec<Tensor>,
    /// The states after every step, `[T, B, S, H]`, if asked for.
    all: Vec<Tensor>,
    gates: Vec<Vec<GateStatistics>>,
}

impl Results {
    /// Keeps the states and statistics of a layer, and returns its outputs.
    fn add(
        &mut self,
        found: SequenceOutput,
        options: &SequenceOptions,
        output_size: usize,
    ) -> Result<Tensor> {
        self.states.push(found.states);
        if options.telemetry {
            self.gates.push(found.gates);
        }
        if options.emit != Emit::States {
            return Ok(found.output);
        }
        let (_, _, rows, _) = found.output.dims4()?;
        self.all.push(found.output.narrow(2, 1, rows - 1)?);
        Ok(found.output.narrow(2, 0, 1)?.squeeze(2)?.narrow(2, 0, output_size)?)
    }

    /// Adds the windows of convolutions to the final states, one a layer, if there are any.
    fn add_windows(&mut self, windows: &[Tensor]) -> Result<()> {
        for (state, window) in self.states.iter_mut().zip(windows) {
            *state = Tensor::cat(&[&*state, window], 0)?;
        }
        Ok(())
    }
}
