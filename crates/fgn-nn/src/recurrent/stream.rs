//! Stacks of recurrent layers step by step.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fgn_kernels::Precision;

use super::block::blocks::{Blocks, BlocksRows};
use super::block::stream::BlocksStream;
use super::config::RecurrentConfig;
use super::stack::Recurrent;
use super::state::State;
use crate::check::check;
use crate::error::{Error, Result};

/// A recurrent layer's weights, packed for running step by step. A clone shares them.
#[derive(Clone)]
pub struct StreamWeights {
    config: RecurrentConfig,
    layers: Vec<fgn_kernels::LayerStreamWeights>,
    blocks: Option<Arc<BlocksRows>>,
}

/// A few sequences that pass through a whole stack of layers step by step, as their inputs come in. The
/// stream holds their states. A step has no computation graph, no tensors and no allocation. Its kernels
/// are those of [`fgn_kernels::LayerStream`], where threads and [`Precision`] are explained. What is around the layers of a
/// stack of [blocks](crate::BlockConfig) is computed in `f32`, on the caller's thread.
///
/// Made by [`Recurrent::stream_weights`]. A step computes what [`Recurrent::forward`] does in inference, up
/// to the order of sums: about 1e-6 in `f32` for numbers about 1.
pub struct Stream {
    weights: StreamWeights,
    batch: usize,
    layers: Vec<fgn_kernels::LayerStream>,
    blocks: Option<BlocksStream>,
    /// `[B, P]` or `[B, H]` each: the outputs of the layer below, and those of the present one.
    below: Vec<f32>,
    here: Vec<f32>,
}

impl Recurrent {
    /// The layer's present weights, packed for running step by step. Later training does not change
    /// them.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Parameters, Precision, Recurrent, RecurrentConfig};
    ///
    /// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
    /// let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::FGN, 16) };
    /// let layer = Recurrent::new(&mut parameters, "recurrent", 3, &config)?;
    ///
    /// let mut stream = layer.stream_weights(Precision::F32)?.stream(1, 1)?;
    /// let mut output = [0.0; 16];
    /// stream.step(&[0.1, 0.2, 0.3], &mut output)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] for a bidirectional layer. [`Error::Candle`] if the parameters are
    /// not in `f32` on the CPU.
    pub fn stream_weights(&self, precision: Precision) -> Result<StreamWeights> {
        self.config.check_streams()?;
        let layers = self.layers.iter().map(|layer| {
            let (weights, shape) = (layer.flat(0.0, None)?, layer.shape);
            let (sizes, options) = ([shape.input, shape.hidden], self.config.kernel_options());
            let cell = layer.cell;
            Ok(fgn_kernels::LayerStreamWeights::new(cell, &weights, sizes, precision, &options)?)
        });
        let layers = layers.collect::<Result<_>>()?;
        let blocks = self.blocks.as_ref().map(Blocks::rows).transpose()?.map(Arc::new);
        Ok(StreamWeights { config: self.config.clone(), layers, blocks })
    }
}

impl RecurrentConfig {
    fn check_streams(&self) -> Result<()> {
        let expected = "false: a stream has no access to later steps";
        check(!self.bidirectional, "recurrent.bidirectional", self.bidirectional, expected)
    }
}

impl StreamWeights {
    /// A stream of `batch` sequences over these weights, all states zero. Each layer is run by `threads`
    /// threads: the caller's, and others that belong to the stream.
    ///
    /// # Errors
    /// [`Error::Candle`] if one of the two is zero, or a thread cannot be started.
    pub fn stream(&self, batch: usize, threads: usize) -> Result<Stream> {
        let layers = self.layers.iter().map(|layer| Ok(layer.stream(batch, threads)?));
        let layers = layers.collect::<Result<_>>()?;
        let blocks = self.blocks.as_ref().map(|blocks| BlocksStream::new(blocks, batch));
        let is_plain = blocks.is_none();
        let between =
            if is_plain && self.layers.len() > 1 { batch * self.config.output_size() } else { 0 };
        let (below, here) = (vec![0.0; between], vec![0.0; between]);
        Ok(Stream { weights: self.clone(), batch, layers, blocks, below, here })
    }

    /// How many bytes of parameters a step reads.
    pub fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(fgn_kernels::LayerStreamWeights::bytes);
        layers.sum::<usize>() + self.blocks.as_ref().map_or(0, |blocks| blocks.bytes())
    }
}

