//! What the forward pass returns.

use crate::cpu::forward::telemetry::Counts;
use crate::cpu::memory::buffer::Buffer;

/// What the forward pass saves for the backward pass.
pub(crate) struct Saved<E> {
    /// `[T, B, G, padded]`: the pre-activations, normalised if normalisation is on, or the values of activations
    /// ([`Plan::activates`]).
    pub(crate) pre: Buffer<E>,
    /// `[T + 1, B, columns, padded]`: the states before each step, and at last the final ones, with what
    /// stands behind them (`StateColumns`).
    pub(crate) states: Buffer<E>,
    /// `[T, B, G + 1]`: what normalisation multiplied each block and the memory by, if there is any.
    pub(crate) scales: Buffer<E>,
}

/// The result of a run.
pub(crate) struct Forward<E> {
    /// The emitted outputs, see [`Plan::output_shape`].
    pub(crate) output: Vec<E>,
    /// The final states, `[S, B, H]`.
    pub(crate) states: Vec<E>,
    pub(crate) saved: Option<Saved<E>>,
    /// What the gates did, if asked for.
    pub(crate) counts: Option<Counts>,
}
