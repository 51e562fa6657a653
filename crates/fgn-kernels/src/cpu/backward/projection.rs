//! The gradient of the projection of the hidden state.

use crate::cpu::backward::block::BackwardStep;
use crate::cpu::cell::backward_rows::BackwardRow;
use crate::cpu::gemm::panels::Panels;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::run::options::Emit;
use crate::simd::vector::{Element, Simd, Task};

/// The gradients with respect to the projected hidden state after step `k`, of a part of the sequences.
pub(crate) struct BackwardProjected<'a, E: Element> {
    pub(crate) rows: BackwardStep<'a, E>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for BackwardProjected<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, part, parts } = self;
        let (run, active) = (rows.run, rows.view.rows.len());
        let Some(projected) = run.g.derivatives.projected else { return };
        for row in &rows.view.rows[part * active / parts..(part + 1) * active / parts] {
            for place in (0..run.g.output).step_by(S::WIDTH) {
                let places = [place];
                let mut d =
                    rows.view.d_next::<S, 1>(row, 0, places) + rows.view.d_output(row, 0, places);
                if run.plan.emit == Emit::States {
                    d = d + rows.view.d_output(row, 1, places);
                }
                let [d, kept] = rows.view.state_gradient(row, 0, places, d);
                // SAFETY: the group's own rows, with `padded` numbers for each column.
                unsafe {
                    d.store([row.d_pre.add(place)], projected * run.g.padded);
                    kept.store([row.d_prev.add(place)], 0);
                }
            }
        }
    }
}

/// The gradients with respect to a part of the hidden state before its projection.
pub(crate) struct BackwardUnproject<'a, E: Element> {
    pub(crate) rows: BackwardStep<'a, E>,
    pub(crate) panels: &'a Panels<E>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for BackwardUnproject<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, panels, part, parts } = self;
        let panels = panels.part(part, parts, false);
        let columns = side_by_side::<S>();
        multiply::<S>(rows.view.rows.len(), &[0], panels, &columns, &Unproject(rows));
    }
}

/// The product of the gradients with respect to the projected hidden state with its projection.
struct Unproject<'a, E: Element>(BackwardStep<'a, E>);

// SAFETY: rows have `padded` numbers for each column, and the panels are no deeper than that.
unsafe impl<'a, E: Element> Product<E> for Unproject<'a, E> {
    type Row = &'a BackwardRow<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.0.view.rows.iter()
    }

    #[inline(always)]
    fn left(&self, row: Self::Row) -> *const E {
        let g = self.0.run.g;
        let projected = g.derivatives.projected.unwrap_or(0);
        row.d_pre.cast_const().wrapping_add(projected * g.padded)
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.0.run.zeros.as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: Self::Row) -> *mut E {
        let g = self.0.run.g;
        row.d_prev.wrapping_add(g.states.unprojected.unwrap_or(0) * g.padded)
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * self.0.run.g.width
    }
}