impl Stream {
    /// The next step of every sequence: reads the inputs `x: [B, I]`, writes the last layer's `output:
    /// [B, H]`, or `[B, P]` with a projection.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Candle`] if a slice has another length; then nothing has changed.
    pub fn step(&mut self, x: &[f32], output: &mut [f32]) -> Result<()> {
        let expected = self.batch * self.weights.config.output_size();
        if output.len() != expected {
            return Err(Error::Shape {
                what: "outputs of a stream",
                found: vec![output.len()],
                expected: format!("[{expected}]: {} for each sequence", expected / self.batch),
            });
        }
        if let Some(blocks) = &mut self.blocks {
            let expected = self.batch * blocks.inputs();
            if x.len() != expected {
                return Err(Error::Shape {
                    what: "inputs of a stream",
                    found: vec![x.len()],
                    expected: format!("[{expected}]: {} for each sequence", blocks.inputs()),
                });
            }
            let layers = &mut self.layers;
            return blocks.step(x, output, |layer, x, y| Ok(layers[layer].step(x, y)?));
        }
        let Some((last, lower)) = self.layers.split_last_mut() else { return Ok(()) };
        let residual = self.weights.config.residual;
        for (index, layer) in lower.iter_mut().enumerate() {
            if index == 0 {
                layer.step(x, &mut self.below)?;
                continue;
            }
            layer.step(&self.below, &mut self.here)?;
            if residual {
                add(&mut self.here, &self.below);
            }
            std::mem::swap(&mut self.here, &mut self.below);
        }
        if lower.is_empty() {
            last.step(x, output)?;
        } else {
            last.step(&self.below, output)?;
            if residual {
                add(output, &self.below);
            }
        }
        Ok(())
    }

    /// How many bytes of parameters a step reads.
    pub fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The states of all sequences, as [`Recurrent::forward`] takes them.
    ///
    /// # Errors
    /// [`Error::Candle`] if there is not enough memory.
    pub fn state(&self) -> Result<State> {
        let config = &self.weights.config;
        let shape = [config.state_rows(), self.batch, config.hidden_size];
        let tensor = |layer| {
            let mut numbers = Vec::with_capacity(shape.iter().product());
            self.add_numbers(layer, &mut numbers)?;
            Ok(Tensor::from_vec(numbers, &shape, &Device::Cpu)?)
        };
        let tensors = (0..self.layers.len()).map(tensor).collect::<Result<_>>()?;
        Ok(State { bidirectional: false, tensors, names: Some(config.state_names()) })
    }

    /// Continues from states: those of another stream, or of a forward pass.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not fit; then nothing has changed.
    pub fn set_state(&mut self, state: &State) -> Result<()> {
        let config = &self.weights.config;
        let shape = [config.state_rows(), self.batch, config.hidden_size];
        let tensors = state.tensors();
        if let Some(wrong) = tensors.iter().find(|tensor| tensor.dims() != shape) {
            let found = wrong.dims().to_vec();
            let expected = format!("{shape:?}");
            return Err(Error::Shape { what: "states of a stream", found, expected });
        }
        if tensors.len() != self.layers.len() {
            let (found, expected) = (vec![tensors.len()], format!("[{}]", self.layers.len()));
            return Err(Error::Shape { what: "states of a stream, as [layers],", found, expected });
        }
        let numbers = tensors
            .iter()
            .map(|tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>())
            .collect::<candle_core::Result<Vec<_>>>()?;
        numbers.iter().enumerate().try_for_each(|(layer, numbers)| self.set_layer(layer, numbers))
    }

    /// Writes the states of all sequences, one layer after the other, in place of what `numbers` holds.
    pub(crate) fn numbers(&self, numbers: &mut Vec<f32>) -> Result<()> {
        numbers.clear();
        (0..self.layers.len()).try_for_each(|layer| self.add_numbers(layer, numbers))
    }

    /// Appends the state of a layer: `[S, B, H]`, and the window of its convolution.
    fn add_numbers(&self, layer: usize, numbers: &mut Vec<f32>) -> Result<()> {
        numbers.extend(self.layers[layer].states(..)?);
        numbers.extend(self.blocks.iter().flat_map(|blocks| blocks.window(layer)));
        Ok(())
    }

    /// Sets the state of a layer to the numbers that [`add_numbers`](Self::add_numbers) appends.
    fn set_layer(&mut self, layer: usize, numbers: &[f32]) -> Result<()> {
        let config = &self.weights.config;
        let own = config.cell.spec().states.len() * self.batch * config.hidden_size;
        let (states, window) = numbers.split_at(own);
        self.layers[layer].set_states(.., states)?;
        if let Some(blocks) = &mut self.blocks {
            blocks.set_window(layer, window);
        }
        Ok(())
    }

    /// Continues from states that [`numbers`](Self::numbers) wrote.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more or fewer of them; then nothing has changed.
    pub(crate) fn set_numbers(&mut self, numbers: &[f32]) -> Result<()> {
        let config = &self.weights.config;
        let size = config.state_rows() * self.batch * config.hidden_size;
        if numbers.len() != size * self.layers.len() {
            let (found, expected) =
                (vec![numbers.len()], format!("[{}]", size * self.layers.len()));
            return Err(Error::Shape { what: "states of a stream", found, expected });
        }
        let mut numbers = numbers.chunks_exact(size).enumerate();
        numbers.try_for_each(|(layer, numbers)| self.set_layer(layer, numbers))
    }

    /// Starts a new sequence in place of one: sets its states to zero in all layers.
    ///
    /// # Errors
    /// [`Error::Candle`] if there are fewer sequences.
    pub fn reset(&mut self, sequence: usize) -> Result<()> {
        for layer in &mut self.layers {
            layer.reset(sequence..=sequence)?;
        }
        if let Some(blocks) = &mut self.blocks {
            blocks.reset(sequence);
        }
        Ok(())
    }
}

fn add(sums: &mut [f32], terms: &[f32]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}
