//! One step of the forward pass: a tile of sequences and units adds the recurrent product, and the
//! cell's equations are applied to it while it is in the nearest cache. Where units need each other
//! beside the product, for a normalisation or a projection, the equations wait for whole rows.

use std::ops::Range;

use super::crew::Claims;
use super::equations::Stage;
use super::forward::{Block, Row, Run};
use super::group::Group;
use super::isa::{Target, Task};
use super::norm::normalise;
use super::panels::Panels;
use super::simd::{Element, Simd};
use super::tile::{self, PANEL_VECTORS, Product};
use crate::Emit;

/// Some steps of a part of the units; one alone, where units need each other's states.
pub(super) struct StepPart<'a, E: Element> {
    pub(super) block: &'a Block<'a, E>,
    pub(super) times: Range<usize>,
    pub(super) part: usize,
    pub(super) parts: usize,
    /// Which of the step's panels are taken.
    pub(super) claims: &'a Claims,
}

impl<E: Element> Task<E> for StepPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block, times, part, parts, claims } = self;
        for k in times {
            let step = block.step(k);
            let (run, active) = (step.run, step.rows.len());
            // Hidden states of zero add nothing: at most the input's product is left.
            let zero = k == 0 && run.from_zero;
            let blocks = run.g.hidden_blocks.len();
            let product = if zero { run.packed.fused > 0 } else { blocks > 0 };
            if product {
                // The weights read last are still in the cache: the next step begins with them.
                let panels = run.packed.hidden.claimed(part, parts, k % 2 == 1, claims);
                let panels = panels.map(|panel| {
                    let unit = panel.first / blocks;
                    step.start_hidden_blocks::<S>(&(unit..unit + 1));
                    if zero { panel.top(run.g.shape.input) } else { panel }
                });
                let columns = run.g.offsets(&run.g.hidden_blocks);
                let fused = run.packed.fused > 0;
                let product = HiddenProduct::<S> {
                    rows: step,
                    zero,
                    fed: run.g.states.fed * run.g.padded,
                    start: fused.then(|| run.packed.start.as_ptr()),
                };
                tile::multiply::<S>(active, &[0], panels, &columns, &product);
            } else {
                let vectors = run.g.vectors();
                let units = part * vectors / parts..(part + 1) * vectors / parts;
                step.start_hidden_blocks::<S>(&units);
                if !run.g.whole_rows {
                    run.equations.step(&step, 0..active, units, Stage::Whole);
                }
            }
        }
    }
}

/// The cell's equations at step `k` for whole rows: a part of the sequences.
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
        let vectors = run.g.vectors();
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
    pub(super) rows: StepRows<'a, E>,
    pub(super) panels: &'a Panels<E>,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for ProjectionPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, panels, part, parts } = self;
        let panels = panels.part(part, parts, false);
        let product = Projection::<S>(rows);
        tile::multiply::<S>(rows.rows.len(), &[0], panels, &tile::side_by_side::<S>(), &product);
    }
}

/// The rows of one step.
#[derive(Clone, Copy)]
pub(crate) struct StepRows<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) k: usize,
    pub(super) rows: &'a [Row<E>],
}

impl<E: Element> StepRows<'_, E> {
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
            for row in self.rows {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let to = row.pre.add(place);
                    start.as_ptr().copy_to_nonoverlapping(to, start.len());
                }
            }
        }
    }

    /// Normalises the blocks of a row, if they are to be.
    #[inline(always)]
    fn normalise_blocks<S: Simd<Elem = E>>(&self, row: usize) {
        let g = self.run.g;
        if g.derivatives.norm.is_none() {
            return;
        }
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if of.is_normalised() {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let Row { pre, scales, .. } = self.rows[row];
                    let scale = normalise::<S>(pre.add(block * g.padded), g.shape.hidden);
                    scales.add(block).write(scale);
                }
            }
        }
    }

    /// Normalises the memory of a row as [`Stage::Memory`] left it.
    #[inline(always)]
    fn normalise_memory<S: Simd<Elem = E>>(&self, row: usize) {
        let g = self.run.g;
        if let Some(seen) = g.states.seen {
            // SAFETY: the row is the task's own, with `padded` numbers for each column.
            unsafe {
                let Row { next, scales, .. } = self.rows[row];
                let scale = normalise::<S>(next.add(seen * g.padded), g.shape.hidden);
                scales.add(g.spec.blocks.len()).write(scale);
            }
        }
    }

    /// Hands on the hidden state of some registers of units, each of its row and from its place on: to the
    /// next step, and to the recurrent weights there.
    #[inline(always)]
    pub(super) fn hand_on<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&Row<E>; N],
        places: [usize; N],
        prev: Group<S, N>,
        new: Group<S, N>,
    ) -> Group<S, N> {
        let (run, k) = (self.run, self.k);
        let rules = &run.plan.rules;
        let mut b = [0; N];
        let mut next = [std::ptr::null_mut(); N];
        for n in 0..N {
            b[n] = rows[n].b;
            next[n] = rows[n].next.wrapping_add(places[n]);
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
        rows: [&Row<E>; N],
        column: usize,
        places: [usize; N],
        numbers: Group<S, N>,
    ) {
        let g = self.run.g;
        let size = if column < 2 { g.output } else { g.shape.hidden };
        for n in 0..N {
            let (place, emitted) = (places[n], rows[n].emitted);
            if place < size && !emitted.is_null() {
                let to = emitted.wrapping_add(column * g.shape.hidden + place);
                // SAFETY: what a step emits has `size` numbers in this column.
                unsafe {
                    match size - place {
                        rest if rest < S::WIDTH => numbers.0[n].store_first(to, rest),
                        _ => numbers.0[n].store(to),
                    }
                }
            }
        }
    }
}

