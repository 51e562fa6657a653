//! The rows that the threads of a step share.

use crate::cpu::memory::buffer::Shared;
use crate::cpu::stream::parameters::StreamParameters;
use crate::simd::group::Group;
use crate::simd::vector::Simd;

/// What the threads of a step share.
///
/// All raw accesses of a step rest on this: the memory outlives it and is as large as its shape says.
/// Between two meetings, a thread writes only the units of its slabs, or all units of its rows, and reads
/// others only of what was done before.
pub(crate) struct StreamRows<'a> {
    pub(crate) packed: &'a StreamParameters,
    pub(crate) batch: usize,
    /// The states, `[S, B, padded]`.
    pub(crate) prev: &'a [f32],
    pub(crate) next: Shared<f32>,
    /// `[B, G, padded]`.
    pub(crate) pre: Shared<f32>,
    /// The hidden state before its projection and the memory before its normalisation, `[B, padded]`, and
    /// the projected hidden state, in whole slabs.
    pub(crate) unprojected: Shared<f32>,
    pub(crate) projected: Shared<f32>,
    pub(crate) memory: Shared<f32>,
    /// `[B, P]`, or `[B, H]`.
    pub(crate) output: Shared<f32>,
}

impl StreamRows<'_> {
    /// Writes a vector of units of the next state.
    ///
    /// # Safety
    /// The units are the thread's own.
    #[inline(always)]
    pub(crate) unsafe fn next_state<S: Simd<Elem = f32>>(
        &self,
        state: usize,
        (b, unit): (usize, usize),
        prev: S,
        new: S,
    ) {
        let rules = &self.packed.plan.rules;
        let next = match rules.keep(state) {
            true => new,
            false => {
                let [next] =
                    rules.next_state(state, (0, [b], [unit]), Group([prev]), Group([new])).0;
                next
            }
        };
        // SAFETY: the caller's promise; there are `[S, B, padded]` states.
        unsafe { next.store(self.next.at((state * self.batch + b) * self.packed.g.padded + unit)) };
    }

    /// Writes a vector of units of the output, as much of it as there is.
    ///
    /// # Safety
    /// The units are the thread's own.
    #[inline(always)]
    pub(crate) unsafe fn write_output<S: Simd<Elem = f32>>(
        &self,
        (b, unit): (usize, usize),
        numbers: S,
    ) {
        let size = self.packed.g.output;
        // SAFETY: the caller's promise; an output row has `size` numbers.
        unsafe { numbers.store_first(self.output.at(b * size + unit), S::WIDTH.min(size - unit)) };
    }
}
