//! One step of the forward pass: a tile of sequences and units adds the recurrent product, and the
//! cell's equations are applied to it while it is in the nearest cache. Where units need each other
//! beside the product, for a normalisation or a projection, the equations wait for whole rows.

use std::ops::Range;

use super::equations::Stage;
use super::forward::Run;
use super::geometry::Rows;
use super::group::Group;
use super::isa::Task;
use super::norm::normalise;
use super::panels::Panels;
use super::simd::{Element, Simd};
use super::tile::{self, PANEL_VECTORS, Product};
use crate::Emit;

/// Some steps of a part of the units; one alone, where units need each other's states.
pub(super) struct StepPart<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) times: Range<usize>,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for StepPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, times, part, parts } = self;
        let vectors = run.g.vectors();
        let units = part * vectors / parts..(part + 1) * vectors / parts;
        for k in times {
            let step = StepRows::new(run, k);
            step.start_hidden_blocks::<S>(&units);
            let active = run.active(k);
            if !run.g.hidden_blocks.is_empty() {
                // The weights read last are still in the cache: the next step begins with them.
                let panels = run.packed.hidden.part(part, parts, k % 2 == 1);
                let columns = run.g.offsets(&run.g.hidden_blocks);
                tile::multiply::<S>(active, &[0], panels, &columns, &HiddenProduct(step));
            } else if !run.plan.takes_whole_rows() {
                run.equations.step(&step, 0..active, units.clone(), Stage::Whole);
            }
        }
    }
}

/// The cell's equations at step `k` for whole rows: a part of the sequences.
pub(super) struct RowsPart<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) k: usize,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for RowsPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, k, part, parts } = self;
        let (rows, vectors) = (StepRows::new(run, k), run.g.vectors());
        let active = run.active(k);
        for row in part * active / parts..(part + 1) * active / parts {
            rows.normalise_blocks::<S>(row);
            let mut stage = Stage::Whole;
            if run.g.states.seen.is_some() {
                run.equations.step(&rows, row..row + 1, 0..vectors, Stage::Memory);
                rows.normalise_memory::<S>(row);
                stage = Stage::Seen;
            }
            run.equations.step(&rows, row..row + 1, 0..vectors, stage);
        }
    }
}

/// The projection of the hidden state at step `k`, a part of its units.
pub(super) struct ProjectionPart<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) panels: &'a Panels<E>,
    pub(super) k: usize,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for ProjectionPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, panels, k, part, parts } = self;
        let product = Projection::<S>(StepRows::new(run, k));
        let panels = panels.part(part, parts, false);
        tile::multiply::<S>(run.active(k), &[0], panels, &tile::side_by_side::<S>(), &product);
    }
}

/// The rows of one step.
pub(crate) struct StepRows<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) k: usize,
    pre: Rows<E>,
    /// The states before the step, and after it.
    prev: Rows<E>,
    next: Rows<E>,
}

impl<'a, E: Element> StepRows<'a, E> {
    #[inline(always)]
    fn new(run: &'a Run<'a, E>, k: usize) -> Self {
        // SAFETY: the task's own rows, which outlive it.
        unsafe {
            Self { run, k, pre: run.pre.at(k), prev: run.states.at(k), next: run.states.at(k + 1) }
        }
    }

    /// The pre-activations of a row.
    #[inline(always)]
    pub(super) fn pre(&self, row: usize) -> *mut E {
        // SAFETY: the row is the task's own.
        unsafe { self.pre.row(self.run.slots[row]) }
    }

    /// A row of the states before the step.
    #[inline(always)]
    pub(super) fn prev(&self, row: usize) -> *const E {
        if self.run.plan.schedule.resets(self.k, self.run.members[row]) {
            return self.run.packed.zeros.as_ptr();
        }
        // SAFETY: the row is the task's own.
        unsafe { self.prev.row(self.run.slots[row]) }
    }

    /// A row of the states after the step.
    #[inline(always)]
    pub(super) fn next(&self, row: usize) -> *mut E {
        // SAFETY: the row is the task's own.
        unsafe { self.next.row(self.run.slots[row]) }
    }

