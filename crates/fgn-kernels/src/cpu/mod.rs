//! The CPU backend: slices and sizes, no tensor and no `Result` inside a loop.

pub(crate) mod backward;
mod buffer;
pub(crate) mod conv;
mod crew;

pub(crate) mod forward;
mod geometry;
pub(crate) mod isa;
mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pair;
mod panels;
mod portable;
pub(crate) mod probe;
pub(crate) mod simd;
pub(crate) mod stream;
mod tile;
mod weight_gradient;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

use std::ops::Range;

use fgn_core::oracle::Shape;

use geometry::Geometry;

/// Below about this many multiply-adds, waking another thread costs more than it brings.
const PARALLEL_WORK: usize = 200_000;

/// The arguments of a run over a sequence.
pub(crate) struct Arguments<'a, E> {
    pub(crate) shape: Shape,
    /// `[T, B, I]`.
    pub(crate) x: &'a [E],
    /// The packed parameters, see [`fgn_core::Layout`].
    pub(crate) weights: &'a [E],
    /// `[S, B, H]`.
    pub(crate) states: &'a [E],
}

/// Each thread's sequences of the batch. Results do not depend on the cut.
fn sequences_per_thread(shape: Shape, g: &Geometry) -> Vec<Range<usize>> {
    let Shape { steps, batch, input, hidden } = shape;
    let work = steps * batch * g.spec.blocks.len() * hidden * (input + hidden);
    let threads = rayon::current_num_threads().min(work / PARALLEL_WORK + 1).min(batch);
    (0..threads).map(|n| n * batch / threads..(n + 1) * batch / threads).collect()
}
