//! The gradient of a cell's step on registers.

// Loops over a cell's states read several arrays at once.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use fgn_core::{At, Cell, Lane, MAX_STATES, Step};

use super::backward_step::StepRows;
use super::equations::Stage;
use super::group::{Group, TOGETHER, addresses};
use super::isa::Task;
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
        let (g, spec, row) = (self.rows.run.g, C::SPEC, self.row);
        let (mut d_pre, mut d_prev) = ([std::ptr::null_mut(); N], [std::ptr::null_mut(); N]);
        for n in 0..N {
            d_pre[n] = self.rows.d_pre(row).wrapping_add(places[n]);
            d_prev[n] = self.rows.d_prev(row).wrapping_add(places[n]);
        }
        // With a projection, the derivatives by the first state went straight to the one before.
        let first = usize::from(g.states.unprojected.is_some());
        let at = self.load::<S, N>(places);
        let mut d_step = Step { output: Group::zero(), next: [Group::zero(); MAX_STATES] };
        let mut kept = [Group::zero(); MAX_STATES];
        self.load_derivatives(places, &mut d_step, &mut kept);
        // SAFETY: the group's own rows, with `padded` numbers for each column.
        unsafe {
            if let (Stage::Seen, Some(memory), Some(seen)) =
                (self.stage, spec.memory, g.states.seen)
            {
                let d = Group::load(d_prev.map(<*mut E>::cast_const), seen * g.padded);
                d_step.next[memory] = d_step.next[memory] + d;
            }
            let by = self.cell.grad(&at, &d_step);
            if self.stage == Stage::Memory {
                if let (Some(d), Some([_, bias])) = (by.seen, g.derivatives.norm_memory) {
                    d.store(d_pre, bias * g.padded);
                }
                return;
            }
            for block in 0..spec.blocks.len() {
                by.pre[block].store(d_pre, block * g.padded);
            }
            for v in 0..spec.vectors.len() {
                by.vectors[v].store(d_pre, (spec.blocks.len() + v) * g.padded);
            }
            for s in first..spec.states.len() {
                let d = by.prev[s] + kept[s];
                d.store(d_prev, s * g.padded);
            }
        }
    }

    /// The step's arguments.
    #[inline(always)]
    fn load<S: Simd<Elem = E>, const N: usize>(&self, places: [usize; N]) -> At<Group<S, N>> {
        let Self { rows, row, .. } = *self;
        let (run, g, units) = (rows.run, rows.run.g, rows.run.units);
        let mut at = At::<Group<S, N>>::zero();
        let pre = addresses(rows.pre(row), places);
        let reset = run.plan.schedule.resets(rows.k, run.members[row]);
        let prev = if reset { run.zeros.as_ptr() } else { rows.states(rows.k, row) };
        let prev = addresses(prev, places);
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
            if let (Some(_), Some(seen), Some([gain, bias])) =
                (C::SPEC.memory, g.states.seen, &units.norm_memory)
            {
                let memory = addresses(rows.states(rows.k + 1, row), places);
                let gain = Group::load(addresses(gain.as_ptr(), places), 0);
                let bias = Group::load(addresses(bias.as_ptr(), places), 0);
                at.seen = Some(Group::load(memory, seen * g.padded).mul_add(gain, bias));
            }
            for s in 0..C::SPEC.states.len() {
                at.prev[s] = Group::load(prev, s * g.padded);
            }
        }
        at
    }

    /// The derivatives by the step's results, and what of them goes straight to the states before.
    #[inline(always)]
    fn load_derivatives<S: Simd<Elem = E>, const N: usize>(
        &self,
        places: [usize; N],
        d_step: &mut Step<Group<S, N>>,
        kept: &mut [Group<S, N>; MAX_STATES],
    ) {
        let Self { rows, row, .. } = *self;
        let (run, g) = (rows.run, rows.run.g);
        let mut first = 0;
        if let Some(unprojected) = g.states.unprojected {
            let d = addresses(rows.d_prev(row).cast_const(), places);
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