    /// Blocks that the input does not feed begin with their bias.
    #[inline(always)]
    fn start_hidden_blocks<S: Simd<Elem = E>>(&self, units: &Range<usize>) {
        let g = self.run.g;
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if of.reads_input() {
                continue;
            }
            let place = block * g.padded + units.start * S::WIDTH;
            let start = &self.run.packed.start[place..][..units.len() * S::WIDTH];
            for row in 0..self.run.active(self.k) {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let to = self.pre(row).add(place);
                    start.as_ptr().copy_to_nonoverlapping(to, start.len());
                }
            }
        }
    }

    /// Normalises the blocks of a row, if they are to be.
    #[inline(always)]
    fn normalise_blocks<S: Simd<Elem = E>>(&self, row: usize) {
        let (g, run) = (self.run.g, self.run);
        if g.derivatives.norm.is_none() {
            return;
        }
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if of.is_normalised() {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let scale = normalise::<S>(self.pre(row).add(block * g.padded), g.shape.hidden);
                    run.scales.row(self.k, run.slots[row]).add(block).write(scale);
                }
            }
        }
    }

    /// Normalises the memory of a row as [`Stage::Memory`] left it.
    #[inline(always)]
    fn normalise_memory<S: Simd<Elem = E>>(&self, row: usize) {
        let (g, run) = (self.run.g, self.run);
        if let Some(seen) = g.states.seen {
            // SAFETY: the row is the task's own, with `padded` numbers for each column.
            unsafe {
                let scale = normalise::<S>(self.next(row).add(seen * g.padded), g.shape.hidden);
                let scales = run.scales.row(self.k, run.slots[row]);
                scales.add(g.spec.blocks.len()).write(scale);
            }
        }
    }

    /// Hands on the hidden state of some registers of units, each of its row and from its place on: to the
    /// next step, and to the recurrent weights there.
    #[inline(always)]
    pub(super) fn hand_on<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [usize; N],
        places: [usize; N],
        prev: Group<S, N>,
        new: Group<S, N>,
    ) -> Group<S, N> {
        let (run, k) = (self.run, self.k);
        let rules = &run.plan.rules;
        let mut b = rows;
        let mut next = [std::ptr::null_mut(); N];
        for n in 0..N {
            b[n] = run.members[rows[n]];
            next[n] = self.next(rows[n]).wrapping_add(places[n]);
        }
        let h = rules.hand_on(0, (k, b, places), prev, new);
        // SAFETY: the rows are the task's own, with `padded` numbers for each column.
        unsafe {
            h.store(next, 0);
            if rules.drop_hidden() {
                let mask = rules.fed(k + 1, b, places);
                (h * mask).store(next, run.g.states.fed * run.g.padded);
            }
        }
        h
    }

    /// Writes registers of units to where outputs go, if those of the step do: column 0 is the output, the
    /// states stand behind it.
    #[inline(always)]
    pub(super) fn put_out<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [usize; N],
        column: usize,
        places: [usize; N],
        numbers: Group<S, N>,
    ) {
        let (run, g) = (self.run, self.run.g);
        let states = run.plan.emit == Emit::States;
        let (stride, size) = match states {
            true => ((1 + g.spec.states.len()) * g.shape.hidden, g.shape.hidden),
            false => (g.output, g.output),
        };
        let size = if column < 2 { size.min(g.output) } else { size };
        for n in 0..N {
            let place = places[n];
            let emitted = run.plan.emitted(self.k, run.members[rows[n]], stride);
            let (true, Some(first)) = (place < size, emitted) else { continue };
            // SAFETY: outputs have `stride` numbers for each emitted row.
            unsafe {
                let to = run.output.at(first + column * g.shape.hidden + place);
                numbers.0[n].store_first(to, S::WIDTH.min(size - place));
            }
        }
    }
}

/// The recurrent product, added to the pre-activations, and the equations.
struct HiddenProduct<'a, E: Element>(StepRows<'a, E>);

// SAFETY: a row of the hidden state has `padded` numbers, and the panels are no deeper. The
// pre-activations are the task's own, with `padded` numbers for each block.
unsafe impl<E: Element> Product<E> for HiddenProduct<'_, E> {
    type Row = usize;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = usize> {
        0..
    }

    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        let g = self.0.run.g;
        // SAFETY: a row of states has that column.
        unsafe { self.0.prev(row).add(g.states.fed * g.padded) }
    }

    #[inline(always)]
    fn start(&self, row: usize, vector: usize) -> *const E {
        self.out(row, vector)
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        let unit = vector / self.0.run.g.hidden_blocks.len();
        // SAFETY: the row is the task's own.
        unsafe { self.0.pre(row).add(unit * self.0.run.g.width) }
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, vector: usize) {
        let run = self.0.run;
        if !run.plan.takes_whole_rows() {
            let unit = vector / run.g.hidden_blocks.len();
            run.equations.step(&self.0, first..first + count, unit..unit + 1, Stage::Whole);
        }
    }
}

/// The product of the hidden state with its projection.
struct Projection<'a, S: Simd>(StepRows<'a, S::Elem>);

// SAFETY: a row of states has `padded` numbers for the hidden state before the projection, as many as
// the panels are deep, and for that after it.
unsafe impl<S: Simd<Elem = E>, E: Element> Product<E> for Projection<'_, S> {
    type Row = usize;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = usize> {
        0..
    }

    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        let g = self.0.run.g;
        // SAFETY: a row of states has that column.
        unsafe { self.0.next(row).add(g.states.unprojected.unwrap_or(0) * g.padded) }
    }

    #[inline(always)]
    fn start(&self, _: usize, vector: usize) -> *const E {
        self.0.run.packed.zeros[vector * S::WIDTH..].as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        // SAFETY: the row is the task's own.
        unsafe { self.0.next(row).add(vector * S::WIDTH) }
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, vector: usize) {
        let run = self.0.run;
        let all = run.g.output.div_ceil(S::WIDTH);
        let end = first + count;
        for vector in vector..all.min(vector + PANEL_VECTORS) {
            let place = vector * S::WIDTH;
            for row in first..end {
                let (new, prev) = (self.0.next(row).cast_const(), self.0.prev(row));
                // SAFETY: the rows are the task's own, and have `padded` numbers.
                let (new, prev) = unsafe { (S::load(new.add(place)), S::load(prev.add(place))) };
                let h = self.0.hand_on([row], [place], Group([prev]), Group([new]));
                self.0.put_out([row], 0, [place], h);
                if run.plan.emit == Emit::States {
                    self.0.put_out([row], 1, [place], h);
                }
            }
        }
    }
}
