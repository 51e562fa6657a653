//! Where the numbers of the backward pass lie, step by step, and what options make of them.

use std::ops::Range;

use fgn_core::Lane;

use super::backward::Run;
use super::group::{Group, addresses};
use super::norm;
use super::simd::{Element, Simd};

/// Some steps in a row of all sequences of a run.
pub(super) struct Block<'a, E: Element> {
    run: &'a Run<'a, E>,
    first: usize,
    /// The sequences that run at the first step; some may have ended at a later one.
    active: usize,
    /// For each step, a row of each of these.
    rows: Vec<Row<E>>,
}

/// Where the numbers of one sequence lie at one step: found once, read for each register of units.
#[derive(Clone, Copy)]
pub(super) struct Row<E> {
    /// The sequence.
    pub(super) b: usize,
    /// The blocks, as they were kept.
    pub(super) pre: *const E,
    /// The states before the step, and after it.
    pub(super) prev: *const E,
    pub(super) next: *const E,
    /// What normalisation multiplied by.
    pub(super) scales: *const E,
    /// The derivatives by what the step emitted; null, if nothing.
    pub(super) d_emitted: *const E,
    /// Those by the states after the step, as far as the next one saw them.
    pub(super) d_next: *const E,
    /// Where those by the states before the step go, which may be the same place.
    pub(super) d_prev: *mut E,
    /// Where those by the pre-activations go.
    pub(super) d_pre: *mut E,
}

// SAFETY: what is behind a run's addresses is shared as [`Run`] says.
unsafe impl<E: Element> Sync for Row<E> {}

impl<'a, E: Element> Block<'a, E> {
    /// No steps yet.
    pub(super) fn new(run: &'a Run<'a, E>) -> Self {
        Self { run, first: 0, active: 0, rows: Vec::new() }
    }

    /// Finds the rows of the steps `times`.
    pub(super) fn find_rows(&mut self, times: Range<usize>) {
        let Run { g, plan, saved, zeros, .. } = *self.run;
        let run = self.run;
        (self.first, self.active) = (times.start, run.active(times.start));
        self.rows.clear();
        let schedule = &plan.schedule;
        let emitted_row = plan.emitted_row(g.spec, g.shape.hidden);
        for k in times {
            // SAFETY: the memory is the run's.
            let (d_prev, d_pre) = unsafe { (run.d_prev.at(0), run.d_pre.at(k)) };
            for (row, &b) in run.members.iter().enumerate().take(self.active) {
                let place = k * g.shape.batch + b;
                let states = |place: usize| saved.states[place * g.state_stride()..].as_ptr();
                let ends = k + 1 >= schedule.len(b);
                // SAFETY: the group's own rows.
                let (d_prev, d_pre) = unsafe { (d_prev.row(row), d_pre.row(row)) };
                self.rows.push(Row {
                    b,
                    pre: saved.pre[place * g.pre_stride()..].as_ptr(),
                    prev: if schedule.resets(k, b) { zeros.as_ptr() } else { states(place) },
                    next: states(place + g.shape.batch),
                    scales: saved.scales[place * g.scales()..].as_ptr(),
                    d_emitted: match plan.emitted(k, b, emitted_row) {
                        Some(place) => run.d_output[place..].as_ptr(),
                        None => std::ptr::null(),
                    },
                    d_next: if !ends && schedule.resets(k + 1, b) {
                        zeros.as_ptr()
                    } else {
                        d_prev
                    },
                    d_prev,
                    d_pre,
                });
            }
        }
    }

