//! The gradient of a cell's step on registers.

// Loops over a cell's states read several arrays at once.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use fgn_core::{At, Cell, Lane, MAX_STATES, Step};

use super::backward_rows::{Row, StepRows};
use super::equations::Stage;
use super::group::{Group, TOGETHER, addresses, targets};
use super::isa::{Target, Task};
use super::simd::{Element, Simd};
use crate::Emit;

/// The gradient for whole registers of units, `places`, of a row: from the derivatives by the states after
/// the step to those by its pre-activations and by the states before it.
pub(super) struct Grad<'a, E: Element, C> {
    pub(super) cell: C,
    pub(super) rows: &'a StepRows<'a, E>,
    pub(super) row: usize,
    pub(super) places: Range<usize>,
    pub(super) stage: Stage,
}

impl<E: Element, C: Cell> Task<E> for Grad<'_, E, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        for place in self.places.clone().step_by(TOGETHER * S::WIDTH) {
            // The last register stands in for those that are missing.
            let mut places = [place; TOGETHER];
            for (n, place) in places.iter_mut().enumerate() {
                *place = (*place + n * S::WIDTH).min(self.places.end - S::WIDTH);
            }
            self.group::<S, TOGETHER>(places);
        }
    }
}

impl<E: Element, C: Cell> Grad<'_, E, C> {
    /// The gradient for a group of registers of units, from `places` on.
    #[inline(always)]
    fn group<S: Simd<Elem = E>, const N: usize>(&self, places: [usize; N]) {
        let (run, row) = (self.rows.run, &self.rows.rows[self.row]);
        let (g, spec) = (run.g, C::SPEC);
        if let Some(next) = self.rows.rows.get(self.row + 1) {
            self.ask_for::<S, N>(next, places);
        }
        let mut at = self.load::<S, N>(row, places);
        if run.plain {
            let mut d_step = Step { output: Group::zero(), next: [Group::zero(); MAX_STATES] };
            let d_next = addresses(row.d_next, places);
            for s in 0..spec.states.len() {
                // SAFETY: the group's own row, with `padded` numbers for each column.
                d_step.next[s] = unsafe { Group::load(d_next, s * g.padded) };
            }
            let d_output = self.rows.d_output(row, 0, places);
            if spec.output_is_state {
                d_step.next[0] = d_step.next[0] + d_output;
            } else {
                d_step.output = d_output;
            }
            let by = self.cell.grad(&at, &d_step);
            return self.store(row, places, &by, [Group::zero(); MAX_STATES], 0);
        }
        at.seen = self.seen(row, places);
        let mut d_step = Step { output: Group::zero(), next: [Group::zero(); MAX_STATES] };
        let mut kept = [Group::zero(); MAX_STATES];
        self.load_derivatives(row, places, &mut d_step, &mut kept);
        let d_prev = row.d_prev.cast_const();
        if let (Stage::Seen, Some(memory), Some(seen)) = (self.stage, spec.memory, g.states.seen) {
            // SAFETY: the group's own row, with `padded` numbers for each column.
            let d = unsafe { Group::load(addresses(d_prev, places), seen * g.padded) };
            d_step.next[memory] = d_step.next[memory] + d;
        }
        let by = self.cell.grad(&at, &d_step);
        if self.stage == Stage::Memory {
            if let (Some(d), Some([_, bias])) = (by.seen, g.derivatives.norm_memory) {
                // SAFETY: the group's own row, with `padded` numbers for each column.
                unsafe { d.store(targets(row.d_pre, places), bias * g.padded) };
            }
            return;
        }
        // With a projection, the derivatives by the first state went straight to the one before.
        let first = usize::from(g.states.unprojected.is_some());
        self.store(row, places, &by, kept, first);
    }

    /// Asks for what the gradient at a row reads that no step of the backward pass wrote.
    #[inline(always)]
    fn ask_for<S: Simd<Elem = E>, const N: usize>(&self, row: &Row<E>, places: [usize; N]) {
        let g = self.rows.run.g;
        for n in 0..N {
            for block in 0..C::SPEC.blocks.len() {
                S::Target::prefetch(row.pre.wrapping_add(block * g.padded + places[n]));
            }
            for s in 0..C::SPEC.states.len() {
                S::Target::prefetch(row.prev.wrapping_add(s * g.padded + places[n]));
            }
            S::Target::prefetch(row.d_emitted.wrapping_add(places[n]));
        }
    }

    /// Writes the derivatives, with what went straight to the states before, from the `first` on.
    #[inline(always)]
    fn store<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        places: [usize; N],
        by: &At<Group<S, N>>,
        kept: [Group<S, N>; MAX_STATES],
        first: usize,
    ) {
        let (g, spec) = (self.rows.run.g, C::SPEC);
        let (d_pre, d_prev) = (targets(row.d_pre, places), targets(row.d_prev, places));
        // SAFETY: the group's own rows, with `padded` numbers for each column.
        unsafe {
            for block in 0..spec.blocks.len() {
                by.pre[block].store(d_pre, block * g.padded);
            }
            for v in 0..spec.vectors.len() {
                by.vectors[v].store(d_pre, (spec.blocks.len() + v) * g.padded);
            }
            for s in 0..spec.states.len() {
                if s >= first {
                    (by.prev[s] + kept[s]).store(d_prev, s * g.padded);
                }
            }
        }
    }

    /// The step's arguments.
    #[inline(always)]
    fn load<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        places: [usize; N],
    ) -> At<Group<S, N>> {
        let (g, units) = (self.rows.run.g, &self.rows.run.packed.units);
        let mut at = At::<Group<S, N>>::zero();
        let pre = addresses(row.pre, places);
        let prev = addresses(row.prev, places);
        let vectors = addresses(units.vectors.as_ptr(), places);
        // SAFETY: rows have `padded` numbers for each block, state, vector and column.
        unsafe {
            for block in 0..C::SPEC.blocks.len() {
                let here = block * g.padded;
                let pre = Group::load(pre, here);
                at.pre[block] = match &units.norm {
                    None => pre,
                    Some([gain, bias]) => {
                        let gain = Group::load(addresses(gain.as_ptr(), places), here);
                        let bias = Group::load(addresses(bias.as_ptr(), places), here);
                        pre.mul_add(gain, bias)
                    }
                };
            }
            for v in 0..C::SPEC.vectors.len() {
                at.vectors[v] = Group::load(vectors, v * g.padded);
            }
            for s in 0..C::SPEC.states.len() {
                at.prev[s] = Group::load(prev, s * g.padded);
            }
        }
        if self.rows.run.squashes {
            at.squashed = true;
            return at;
        }
        at.squash::<C>()
    }

    /// The normalised memory with gain and bias.
    #[inline(always)]
    fn seen<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        places: [usize; N],
    ) -> Option<Group<S, N>> {
        C::SPEC.memory?; // A cell without a memory is spared the code.
        let g = self.rows.run.g;
        let [gain, bias] = self.rows.run.packed.units.norm_memory.as_ref()?;
        // SAFETY: rows have `padded` numbers for each column, as have gain and bias.
        unsafe {
            let memory = Group::load(addresses(row.next, places), g.states.seen? * g.padded);
            let gain = Group::load(addresses(gain.as_ptr(), places), 0);
            let bias = Group::load(addresses(bias.as_ptr(), places), 0);
            Some(memory.mul_add(gain, bias))
        }
    }

    /// The derivatives by the step's results, and what of them goes straight to the states before.
    #[inline(always)]
    fn load_derivatives<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &Row<E>,
        places: [usize; N],
        d_step: &mut Step<Group<S, N>>,
        kept: &mut [Group<S, N>; MAX_STATES],
    ) {
        let (rows, run) = (self.rows, self.rows.run);
        let g = run.g;
        let mut first = 0;
        if let Some(unprojected) = g.states.unprojected {
            let d = addresses(row.d_prev.cast_const(), places);
            // SAFETY: the row has `padded` numbers for each column.
            d_step.next[0] = unsafe { Group::load(d, unprojected * g.padded) };
            first = 1;
        } else {
            d_step.output = rows.d_output(row, 0, places);
        }
        for s in first..C::SPEC.states.len() {
            let mut d = rows.d_next(row, s, places);
            if s == 0 && C::SPEC.output_is_state {
                d = d + d_step.output;
                d_step.output = Group::zero();
            }
            if run.plan.emit == Emit::States {
                d = d + rows.d_output(row, 1 + s, places);
            }
            [d_step.next[s], kept[s]] = rows.take_back(row, s, places, d);
        }
    }
}
