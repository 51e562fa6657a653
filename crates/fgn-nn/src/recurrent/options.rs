//! What a forward pass of a recurrent layer takes beside its input, and what it returns.

use candle_core::{Tensor, Var};
use fgn_kernels::{Emit, GateStatistics};

use super::state::State;
use crate::sequences::Sequences;

/// The input of a [`Recurrent`](crate::Recurrent) layer, made from a `&Tensor`, `&Var` or `&Sequences`. It decides
/// the layout of the pass: that of the input, the resets, and all outputs but the last.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RecurrentInput<'a> {
    /// Features `[T, B, I]`, or `[B, T, I]` if the batch comes first in the layer's configuration.
    Features(&'a Tensor),
    /// What an input layer returns: `[T, B, I]`, with lengths. Steps come first in the whole pass, whatever the
    /// layer's configuration.
    Sequences(&'a Sequences),
}

impl<'a> From<&'a Tensor> for RecurrentInput<'a> {
    fn from(features: &'a Tensor) -> Self {
        Self::Features(features)
    }
}

impl<'a> From<&'a Var> for RecurrentInput<'a> {
    fn from(features: &'a Var) -> Self {
        Self::Features(features)
    }
}

impl<'a> From<&'a Sequences> for RecurrentInput<'a> {
    fn from(sequences: &'a Sequences) -> Self {
        Self::Sequences(sequences)
    }
}

/// Options of a forward pass of a [`Recurrent`](crate::Recurrent) layer. The default is a pass over
/// sequences of full length from a zero state, without dropout.
///
/// ```
/// use fgn_nn::{Emit, RecurrentOptions};
///
/// let options = RecurrentOptions::default().with_emit(Emit::Last).with_lengths(&[3, 7][..]);
/// assert_eq!(options.lengths, Some(&[3, 7][..]));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RecurrentOptions<'a> {
    /// The initial state; zero if not given.
    pub state: Option<&'a State>,
    /// Which outputs are returned.
    pub emit: Emit,
    /// The length of each sequence, in `1 ..= T`; `T` if not given. Inputs past a sequence's length are not
    /// read, and outputs there are zero. The last output and the final state are those at the sequence's own
    /// end, which is where the reverse direction starts. [`Sequences`] have lengths of their own: with them this
    /// must be `None`.
    pub lengths: Option<&'a [usize]>,
    /// `[T, B]` in `U8`, or `[B, T]` if the batch comes first: where it is not 0, the states before the
    /// step are set to zero, and no gradient passes. A new sequence starts there: an episode, a packed
    /// document.
    pub resets: Option<&'a Tensor>,
    /// The seed of all dropout and zoneout masks, in training: the same masks for the same seed, whatever
    /// the number of threads. Without a seed nothing is dropped. See
    /// [`Recurrent::seed`](crate::Recurrent::seed).
    pub seed: Option<u64>,
    /// Whether to collect statistics of the gates.
    pub telemetry: bool,
    /// Whether to search the states for NaN: [`Error::NanState`](crate::Error::NanState) says where the
    /// first one appeared. Keeps the states of all steps in memory.
    pub find_nan: bool,
}

impl<'a> RecurrentOptions<'a> {
    /// From that initial state.
    pub fn with_state(self, state: impl Into<Option<&'a State>>) -> Self {
        Self { state: state.into(), ..self }
    }

    /// Returning those outputs.
    pub fn with_emit(self, emit: Emit) -> Self {
        Self { emit, ..self }
    }

    /// With the length of each sequence.
    pub fn with_lengths(self, lengths: impl Into<Option<&'a [usize]>>) -> Self {
        Self { lengths: lengths.into(), ..self }
    }

    /// With states set to zero at some steps.
    pub fn with_resets(self, resets: impl Into<Option<&'a Tensor>>) -> Self {
        Self { resets: resets.into(), ..self }
    }

    /// With the masks of that seed.
    pub fn with_seed(self, seed: impl Into<Option<u64>>) -> Self {
        Self { seed: seed.into(), ..self }
    }

    /// With or without statistics of the gates.
    pub fn with_telemetry(self, telemetry: bool) -> Self {
        Self { telemetry, ..self }
    }

    /// With or without the search for NaN.
    pub fn with_find_nan(self, find_nan: bool) -> Self {
        Self { find_nan, ..self }
    }
}

/// The results of a forward pass of a [`Recurrent`](crate::Recurrent) layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecurrentOutput {
    /// The outputs of the last layer, both directions side by side: `[T, B, D·P]` with `P = H` without a
    /// projection; `[B, T, D·P]` if the batch comes first. With [`Emit::Last`] `[B, D·P]`: the forward
    /// direction's output at each sequence's last step, and the reverse direction's, which ends there, at
    /// its first. With a [block](crate::BlockConfig), which mixes both directions, all are those at the last step.
    pub output: Tensor,
    /// The states after each sequence's last step.
    pub state: State,
    /// With [`Emit::States`], the cells' states of each layer and direction after every step, `[T, B, S, H]`, or
    /// `[B, T, S, H]`, in the order of [`State::tensors`].
    pub states: Vec<Tensor>,
    /// With [`RecurrentOptions::telemetry`], the statistics of the gates of each layer and direction, in
    /// the same order.
    pub gates: Vec<Vec<GateStatistics>>,
}