    /// The rows of step `k`: of the sequences that still run.
    #[inline(always)]
    pub(super) fn step(&self, k: usize) -> StepRows<'_, E> {
        let first = (k - self.first) * self.active;
        StepRows { run: self.run, k, rows: &self.rows[first..][..self.run.active(k)] }
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
    /// The derivatives by state `s` as the step handed it on, at some registers of units, but for those by
    /// the output.
    #[inline(always)]
    pub(super) fn d_next<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        s: usize,
        places: [usize; N],
    ) -> Group<S, N> {
        let (g, rules) = (self.run.g, &self.run.plan.rules);
        let from = addresses(row.d_next, places);
        // SAFETY: the group's own row, with `padded` numbers for each column.
        unsafe {
            let d = Group::load(from, s * g.padded);
            if s > 0 || !rules.drop_hidden() {
                return d;
            }
            let mask: Group<S, N> = rules.fed(self.k + 1, [row.b; N], places);
            mask.mul_add(Group::load(from, g.states.fed * g.padded), d)
        }
    }

    /// The derivatives by an emitted column of the step: 0 is the output, the states stand behind it.
    #[inline(always)]
    pub(super) fn d_output<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        column: usize,
        places: [usize; N],
    ) -> Group<S, N> {
        let g = self.run.g;
        if row.d_emitted.is_null() {
            return Group::zero();
        }
        let size = if column < 2 { g.output } else { g.shape.hidden };
        let from = row.d_emitted.wrapping_add(column * g.shape.hidden);
        let (mut inside, mut count) = (places, places);
        for n in 0..N {
            inside[n] = places[n].min(size);
            count[n] = S::WIDTH.min(size - inside[n]);
        }
        // SAFETY: what a step emits has `size` numbers in this column.
        unsafe { Group::load_first(addresses(from, inside), count) }
    }

    /// From the derivatives by state `s` as handed on to those by the step's own, and to what goes straight
    /// to the state before.
    #[inline(always)]
    pub(super) fn take_back<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        s: usize,
        places: [usize; N],
        d: Group<S, N>,
    ) -> [Group<S, N>; 2] {
        let rules = &self.run.plan.rules;
        if rules.keep(s) {
            return [d, Group::zero()];
        }
        // SAFETY: a row of states has `padded` numbers for each state.
        let next = unsafe { Group::load(addresses(row.next, places), s * self.run.g.padded) };
        rules.take_back(s, (self.k, [row.b; N], places), next, d)
    }

    /// From the derivatives by the normalised memory, which lie where those by its bias do, to those by
    /// its gain and by the memory.
    #[inline(always)]
    pub(super) fn normalise_memory<S: Simd<Elem = E>>(&self, row: usize) {
        let (g, row) = (self.run.g, &self.rows[row]);
        let (Some([gain, bias]), Some(seen)) = (g.derivatives.norm_memory, g.states.seen) else {
            return;
        };
        let Some([gains, _]) = &self.run.packed.units.norm_memory else { return };
        // SAFETY: the group's own rows, with `padded` numbers for each column and a scale for each block
        // and the memory.
        unsafe {
            norm::gradient::<S>(
                row.next.add(seen * g.padded),
                *row.scales.add(g.spec.blocks.len()),
                [gains.as_ptr(), row.d_pre.add(bias * g.padded).cast_const()],
                [row.d_pre.add(gain * g.padded), row.d_prev.add(seen * g.padded)],
                g.shape.hidden,
            );
        }
    }

    /// From the derivatives by normalised blocks, if they are, to those by their gains and biases and by
    /// the blocks before.
    #[inline(always)]
    pub(super) fn normalise_blocks<S: Simd<Elem = E>>(&self, row: usize) {
        let (g, row) = (self.run.g, &self.rows[row]);
        let (Some([gain, bias]), Some([gains, _])) =
            (g.derivatives.norm, &self.run.packed.units.norm)
        else {
            return;
        };
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if !of.is_normalised() {
                continue;
            }
            let (here, d) = (block * g.padded, row.d_pre);
            // SAFETY: the group's own rows, with `padded` numbers for each column and a scale for each
            // block.
            unsafe {
                let d_bias = d.add((bias + block) * g.padded);
                d.add(here).copy_to_nonoverlapping(d_bias, g.padded);
                norm::gradient::<S>(
                    row.pre.add(here),
                    *row.scales.add(block),
                    [gains[here..].as_ptr(), d_bias.cast_const()],
                    [d.add((gain + block) * g.padded), d.add(here)],
                    g.shape.hidden,
                );
            }
        }
    }
}
