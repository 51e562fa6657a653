use candle_core::Tensor;
use fgn_core::{AnyCell, Layout};
use fgn_kernels::{Emit, Options, Precision, Sequence, StreamWeights, sequence};

use crate::config::{RecurrentConfig, width};
use crate::{Error, Parameters, Result, init};

/// A recurrent layer over any cell.
///
/// Its parameters are PyTorch's where PyTorch has the cell: `weight_ih_l0 [G·H, I]`,
/// `weight_hh_l0 [G·H, H]`, `bias_ih_l0 [G·H]`, `bias_hh_l0 [G·H]`, each with those of the cell's
/// gates that it has rows for (see [`Layout`]), and `{vector}_l0 [H]` for the cell's per-unit
/// vectors. [`InitConfig`](crate::InitConfig) says how they are drawn.
#[derive(Clone, Debug)]
pub struct Recurrent {
    cell: AnyCell,
    input_size: usize,
    hidden_size: usize,
    /// In the order of [`Layout::tensors`].
    parameters: Vec<Tensor>,
}

impl Recurrent {
    /// A layer of `config.hidden_size` units over `input_size` features; parameters are named
    /// `{name}.weight_ih_l0` and so on.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that no layer can be built with.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        input_size: usize,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        config.validate()?;
        width("input_size", input_size)?;
        let (cell, hidden_size) = (config.cell, config.hidden_size);
        let spec = cell.spec();
        let layout = Layout::new(spec, input_size, hidden_size);
        let parameters = layout.tensors().iter().map(|slot| {
            let var = parameters.take(format!("{name}.{}_l0", slot.name), &slot.shape, |rng| {
                init::recurrent(&config.init, spec, slot, hidden_size, rng)
            })?;
            Ok(var.as_tensor().clone())
        });
        Ok(Self { cell, input_size, hidden_size, parameters: parameters.collect::<Result<_>>()? })
    }

    /// The same layer with the same parameters, outside the computation graph: its results cannot be
    /// differentiated by them, and nothing is kept for a backward pass.
    pub fn detached(&self) -> Self {
        let parameters = self.parameters.iter().map(Tensor::detach).collect();
        Self { parameters, ..self.clone() }
    }

    /// Runs over `x: [T, B, I]` from the initial `states: [S, B, H]`, zero if none are given. The
    /// output is `[T, B, H]`, or `[B, H]` of the last step, as `emit` says; the final states are
    /// `[S, B, H]`. `S` counts the cell's states: `[m, c]` for an LSTM.
    ///
    /// # Errors
    /// [`Error::Shape`] for an `x` or `states` of another shape.
    pub fn forward(&self, x: &Tensor, states: Option<&Tensor>, emit: Emit) -> Result<Sequence> {
        let batch = match *x.dims() {
            [_, batch, features] if features == self.input_size => batch,
            _ => {
                return Err(Error::Shape {
                    what: "inputs of the recurrent layer",
                    found: x.dims().to_vec(),
                    expected: format!("[T, B, {}]", self.input_size),
                });
            }
        };
        let shape = [self.cell.spec().states.len(), batch, self.hidden_size];
        let states = match states {
            Some(states) if states.dims() == shape => states.clone(),
            Some(states) => {
                return Err(Error::Shape {
                    what: "initial states",
                    found: states.dims().to_vec(),
                    expected: format!("{shape:?}"),
                });
            }
            None => Tensor::zeros(&shape, x.dtype(), x.device())?,
        };
        let options = Options { emit, ..Options::default() };
        Ok(sequence(self.cell, x, &self.packed()?, &states, &options)?)
    }

    /// The layer's present weights, packed for running step by step. What is learned later does not
    /// change them.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{InitConfig, Parameters, Precision, Recurrent, RecurrentConfig};
    ///
    /// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
    /// let config =
    ///     RecurrentConfig { hidden_size: 16, cell: AnyCell::FGN, init: InitConfig::default() };
    /// let layer = Recurrent::new(&mut parameters, "recurrent", 3, &config)?;
    ///
    /// let mut stream = layer.stream_weights(Precision::F32)?.stream(1, 1)?;
    /// let mut output = [0.0; 16];
    /// stream.step(&[0.1, 0.2, 0.3], &mut output)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the parameters are not in `f32` on the CPU.
    pub fn stream_weights(&self, precision: Precision) -> Result<StreamWeights> {
        let packed = self.packed()?;
        let (input, hidden) = (self.input_size, self.hidden_size);
        Ok(StreamWeights::new(self.cell, &packed, input, hidden, precision)?)
    }

    /// All parameters as the one flat vector that the kernels take.
    fn packed(&self) -> Result<Tensor> {
        let flat = self.parameters.iter().map(Tensor::flatten_all);
        Ok(Tensor::cat(&flat.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    }
}
