//! The arguments of a pass.

use fgn_core::SequenceShape;

use crate::run::plan::Plan;
use crate::simd::vector::Element;

/// The arguments of a run over a sequence.
pub(crate) struct Arguments<'a, E> {
    pub(crate) shape: SequenceShape,
    pub(crate) plan: &'a Plan,
    /// `[T, B, I]`.
    pub(crate) x: &'a [E],
    /// The flat parameters, see [`fgn_core::Layout`].
    pub(crate) weights: &'a [E],
    /// `[S, B, H]`.
    pub(crate) states: &'a [E],
}

impl<E: Element> Arguments<'_, E> {
    /// Whether all hidden states before the first step are zero: what the recurrent weights make of them is
    /// then known.
    pub(crate) fn begins_at_zero(&self) -> bool {
        let hidden_states = &self.states[..self.shape.batch * self.shape.hidden];
        // One comparison for some numbers at once.
        hidden_states
            .chunks(256)
            .all(|some| some.iter().fold(true, |zero, &n| zero & (n == E::default())))
    }
}
