//! Slabs of units, dealt out to threads.

use std::ops::Range;

/// A thread's range of slabs.
pub(crate) struct Slabs {
    range: Range<usize>,
    /// Whether the last one comes first.
    backwards: bool,
}

impl Slabs {
    /// One of some nearly equal parts of so many slabs.
    pub(crate) fn new(count: usize, part: usize, parts: usize, backwards: bool) -> Self {
        Self { range: part * count / parts..(part + 1) * count / parts, backwards }
    }

    /// In their order.
    #[inline(always)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        let Range { start, end } = self.range;
        let backwards = self.backwards;
        (start..end).map(move |n| if backwards { start + end - 1 - n } else { n })
    }

    /// Their units, of so many in all.
    pub(crate) fn units(&self, width: usize, units: usize) -> Range<usize> {
        self.range.start * width..units.min(self.range.end * width)
    }
}