/// The recurrent product, added to the pre-activations or with the input's before it, and the equations.
struct HiddenProduct<'a, S: Simd> {
    rows: StepRows<'a, S::Elem>,
    /// Whether there is the input's product alone.
    zero: bool,
    /// Where the hidden state stands in a row of states.
    fed: usize,
    /// What sums begin with, where the input's product is one with this one.
    start: Option<*const S::Elem>,
}

// SAFETY: a row of the hidden state has `padded` numbers, and the panels, beside the input's numbers, are
// no deeper. The pre-activations are the task's own, with `padded` numbers for each block.
unsafe impl<'a, S: Simd<Elem = E>, E: Element> Product<E> for HiddenProduct<'a, S> {
    type Row = &'a Row<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.rows.rows.iter()
    }

    #[inline(always)]
    fn left(&self, row: Self::Row) -> *const E {
        if self.zero { row.x } else { row.prev.wrapping_add(self.fed) }
    }

    #[inline(always)]
    fn before(&self) -> usize {
        if self.start.is_some() && !self.zero { self.rows.run.g.shape.input } else { 0 }
    }

    #[inline(always)]
    fn left_before(&self, row: Self::Row) -> *const E {
        row.x
    }

    #[inline(always)]
    fn start(&self, row: Self::Row) -> *const E {
        self.start.unwrap_or(row.pre)
    }

    #[inline(always)]
    fn out(&self, row: Self::Row) -> *mut E {
        row.pre
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector / self.rows.run.g.hidden_blocks.len() * S::WIDTH
    }

    #[inline(always)]
    fn approach(&self, first: usize, count: usize, place: usize) {
        let Run { g, saves, .. } = *self.rows.run;
        for row in &self.rows.rows[first..first + count] {
            S::Target::prefetch_write(row.emitted.wrapping_add(place));
            if !saves {
                continue; // The rest is written again and again in the same place.
            }
            for &block in &g.hidden_blocks {
                S::Target::prefetch_write(row.pre.wrapping_add(block * g.padded + place));
            }
            for s in 0..g.spec.states.len() {
                S::Target::prefetch_write(row.next.wrapping_add(s * g.padded + place));
            }
        }
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, place: usize) {
        let run = self.rows.run;
        if !run.g.whole_rows {
            let unit = place / S::WIDTH;
            run.equations.step(&self.rows, first..first + count, unit..unit + 1, Stage::Whole);
        }
    }
}

/// The product of the hidden state with its projection.
struct Projection<'a, S: Simd>(StepRows<'a, S::Elem>);

// SAFETY: a row of states has `padded` numbers for the hidden state before the projection, as many as
// the panels are deep, and for that after it.
unsafe impl<'a, S: Simd<Elem = E>, E: Element> Product<E> for Projection<'a, S> {
    type Row = &'a Row<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.0.rows.iter()
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
            for row in &self.0.rows[first..end] {
                // SAFETY: the rows are the task's own, and have `padded` numbers.
                let (new, prev) =
                    unsafe { (S::load(row.next.add(place)), S::load(row.prev.add(place))) };
                let h = self.0.hand_on([row], [place], Group([prev]), Group([new]));
                self.0.put_out([row], 0, [place], h);
                if run.plan.emit == Emit::States {
                    self.0.put_out([row], 1, [place], h);
                }
            }
        }
    }
}
