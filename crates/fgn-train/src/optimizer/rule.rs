//! What an optimizer provides: its options, and its formula for one element of a parameter.
//!
//! The formula is written once, over any [`Number`]: the loop over a slice ([`super::slices`]) and the tensor
//! operations of other devices ([`super::on_device`]) come from that one text, each as [`Elements`].

use super::number::Number;
use crate::error::Result;

/// An optimizer: the table of its options, which knows its formula.
///
/// The keys `learning_rate` and `weight_decay` are common to all optimizers.
pub(crate) trait Rule {
    /// How the weight decay acts.
    const DECAY: Decay;

    /// The step size at full rate.
    fn learning_rate(&self) -> f64;

    /// The decay of matrices and filters.
    fn weight_decay(&self) -> f64;

    /// Checks the options that are its own.
    ///
    /// # Errors
    /// An option outside its range.
    fn check(&self) -> Result<()>;

    /// Prepares the constants of this step, in f64, and hands the formula of one element to
    /// [`Elements::update`].
    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output;
}

/// How weight decay acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decay {
    /// Weights times the decay are added to their gradient, before the formula sees it.
    Coupled,
    /// A step takes the decay times the learning rate off the weights (Loshchilov & Hutter, 2019): the formula
    /// multiplies them by [`Step::keep`].
    Decoupled,
}

/// The elements of a parameter in one step.
pub(crate) trait Elements<N: Number>: Sized {
    /// What an update gives.
    type Output;

    /// Updates each element: `formula(p, g, moments)` gives the new value and the new moments of an element with
    /// value `p`, gradient `g` (clipped, with coupled weight decay) and `moments`, which are 0 before the first
    /// step. `names` are the moments' names in checkpoints: those of PyTorch.
    ///
    /// The number of moments `M`, at most two, is part of the type, so that each loop over slices is compiled
    /// for its own number of streams.
    fn update<const M: usize>(
        self,
        names: [&'static str; M],
        formula: impl Fn(N, N, [N; M]) -> (N, [N; M]),
    ) -> Self::Output;
}

/// One step of parameters that share a learning rate and a weight decay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Counts from 1, and stays at the largest there is.
    pub(crate) number: i32,
    /// The learning rate of this step.
    pub(crate) rate: f64,
    /// What the weights are multiplied by: 1 - `rate` · weight decay where the decay is decoupled, else 1.
    pub(crate) keep: f64,
    /// Coupled weight decay, 0 where it is decoupled.
    l2: f64,
    /// Gradients are clamped to this on both sides, then scaled.
    limit: f64,
    scale: f64,
}

impl Step {
    /// A step that takes gradients as they are.
    pub(super) fn new(decay: Decay, number: u64, rate: f64, weight_decay: f64) -> Step {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let (l2, keep) = match decay {
            Decay::Coupled => (weight_decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - rate * weight_decay),
        };
        Step { number, rate, keep, l2, limit: f64::INFINITY, scale: 1.0 }
    }

    /// The same for gradients that are clamped to `limit` and then scaled.
    pub(super) fn clipped(self, limit: f64, scale: f64) -> Step {
        Step { limit, scale, ..self }
    }

    /// The gradient that a formula gets, from a parameter's value and its gradient.
    #[inline(always)]
    pub(super) fn gradient<N: Number>(&self) -> impl Fn(N, N) -> N + use<N> {
        let [limit, scale, l2] = [self.limit, self.scale, self.l2].map(N::from_f64);
        move |p, g| g.clamp(limit) * scale + l2 * p
    }
}

/// No elements at all: an update gives the names of the moments.
pub(super) struct MomentNames;

impl Elements<f64> for MomentNames {
    type Output = Vec<&'static str>;

    fn update<const M: usize>(
        self,
        names: [&'static str; M],
        _: impl Fn(f64, f64, [f64; M]) -> (f64, [f64; M]),
    ) -> Vec<&'static str> {
        names.to_vec()
    }
}
