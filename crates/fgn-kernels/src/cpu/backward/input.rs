//! The gradient with respect to the input.

use std::ops::Range;

use crate::cpu::backward::run::BackwardRun;
use crate::cpu::gemm::panels::Panels;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::cpu::memory::buffer::Shared;
use crate::simd::vector::{Element, Simd, Task};

/// The gradients with respect to a part of the inputs, for the steps of a block.
pub(crate) struct BackwardInput<'a, E: Element> {
    pub(crate) run: &'a BackwardRun<'a, E>,
    pub(crate) panels: &'a Panels<E>,
    pub(crate) d_x: Shared<E>,
    pub(crate) times: &'a Range<usize>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for BackwardInput<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, panels, d_x, times, part, parts } = self;
        let active = run.active(times.start);
        let product = InputProduct { run, d_x, first: times.start, active };
        let rows = active * times.len();
        let (offsets, columns) = (run.g.offsets(&run.g.input_blocks), side_by_side::<S>());
        let panels = panels.part(part, parts, false);
        multiply::<S>(rows, &offsets, panels, &columns, &product);
    }
}

/// The product that an [`BackwardInput`] is.
struct InputProduct<'a, E: Element> {
    run: &'a BackwardRun<'a, E>,
    d_x: Shared<E>,
    first: usize,
    /// The sequences that run at the first step; some may have ended at a later one.
    active: usize,
}

// SAFETY: a row of `d_pre` has `padded >= hidden` numbers for each block, and the panels `hidden` rows
// for each block that the input feeds; `d_x` is `[T, B, I]`, and `zeros` as wide as one of its rows.
unsafe impl<E: Element> Product<E> for InputProduct<'_, E> {
    /// The step, and the place among the members.
    type Row = (usize, usize);

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        (self.first..).flat_map(|k| (0..self.active).map(move |row| (k, row)))
    }

    #[inline(always)]
    fn left(&self, (k, row): Self::Row) -> *const E {
        // SAFETY: the group's own row.
        unsafe { self.run.d_pre.row(k, row) }
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.run.zeros.as_ptr()
    }

    #[inline(always)]
    fn out(&self, (k, row): Self::Row) -> *mut E {
        let place = self.run.plan.schedule.place(k, self.run.members[row]);
        // SAFETY: `d_x` is `[T, B, I]`, and the row is the group's own.
        unsafe { self.d_x.at(place * self.run.g.shape.input) }
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * self.run.g.width
    }
}
