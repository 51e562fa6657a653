//! What the gradients of weights multiply, rounded to bf16.

use std::ops::Range;

use crate::cpu::gemm::transposed_pairs::{LeftColumns, RightPairs};
use crate::cpu::memory::buffer::Buffer;
use crate::cpu::memory::rows::Steps;
use crate::run::schedule::Schedule;
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::bf16::number::rounded;
use crate::simd::vector::Element;

/// The derivatives of a block's steps, rounded.
pub(crate) struct RoundedDerivatives<E> {
    numbers: Buffer<E>,
    first: usize,
    /// Numbers of a step.
    step: usize,
}

impl<E: Element> RoundedDerivatives<E> {
    /// Of the first `active` rows of each of the steps `times`.
    ///
    /// # Safety
    /// `d_pre` holds these rows, and nobody writes them.
    pub(crate) unsafe fn new(d_pre: Steps<E>, times: &Range<usize>, active: usize) -> Self {
        let step = active * d_pre.stride();
        let mut numbers = Buffer::recycled(times.len() * step);
        for (k, to) in times.clone().zip(numbers.chunks_mut(step.max(1))) {
            // SAFETY: the rows of a step lie one after the other.
            let from = unsafe { std::slice::from_raw_parts(d_pre.row(k, 0), step) };
            to.iter_mut().zip(from).for_each(|(to, &number)| *to = rounded(number));
        }
        Self { numbers, first: times.start, step }
    }

    /// The first row of step `k`.
    pub(crate) fn step(&self, k: usize) -> *const E {
        self.numbers[(k - self.first) * self.step..].as_ptr()
    }
}

/// The steps of some sequences, for an engine that multiplies pairs.
pub(crate) struct PairedBlock<'a> {
    pub(crate) engine: Bf16Engine,
    pub(crate) schedule: &'a Schedule,
    pub(crate) times: &'a Range<usize>,
    pub(crate) members: &'a [usize],
}

/// The address of the row for a step and a sequence, if there is one.
pub(crate) type Feed<'a, E> = dyn Fn(usize, usize) -> Option<*const E> + 'a;

impl PairedBlock<'_> {
    /// The rows of `depth` numbers that `of` gives, zero where it gives none or the sequence has ended.
    ///
    /// # Safety
    /// Each is valid for reading so many.
    pub(crate) unsafe fn left<E: Element>(&self, of: &Feed<'_, E>, depth: usize) -> LeftColumns {
        let pairs = self.times.clone().flat_map(|k| self.members.iter().map(move |&b| (k, b)));
        let rows = pairs.map(|(k, b)| of(k, b).filter(|_| k < self.schedule.len(b)));
        // SAFETY: the caller's promise.
        unsafe { LeftColumns::new(self.engine, self.rows(), depth, rows) }
    }

    /// The derivatives, as many rows.
    ///
    /// # Safety
    /// `d_pre` holds these rows, and nobody writes them.
    pub(crate) unsafe fn right<E: Element>(&self, d_pre: Steps<E>) -> RightPairs {
        let count = self.members.len();
        let places = self.times.clone().flat_map(|k| (0..count).map(move |row| (k, row)));
        // SAFETY: the caller's promise.
        unsafe {
            let rows = places.map(|(k, row)| d_pre.row(k, row).cast_const());
            RightPairs::new(self.engine, self.rows(), d_pre.stride(), rows)
        }
    }

    fn rows(&self) -> usize {
        self.times.len() * self.members.len()
    }
}
