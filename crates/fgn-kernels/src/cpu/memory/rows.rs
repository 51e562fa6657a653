//! Rows of numbers by step and sequence, in memory that threads share.

use crate::cpu::memory::buffer::Shared;
use crate::simd::vector::Element;

/// A row of numbers for each of some steps and sequences, in memory that threads share. It may hold
/// fewer steps than there are: step `k` lies where step `k + capacity` will.
#[derive(Clone, Copy)]
pub(crate) struct Steps<E> {
    data: Shared<E>,
    capacity: usize,
    rows: usize,
    stride: usize,
}

impl<E: Element> Steps<E> {
    /// `rows` rows a step, `stride` numbers apart.
    pub(crate) fn new(data: Shared<E>, capacity: usize, rows: usize, stride: usize) -> Self {
        Self { data, capacity, rows, stride }
    }

    /// The rows of step `k`.
    ///
    /// # Safety
    /// The memory is alive.
    #[inline(always)]
    pub(crate) unsafe fn at(self, k: usize) -> Rows<E> {
        let Self { data, capacity, rows, stride } = self;
        let slot = if k < capacity { k } else { k % capacity };
        // SAFETY: the slot is in range, so the place is.
        Rows { start: unsafe { data.at(slot * rows * stride) }, stride }
    }

    /// Where row `row` of step `k` begins.
    ///
    /// # Safety
    /// The memory is alive, and there is such a row.
    #[inline(always)]
    pub(crate) unsafe fn row(self, k: usize, row: usize) -> *mut E {
        // SAFETY: the caller's promise.
        unsafe { self.at(k).row(row) }
    }

    /// From one row to the next.
    pub(crate) fn stride(self) -> usize {
        self.stride
    }
}

/// One step's rows among [`Steps`].
#[derive(Clone, Copy)]
pub(crate) struct Rows<E> {
    start: *mut E,
    stride: usize,
}

impl<E> Rows<E> {
    /// Where row `row` begins.
    ///
    /// # Safety
    /// The memory is alive, and there is such a row.
    #[inline(always)]
    pub(crate) unsafe fn row(self, row: usize) -> *mut E {
        // SAFETY: the row is in range, so the place is.
        unsafe { self.start.add(row * self.stride) }
    }
}
