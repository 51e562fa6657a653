//! LSTM and GRU for code that was written for [`candle_nn::rnn`]: the same names, arguments and
//! parameters, and the same trait, [`RNN`], with the same states. A whole sequence is one operation.
//!
//! In place of `use candle_nn::{lstm, LSTM}`:
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use candle_nn::{LSTMConfig, VarBuilder, VarMap};
//! use fgn_nn::rnn::{LSTM, RNN, lstm};
//!
//! let vars = VarMap::new();
//! let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
//! let layer: LSTM = lstm(5, 16, LSTMConfig::default(), vb.pp("encoder"))?;
//! let x = Tensor::ones((3, 20, 5), DType::F32, &Device::Cpu)?; // sequences, steps, features
//! let states = layer.seq(&x)?;
//! assert_eq!(layer.states_to_tensor(&states)?.dims(), [3, 20, 16]);
//! # Ok::<(), candle_core::Error>(())
//! ```
//!
//! Weights in `f16` or `bf16` compute in `f32`, and give states in their own type. As in candle-nn, a
//! [`Direction`] only chooses the names of the parameters: for [`Backward`](Direction::Backward), the caller
//! reverses the sequences.
//!
//! For training over long sequences use [`Recurrent`], which returns all outputs in one
//! tensor: the gradient with respect to each of `T` separate states takes as much memory as all of them.

use candle_core::{DType, Device, Result, Tensor};
pub use candle_nn::rnn::{Direction, GRUConfig, GRUState, LSTMConfig, LSTMState, RNN};
use candle_nn::{Init, VarBuilder};
use fgn_core::AnyCell;
use fgn_kernels::Emit;

use crate::error::Error;
use crate::recurrent::{Recurrent, RecurrentConfig, RecurrentOptions, State};

/// A long short-term memory, in place of [`candle_nn::rnn::LSTM`].
#[derive(Clone, Debug)]
pub struct LSTM {
    config: LSTMConfig,
    layer: Single,
}

/// A gated recurrent unit, in place of [`candle_nn::rnn::GRU`].
#[derive(Clone, Debug)]
pub struct GRU {
    config: GRUConfig,
    layer: Single,
}

/// A layer of its own.
#[derive(Clone, Debug)]
struct Single {
    layer: Recurrent,
    hidden: usize,
    /// The type of weights, inputs and states.
    dtype: DType,
    device: Device,
}

/// Builds an LSTM over `in_dim` features from the parameters `weight_ih_l0 [4·H, I]` and so on.
///
/// # Errors
/// If `vb` has parameters of other shapes, or not all, or is of another type than `f16`, `bf16`, `f32` or
/// `f64`; for a size of zero.
pub fn lstm(in_dim: usize, hidden_dim: usize, config: LSTMConfig, vb: VarBuilder) -> Result<LSTM> {
    LSTM::new(in_dim, hidden_dim, config, vb)
}

/// Builds a GRU over `in_dim` features from the parameters `weight_ih_l0 [3·H, I]` and so on.
///
/// # Errors
/// If `vb` has parameters of other shapes, or not all, or is of another type than `f16`, `bf16`, `f32` or
/// `f64`; for a size of zero.
pub fn gru(in_dim: usize, hidden_dim: usize, config: GRUConfig, vb: VarBuilder) -> Result<GRU> {
    GRU::new(in_dim, hidden_dim, config, vb)
}

impl LSTM {
    /// As [`lstm`].
    ///
    /// # Errors
    /// As [`lstm`].
    pub fn new(
        in_dim: usize,
        hidden_dim: usize,
        config: LSTMConfig,
        vb: VarBuilder,
    ) -> Result<Self> {
        let direction = match config.direction {
            Direction::Forward => "",
            Direction::Backward => "_reverse",
        };
        let suffix = format!("_l{}{direction}", config.layer_idx);
        let biases = [config.b_ih_init, config.b_hh_init];
        let inits = ([config.w_ih_init, config.w_hh_init], biases);
        let layer = Single::new(AnyCell::LSTM, [in_dim, hidden_dim], inits, &suffix, &vb)?;
        Ok(Self { config, layer })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &LSTMConfig {
        &self.config
    }
}

impl GRU {
    /// As [`gru`].
    ///
    /// # Errors
    /// As [`gru`].
    pub fn new(
        in_dim: usize,
        hidden_dim: usize,
        config: GRUConfig,
        vb: VarBuilder,
    ) -> Result<Self> {
        let biases = [config.b_ih_init, config.b_hh_init];
        let inits = ([config.w_ih_init, config.w_hh_init], biases);
        let layer = Single::new(AnyCell::GRU, [in_dim, hidden_dim], inits, "_l0", &vb)?;
        Ok(Self { config, layer })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &GRUConfig {
        &self.config
    }
}

impl RNN for LSTM {
    type State = LSTMState;

