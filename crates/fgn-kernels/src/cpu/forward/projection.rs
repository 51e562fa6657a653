//! The projection of the hidden state.

use crate::cpu::cell::forward_rows::ForwardRow;
use crate::cpu::forward::block::ForwardStep;
use crate::cpu::gemm::panels::Panels;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::cpu::gemm::tile_size::PANEL_VECTORS;
use crate::run::options::Emit;
use crate::simd::group::Group;
use crate::simd::vector::{Element, Simd, Task};

/// The projection of the hidden state at step `k`, a part of its units.
pub(crate) struct ForwardProjection<'a, E: Element> {
    pub(crate) rows: ForwardStep<'a, E>,
    pub(crate) panels: &'a Panels<E>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for ForwardProjection<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, panels, part, parts } = self;
        let panels = panels.part(part, parts, false);
        let product = Projection::<S>(rows);
        multiply::<S>(rows.view.rows.len(), &[0], panels, &side_by_side::<S>(), &product);
    }
}

/// The product of the hidden state with its projection.
struct Projection<'a, S: Simd>(ForwardStep<'a, S::Elem>);

// SAFETY: a row of states has `padded` numbers for the hidden state before the projection, as many as
// the panels are deep, and for that after it.
unsafe impl<'a, S: Simd<Elem = E>, E: Element> Product<E> for Projection<'a, S> {
    type Row = &'a ForwardRow<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.0.view.rows.iter()
    }

    #[inline(always)]
    fn left(&self, row: Self::Row) -> *const E {
        let g = self.0.run.g;
        row.next.wrapping_add(g.states.unprojected.unwrap_or(0) * g.padded)
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.0.run.zeros.as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: Self::Row) -> *mut E {
        row.next
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * S::WIDTH
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, place: usize) {
        let run = self.0.run;
        let all = run.g.output.next_multiple_of(S::WIDTH);
        let end = first + count;
        for place in (place..all.min(place + PANEL_VECTORS * S::WIDTH)).step_by(S::WIDTH) {
            for row in &self.0.view.rows[first..end] {
                // SAFETY: the rows are the task's own, and have `padded` numbers.
                let (new, prev) =
                    unsafe { (S::load(row.next.add(place)), S::load(row.prev.add(place))) };
                let h = self.0.view.next_state([row], [place], Group([prev]), Group([new]));
                self.0.view.write_output([row], 0, [place], h);
                if run.plan.emit == Emit::States {
                    self.0.view.write_output([row], 1, [place], h);
                }
            }
        }
    }
}
