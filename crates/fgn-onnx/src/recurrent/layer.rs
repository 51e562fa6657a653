//! What both ways of writing a layer share.

use fgn_core::LayerShape;

use super::parameters::LayerParameters;
use crate::graph::Value;

/// One layer and direction: what both ways of writing it read.
pub(super) struct Layer {
    pub(super) parameters: LayerParameters,
    /// The layer's name in those of parameters and states: `_l0_reverse`.
    pub(super) suffix: String,
    pub(super) reverse: bool,
    /// Each state before the first step, `[B, H]`; of a projected hidden state `[B, P]`.
    pub(super) states: Vec<Value>,
    /// The inputs of a block's convolution before the first step, `[K − 1, B, D]`.
    pub(super) window: Option<Value>,
    /// `K − 1`; 0 without a convolution.
    pub(super) kept: usize,
}

/// The options of a layer that its cell does not know.
pub(super) struct Options<'a> {
    pub(super) shape: LayerShape,
    pub(super) zoneout: &'a [f64],
    pub(super) clip: Option<f64>,
}

/// The outputs of all steps of one direction, `[T, B, P]`, and its states after the last step of each sequence.
pub(super) struct Run {
    pub(super) outputs: Value,
    pub(super) states: Vec<Value>,
}
