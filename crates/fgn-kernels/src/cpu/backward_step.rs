//! One step of the backward pass: what the step after it sends back, and the cell's gradient.

use std::ops::Range;

use fgn_core::Lane;

use super::backward::Run;
use super::equations::Stage;
use super::geometry::Rows;
use super::group::{Group, addresses};
use super::isa::Task;
use super::norm;
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
            let panels = run.hidden_panels.part(part, parts, after % 2 == 1);
            let (offsets, columns) =
                (run.g.offsets(&run.g.hidden_blocks), tile::side_by_side::<S>());
            tile::multiply::<S>(rows, &offsets, panels, &columns, &product);
        }
    }
}

/// Some steps of a part of the units, the last one first; one alone, where units need each other's
/// derivatives. At each, what the step after it sends back, and the cell's gradient.
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
        let vectors = run.hidden_panels.part_vectors(part, parts);
        for k in times.rev() {
            HiddenPart { run, after: k + 1, part, parts }.run::<S>();
            let rows = StepRows::new(run, k);
            let places = vectors.start * S::WIDTH..vectors.end * S::WIDTH;
            for row in 0..run.active(k) {
                run.equations.grad(&rows, row, places.clone(), Stage::Whole);
            }
        }
    }
}

/// The cell's gradient at step `k` for whole rows: a part of the sequences.
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
        let (rows, places) = (StepRows::new(run, k), 0..run.g.padded);
        let active = run.active(k);
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
    pub(super) run: &'a Run<'a, E>,
    pub(super) k: usize,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for ProjectedPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, k, part, parts } = self;
        let Some(projected) = run.g.derivatives.projected else { return };
        let rows = StepRows::new(run, k);
        let active = run.active(k);
        for row in part * active / parts..(part + 1) * active / parts {
            let (d_pre, d_prev) = (rows.d_pre(row), rows.d_prev(row));
            for place in (0..run.g.output).step_by(S::WIDTH) {
                let places = [place];
                let mut d = rows.d_next::<S, 1>(row, 0, places) + rows.d_output(row, 0, places);
                if run.plan.emit == Emit::States {
                    d = d + rows.d_output(row, 1, places);
                }
                let [d, kept] = rows.take_back(row, 0, places, d);
                // SAFETY: the group's own rows, with `padded` numbers for each column.
                unsafe {
                    d.store([d_pre.add(place)], projected * run.g.padded);
                    kept.store([d_prev.add(place)], 0);
                }
            }
        }
    }
}

/// The derivatives by a part of the hidden state before its projection.
pub(super) struct UnprojectPart<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) panels: &'a Panels<E>,
    pub(super) k: usize,
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl<E: Element> Task<E> for UnprojectPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, panels, k, part, parts } = self;
        let product = Unproject(StepRows::new(run, k));
        let panels = panels.part(part, parts, false);
        tile::multiply::<S>(run.active(k), &[0], panels, &tile::side_by_side::<S>(), &product);
    }
}

/// The rows of one step.
pub(crate) struct StepRows<'a, E: Element> {
    pub(super) run: &'a Run<'a, E>,
    pub(super) k: usize,
    d_pre: Rows<E>,
    d_prev: Rows<E>,
}

impl<'a, E: Element> StepRows<'a, E> {
    #[inline(always)]
    fn new(run: &'a Run<'a, E>, k: usize) -> Self {
        // SAFETY: the group's own rows, which outlive the task.
        unsafe { Self { run, k, d_pre: run.d_pre.at(k), d_prev: run.d_prev.at(0) } }
    }

    /// A row of the derivatives by the step's pre-activations.
    #[inline(always)]
    pub(super) fn d_pre(&self, row: usize) -> *mut E {
        // SAFETY: the group's own row.
        unsafe { self.d_pre.row(row) }
    }

    /// A row of the derivatives by the states: those after the step, then those before it.
    #[inline(always)]
    pub(super) fn d_prev(&self, row: usize) -> *mut E {
        // SAFETY: the group's own row.
        unsafe { self.d_prev.row(row) }
    }

    /// A row of the saved pre-activations.
    #[inline(always)]
    pub(super) fn pre(&self, row: usize) -> *const E {
        let place = self.k * self.run.g.shape.batch + self.run.members[row];
        self.run.saved.pre[place * self.run.g.pre_stride()..].as_ptr()
    }

    /// A row of the saved states before step `k`.
    #[inline(always)]
    pub(super) fn states(&self, k: usize, row: usize) -> *const E {
        let place = k * self.run.g.shape.batch + self.run.members[row];
        self.run.saved.states[place * self.run.g.state_stride()..].as_ptr()
    }

    /// What normalisation multiplied the blocks and the memory of a row by.
    #[inline(always)]
    fn scales(&self, row: usize) -> &[E] {
        let (place, scales) =
            (self.k * self.run.g.shape.batch + self.run.members[row], self.run.g.scales());
        &self.run.saved.scales[place * scales..][..scales]
    }

