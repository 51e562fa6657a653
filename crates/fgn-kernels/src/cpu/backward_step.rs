//! One step of the backward pass: what the step after it sends back, and the cell's gradient.

use std::ops::Range;

use super::backward::Run;
use super::backward_rows::{Block, Row, StepRows};
use super::equations::Stage;
use super::geometry::Rows;
use super::isa::Task;
use super::panels::Panels;
use super::simd::{Element, Simd};
use super::tile::{self, Product};
use crate::Emit;

/// What a step sends back to a part of the hidden state before it.
pub(super) struct HiddenPart<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) after: usize,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for HiddenPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, after, part, parts } = self;
        let rows = run.active(after);
        if rows > 0 && !run.g.hidden_blocks.is_empty() {
            let product = HiddenProduct::new(run, after);
            // The weights read last are still in the cache: the next step begins with them.
            let panels = run.packed.hidden.part(part, parts, after % 2 == 1);
            let (offsets, columns) =
                (run.g.offsets(&run.g.hidden_blocks), tile::side_by_side::<S>());
            tile::multiply::<S>(rows, &offsets, panels, &columns, &product);
        }
    }
}

/// Some steps of a part of the units, the last one first; one alone, where units need each other's
/// derivatives. At each, what the step after it sends back, and the cell's gradient.
pub(super) struct StepPart<'a, E: Element> {
    pub(super) block: &'a Block<'a, E>,
    pub(super) times: Range<usize>,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for StepPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block, times, part, parts } = self;
        for k in times.rev() {
            let step = block.step(k);
            let run = step.run;
            HiddenPart { run, after: k + 1, part, parts }.run::<S>();
            let vectors = run.packed.hidden.part_vectors(part, parts);
            let places = vectors.start * S::WIDTH..vectors.end * S::WIDTH;
            for row in 0..step.rows.len() {
                run.equations.grad(&step, row, places.clone(), Stage::Whole);
            }
        }
    }
}

/// The cell's gradient at step `k` for whole rows: a part of the sequences.
pub(super) struct RowsPart<'a, E: Element> {
    pub(super) rows: StepRows<'a, E>,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for RowsPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, part, parts } = self;
        let (run, active) = (rows.run, rows.rows.len());
        let places = 0..run.g.padded;
        for row in part * active / parts..(part + 1) * active / parts {
            let mut stage = Stage::Whole;
            if run.g.states.seen.is_some() {
                run.equations.grad(&rows, row, places.clone(), Stage::Memory);
                rows.normalise_memory::<S>(row);
                stage = Stage::Seen;
            }
            run.equations.grad(&rows, row, places.clone(), stage);
            rows.normalise_blocks::<S>(row);
        }
    }
}

/// The derivatives by the projected hidden state after step `k`, of a part of the sequences.
pub(super) struct ProjectedPart<'a, E: Element> {
    pub(super) rows: StepRows<'a, E>,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for ProjectedPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, part, parts } = self;
        let (run, active) = (rows.run, rows.rows.len());
        let Some(projected) = run.g.derivatives.projected else { return };
        for row in &rows.rows[part * active / parts..(part + 1) * active / parts] {
            for place in (0..run.g.output).step_by(S::WIDTH) {
                let places = [place];
                let mut d = rows.d_next::<S, 1>(row, 0, places) + rows.d_output(row, 0, places);
                if run.plan.emit == Emit::States {
                    d = d + rows.d_output(row, 1, places);
                }
                let [d, kept] = rows.take_back(row, 0, places, d);
                // SAFETY: the group's own rows, with `padded` numbers for each column.
                unsafe {
                    d.store([row.d_pre.add(place)], projected * run.g.padded);
                    kept.store([row.d_prev.add(place)], 0);
                }
            }
        }
    }
}

/// The derivatives by a part of the hidden state before its projection.
pub(super) struct UnprojectPart<'a, E: Element> {
    pub(super) rows: StepRows<'a, E>,
    pub(super) panels: &'a Panels<E>,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for UnprojectPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, panels, part, parts } = self;
        let panels = panels.part(part, parts, false);
        let columns = tile::side_by_side::<S>();
        tile::multiply::<S>(rows.rows.len(), &[0], panels, &columns, &Unproject(rows));
    }
}

/// What the pre-activations of a step send to the hidden state before it, added to what came there
/// without a product.
struct HiddenProduct<'a, E: Element> {
    run: &'a Run<'a, E>,
    d_pre: Rows<E>,
    d_prev: Rows<E>,
    /// Where the hidden state as the weights see it has a column of its own, its derivatives begin with
    /// zeros.
    fed: Option<usize>,
}

impl<'a, E: Element> HiddenProduct<'a, E> {
    #[inline(always)]
    fn new(run: &'a Run<'a, E>, k: usize) -> Self {
        let fed = run.plan.rules.drop_hidden().then_some(run.g.states.fed * run.g.padded);
        // SAFETY: the group's own rows, which outlive the task.
        unsafe { Self { run, d_pre: run.d_pre.at(k), d_prev: run.d_prev.at(0), fed } }
    }
}

// SAFETY: a row of `d_pre` has `padded >= hidden` numbers for each block, and the panels `hidden` rows
// for each recurrent block. A row of `d_prev` has `padded` numbers for each column.
unsafe impl<E: Element> Product<E> for HiddenProduct<'_, E> {
    type Row = usize;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = usize> {
        0..
    }

    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        // SAFETY: the group's own row.
        unsafe { self.d_pre.row(row) }
    }

    #[inline(always)]
    fn start(&self, row: usize) -> *const E {
        match self.fed {
            Some(_) => self.run.zeros.as_ptr(),
            None => self.out(row),
        }
    }

    #[inline(always)]
    fn out(&self, row: usize) -> *mut E {
        // SAFETY: the group's own row.
        unsafe { self.d_prev.row(row).add(self.fed.unwrap_or(0)) }
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * self.run.g.width
    }
}

/// The product of the derivatives by the projected hidden state with its projection.
struct Unproject<'a, E: Element>(StepRows<'a, E>);

// SAFETY: rows have `padded` numbers for each column, and the panels are no deeper than that.
unsafe impl<'a, E: Element> Product<E> for Unproject<'a, E> {
    type Row = &'a Row<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.0.rows.iter()
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
