//! What a forward pass computes with, once it is checked.

use candle_core::Tensor;

use super::state::State;
use crate::error::Result;

/// What a pass computes with, checked.
pub(super) struct Checked<'a> {
    /// Whether the caller has the batch first. Here the steps always are.
    pub(super) batch_first: bool,
    pub(super) initial: State,
    /// `[T, B]`.
    pub(super) resets: Option<Tensor>,
    pub(super) lengths: Option<&'a [usize]>,
}

impl Checked<'_> {
    /// From steps first to the caller's layout, or back.
    pub(super) fn in_callers_order(&self, tensor: &Tensor) -> Result<Tensor> {
        match self.batch_first {
            true => Ok(tensor.transpose(0, 1)?.contiguous()?),
            false => Ok(tensor.clone()),
        }
    }
}