    fn zero_state(&self, batch_dim: usize) -> Result<Self::State> {
        let zeros = self.layer.zeros(batch_dim)?;
        Ok(LSTMState::new(zeros.clone(), zeros))
    }

    fn step(&self, input: &Tensor, state: &Self::State) -> Result<Self::State> {
        let states = self.layer.states(&input.unsqueeze(1)?, &[&state.h, &state.c])?.get(0)?;
        Ok(LSTMState::new(states.get(0)?, states.get(1)?))
    }

    fn seq_init(&self, input: &Tensor, init_state: &Self::State) -> Result<Vec<Self::State>> {
        let states = self.layer.states(input, &[&init_state.h, &init_state.c])?;
        let state = |t| {
            let states = states.get(t)?;
            Ok(LSTMState::new(states.get(0)?, states.get(1)?))
        };
        (0..states.dim(0)?).map(state).collect()
    }

    fn states_to_tensor(&self, states: &[Self::State]) -> Result<Tensor> {
        Tensor::stack(&states.iter().map(|state| &state.h).collect::<Vec<_>>(), 1)
    }
}

impl RNN for GRU {
    type State = GRUState;

    fn zero_state(&self, batch_dim: usize) -> Result<Self::State> {
        Ok(GRUState { h: self.layer.zeros(batch_dim)? })
    }

    fn step(&self, input: &Tensor, state: &Self::State) -> Result<Self::State> {
        let states = self.layer.states(&input.unsqueeze(1)?, &[&state.h])?;
        Ok(GRUState { h: states.get(0)?.get(0)? })
    }

    fn seq_init(&self, input: &Tensor, init_state: &Self::State) -> Result<Vec<Self::State>> {
        let states = self.layer.states(input, &[&init_state.h])?;
        (0..states.dim(0)?).map(|t| Ok(GRUState { h: states.get(t)?.get(0)? })).collect()
    }

    /// The states side by side, `[B, T·H]`, as candle-nn's GRU returns them.
    fn states_to_tensor(&self, states: &[Self::State]) -> Result<Tensor> {
        Tensor::cat(&states.iter().map(|state| &state.h).collect::<Vec<_>>(), 1)
    }
}

impl Single {
    fn new(
        cell: AnyCell,
        [input, hidden]: [usize; 2],
        ([w_ih, w_hh], [b_ih, b_hh]): ([Init; 2], [Option<Init>; 2]),
        suffix: &str,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let config = RecurrentConfig { batch_first: true, ..RecurrentConfig::new(cell, hidden) };
        let (dtype, device) = (vb.dtype(), vb.device().clone());
        let computed = match dtype {
            DType::F16 | DType::BF16 => DType::F32,
            dtype => dtype,
        };
        let rows =
            cell.spec().blocks.iter().filter(|block| block.has_hidden_bias()).count() * hidden;
        let take = |name: &str| {
            let (shape, init) = match name {
                "weight_ih" => (vec![rows, input], Some(w_ih)),
                "weight_hh" => (vec![rows, hidden], Some(w_hh)),
                "bias_ih" => (vec![rows], b_ih),
                _ => (vec![rows], b_hh),
            };
            let tensor = match init {
                Some(init) => vb.get_with_hints(shape, &format!("{name}{suffix}"), init)?,
                None => Tensor::zeros(shape, dtype, &device)?,
            };
            Ok(tensor.to_dtype(computed)?)
        };
        let layer = Recurrent::of_tensors(config, input, (computed, &device), take);
        Ok(Self { layer: layer?, hidden, dtype, device: device.clone() })
    }

    fn zeros(&self, batch: usize) -> Result<Tensor> {
        Tensor::zeros((batch, self.hidden), self.dtype, &self.device)
    }

    /// The states after each step of `x: [B, T, I]`, from those initial ones: `[T, S, B, H]`.
    fn states(&self, x: &Tensor, states: &[&Tensor]) -> Result<Tensor> {
        let (batch, steps, _) = x.dims3()?;
        let initial = Tensor::stack(states, 0)?;
        if steps == 0 {
            let shape = (0, states.len(), batch, self.hidden);
            return Tensor::zeros(shape, self.dtype, &self.device);
        }
        let state = State::new(vec![self.widened("initial states", &initial)?], false);
        let options = RecurrentOptions {
            state: Some(&state),
            emit: Emit::States,
            ..RecurrentOptions::default()
        };
        let x = self.widened("inputs of the recurrent layer", x)?;
        let output = self.layer.forward(&x, &options)?;
        output.states[0].to_dtype(self.dtype)?.permute((1, 2, 0, 3))?.contiguous()
    }

    /// A tensor of the layer's type, in the type in which it computes.
    fn widened(&self, what: &'static str, tensor: &Tensor) -> Result<Tensor> {
        if tensor.dtype() != self.dtype {
            let (found, expected) = (tensor.dtype(), self.dtype.as_str());
            return Err(Error::DType { what, found, expected }.into());
        }
        tensor.to_dtype(self.layer.dtype())
    }
}
