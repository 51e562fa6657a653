//! The CPU backend: slices and sizes, no tensor and no `Result` inside a loop.

pub(crate) mod backward;
mod backward_rows;
mod backward_step;
mod buffer;
mod cell_grad;
mod cell_step;
pub(crate) mod conv;
mod crew;
pub(crate) mod equations;
pub(crate) mod forward;
mod forward_step;
pub(crate) mod gates;
mod geometry;
mod group;
pub(crate) mod isa;
mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
mod norm;
pub(crate) mod packed;
mod panels;
pub(crate) mod plan;
mod pool;
mod portable;
pub(crate) mod probe;
pub(crate) mod rules;
pub(crate) mod schedule;
pub(crate) mod simd;
pub(crate) mod stream;
mod tile;
mod weight_gradient;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod option_tests;
#[cfg(test)]
mod tests;

use fgn_core::oracle::Shape;

use geometry::Geometry;
use plan::Plan;

/// Below about this many multiply-adds, waking another thread costs more than it brings: nothing is gained where it
/// is awake, and where another process has its core, milliseconds are lost.
const PARALLEL_WORK: usize = 1_000_000;

/// The arguments of a run over a sequence.
pub(crate) struct Arguments<'a, E> {
    pub(crate) shape: Shape,
    pub(crate) plan: &'a Plan,
    /// `[T, B, I]`.
    pub(crate) x: &'a [E],
    /// The packed parameters, see [`fgn_core::Layout`].
    pub(crate) weights: &'a [E],
    /// `[S, B, H]`.
    pub(crate) states: &'a [E],
}

impl<E: simd::Element> Arguments<'_, E> {
    /// Whether all hidden states before the first step are zero: what the recurrent weights make of them is
    /// then known.
    fn begins_at_zero(&self) -> bool {
        let hidden_states = &self.states[..self.shape.batch * self.shape.hidden];
        // One comparison for some numbers at once.
        hidden_states
            .chunks(256)
            .all(|some| some.iter().fold(true, |zero, &n| zero & (n == E::default())))
    }
}

/// About how many multiply-adds a pass forward takes.
fn work(g: &Geometry) -> usize {
    let Shape { steps, batch, input, hidden } = g.shape;
    steps * batch * g.spec.blocks.len() * hidden * (input + hidden)
}
