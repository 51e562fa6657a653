//! What the backward pass takes and returns.

/// The gradients of the loss.
pub(crate) struct Gradients<E> {
    /// With respect to `x`, `[T, B, I]`, if asked for.
    pub(crate) x: Option<Vec<E>>,
    /// With respect to the flat parameters.
    pub(crate) weights: Vec<E>,
    /// With respect to the initial states, `[S, B, H]`, if asked for.
    pub(crate) states: Option<Vec<E>>,
}

/// Which derivatives are asked for, beside those with respect to the parameters.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) x: bool,
    pub(crate) states: bool,
}

/// The gradients of the loss with respect to what the forward pass gave.
pub(crate) struct Derivatives<'a, E> {
    /// With respect to the emitted outputs.
    pub(crate) output: &'a [E],
    /// With respect to the final states `[S, B, H]`, if it depends on them.
    pub(crate) states: Option<&'a [E]>,
}