    /// The derivatives by state `s` as the step handed it on, at some registers of units, but for those by
    /// the output.
    #[inline(always)]
    pub(super) fn d_next<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: usize,
        s: usize,
        places: [usize; N],
    ) -> Group<S, N> {
        let (run, next, b) = (self.run, self.k + 1, self.run.members[row]);
        let (schedule, rules) = (&run.plan.schedule, &run.plan.rules);
        let ends = next >= schedule.len(b);
        if !ends && schedule.resets(next, b) {
            return Group::zero();
        }
        let from = addresses(self.d_prev(row).cast_const(), places);
        // SAFETY: the group's own row, with `padded` numbers for each column.
        unsafe {
            let d = Group::load(from, s * run.g.padded);
            if s > 0 || ends || !rules.drop_hidden() {
                return d;
            }
            let mask: Group<S, N> = rules.fed(next, [b; N], places);
            mask.mul_add(Group::load(from, run.g.states.fed * run.g.padded), d)
        }
    }

    /// The derivatives by an emitted column of the step: 0 is the output, the states stand behind it.
    #[inline(always)]
    pub(super) fn d_output<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: usize,
        column: usize,
        places: [usize; N],
    ) -> Group<S, N> {
        let (run, g) = (self.run, self.run.g);
        let stride = run.plan.emitted_row(g.spec, g.shape.hidden);
        let size = if column < 2 { g.output } else { g.shape.hidden };
        let Some(first) = run.plan.emitted(self.k, run.members[row], stride) else {
            return Group::zero();
        };
        let from = &run.d_output[first + column * g.shape.hidden..][..size];
        let (mut inside, mut count) = (places, places);
        for n in 0..N {
            inside[n] = places[n].min(size);
            count[n] = S::WIDTH.min(size - inside[n]);
        }
        // SAFETY: there are `size` numbers.
        unsafe { Group::load_first(addresses(from.as_ptr(), inside), count) }
    }

    /// From the derivatives by state `s` as handed on to those by the step's own, and to what goes straight
    /// to the state before.
    #[inline(always)]
    pub(super) fn take_back<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: usize,
        s: usize,
        places: [usize; N],
        d: Group<S, N>,
    ) -> [Group<S, N>; 2] {
        let rules = &self.run.plan.rules;
        if rules.keep(s) {
            return [d, Group::zero()];
        }
        // SAFETY: a row of states has `padded` numbers for each state.
        let next = unsafe {
            let next = addresses(self.states(self.k + 1, row), places);
            Group::load(next, s * self.run.g.padded)
        };
        rules.take_back(s, (self.k, [self.run.members[row]; N], places), next, d)
    }

    /// From the derivatives by the normalised memory, which lie where those by its bias do, to those by
    /// its gain and by the memory.
    #[inline(always)]
    fn normalise_memory<S: Simd<Elem = E>>(&self, row: usize) {
        let g = self.run.g;
        let (Some([gain, bias]), Some(seen)) = (g.derivatives.norm_memory, g.states.seen) else {
            return;
        };
        let Some([gains, _]) = &self.run.units.norm_memory else { return };
        let scale = self.scales(row)[g.spec.blocks.len()];
        // SAFETY: the group's own rows, with `padded` numbers for each column.
        unsafe {
            let d = self.d_pre(row);
            norm::gradient::<S>(
                self.states(self.k + 1, row).add(seen * g.padded),
                scale,
                [gains.as_ptr(), d.add(bias * g.padded).cast_const()],
                [d.add(gain * g.padded), self.d_prev(row).add(seen * g.padded)],
                g.shape.hidden,
            );
        }
    }

    /// From the derivatives by normalised blocks, if they are, to those by their gains and biases and by
    /// the blocks before.
    #[inline(always)]
    fn normalise_blocks<S: Simd<Elem = E>>(&self, row: usize) {
        let g = self.run.g;
        let (Some([gain, bias]), Some([gains, _])) = (g.derivatives.norm, &self.run.units.norm)
        else {
            return;
        };
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if !of.is_normalised() {
                continue;
            }
            let here = block * g.padded;
            let scale = self.scales(row)[block];
            // SAFETY: the group's own rows, with `padded` numbers for each column.
            unsafe {
                let d = self.d_pre(row);
                let d_bias = d.add((bias + block) * g.padded);
                d.add(here).copy_to_nonoverlapping(d_bias, g.padded);
                norm::gradient::<S>(
                    self.pre(row).add(here),
                    scale,
                    [gains[here..].as_ptr(), d_bias.cast_const()],
                    [d.add((gain + block) * g.padded), d.add(here)],
                    g.shape.hidden,
                );
            }
        }
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
    fn start(&self, row: usize, vector: usize) -> *const E {
        match self.fed {
            Some(_) => self.run.zeros.as_ptr(),
            None => self.out(row, vector),
        }
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        // SAFETY: the group's own row.
        unsafe { self.d_prev.row(row).add(self.fed.unwrap_or(0) + vector * self.run.g.width) }
    }

    #[inline(always)]
    fn finished(&self, _: usize, _: usize, _: usize) {}
}

/// The product of the derivatives by the projected hidden state with its projection.
struct Unproject<'a, E: Element>(StepRows<'a, E>);

// SAFETY: rows have `padded` numbers for each column, and the panels are no deeper than that.
unsafe impl<E: Element> Product<E> for Unproject<'_, E> {
    type Row = usize;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = usize> {
        0..
    }

    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        let g = self.0.run.g;
        let projected = g.derivatives.projected.unwrap_or(0);
        self.0.d_pre(row).cast_const().wrapping_add(projected * g.padded)
    }

    #[inline(always)]
    fn start(&self, _: usize, _: usize) -> *const E {
        self.0.run.zeros.as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        let g = self.0.run.g;
        let unprojected = g.states.unprojected.unwrap_or(0);
        self.0.d_prev(row).wrapping_add(unprojected * g.padded + vector * g.width)
    }

    #[inline(always)]
    fn finished(&self, _: usize, _: usize, _: usize) {}
}
