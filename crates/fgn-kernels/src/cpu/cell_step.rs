//! A cell's step on registers.

use std::ops::Range;

use fgn_core::{At, Cell, Lane};

use super::equations::Stage;
use super::forward::Row;
use super::forward_step::StepRows;
use super::group::{Group, TOGETHER, addresses};
use super::isa::Task;
use super::simd::{Element, Simd};
use crate::Emit;

/// The step for some registers of units of some rows.
pub(super) struct Step<'a, E: Element, C> {
    pub(super) cell: C,
    pub(super) rows: &'a StepRows<'a, E>,
    pub(super) members: Range<usize>,
    pub(super) units: Range<usize>,
    pub(super) stage: Stage,
}

impl<E: Element, C: Cell> Task<E> for Step<'_, E, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let (mut row, mut unit) = (self.members.start, self.units.start);
        let count = self.members.len() * self.units.len();
        for first in (0..count).step_by(TOGETHER) {
            let (mut rows, mut places) = ([0; TOGETHER], [0; TOGETHER]);
            for n in 0..TOGETHER {
                (rows[n], places[n]) = (row, unit * S::WIDTH);
                // The last one stands in for those that are missing.
                if first + n + 1 < count {
                    unit += 1;
                    if unit == self.units.end {
                        (row, unit) = (row + 1, self.units.start);
                    }
                }
            }
            self.group::<S, TOGETHER>(rows.map(|row| &self.rows.rows[row]), places);
        }
    }
}

impl<E: Element, C: Cell> Step<'_, E, C> {
    /// The step for a group of registers: of rows `rows`, from units `places` on.
    #[inline(always)]
    fn group<S: Simd<Elem = E>, const N: usize>(&self, rows: [&Row<E>; N], places: [usize; N]) {
        let run = self.rows.run;
        let g = run.g;
        let mut b = [0; N];
        let mut next = [std::ptr::null_mut(); N];
        for n in 0..N {
            b[n] = rows[n].b;
            next[n] = rows[n].next.wrapping_add(places[n]);
        }
        let mut at = self.load::<S, N>(rows, places);
        if run.squashes {
            self.keep_squashed(rows, places, &at);
        }
        if self.stage == Stage::Seen {
            at.seen = self.seen(next, places);
        }
        let step = self.cell.step(&at);
        if run.plain {
            // SAFETY: the task's own rows, each with `padded` numbers for every state.
            unsafe {
                for s in 0..C::SPEC.states.len() {
                    step.next[s].store(next, s * g.padded);
                }
            }
            let output = if C::SPEC.output_is_state { step.next[0] } else { step.output };
            return self.rows.put_out(rows, 0, places, output);
        }
        if self.stage == Stage::Memory {
            if let (Some(memory), Some(seen)) = (C::SPEC.memory, g.states.seen) {
                // SAFETY: the task's own rows, each with `padded` numbers for every column.
                unsafe { step.next[memory].store(next, seen * g.padded) };
            }
            return;
        }
        for s in 1..C::SPEC.states.len() {
            let at_step = (self.rows.k, b, places);
            let state = run.plan.rules.hand_on(s, at_step, at.prev[s], step.next[s]);
            // SAFETY: the task's own rows, each with `padded` numbers for every state.
            unsafe { state.store(next, s * g.padded) };
            if run.plan.emit == Emit::States {
                self.rows.put_out(rows, 1 + s, places, state);
            }
        }
        if let Some(unprojected) = g.states.unprojected {
            // SAFETY: as above.
            unsafe { step.next[0].store(next, unprojected * g.padded) };
            return;
        }
        let h = self.rows.hand_on(rows, places, at.prev[0], step.next[0]);
        let output = if C::SPEC.output_is_state { h } else { step.output };
        self.rows.put_out(rows, 0, places, output);
        if run.plan.emit == Emit::States {
            self.rows.put_out(rows, 1, places, h);
        }
    }

    /// Leaves blocks as they were squashed, for the backward pass.
    #[inline(always)]
    fn keep_squashed<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&Row<E>; N],
        places: [usize; N],
        at: &At<Group<S, N>>,
    ) {
        let mut pre = [std::ptr::null_mut(); N];
        for n in 0..N {
            pre[n] = rows[n].pre.wrapping_add(places[n]);
        }
        for block in 0..C::SPEC.blocks.len() {
            if C::SPEC.blocks[block].squash.is_some() {
                // SAFETY: the task's own rows, each with `padded` numbers for every block.
                unsafe { at.pre[block].store(pre, block * self.rows.run.g.padded) };
            }
        }
    }

    /// What the equations see.
    #[inline(always)]
    fn load<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&Row<E>; N],
        places: [usize; N],
    ) -> At<Group<S, N>> {
        let (g, units) = (self.rows.run.g, &self.rows.run.packed.units);
        let (mut pre, mut prev) = ([std::ptr::null(); N], [std::ptr::null(); N]);
        for n in 0..N {
            pre[n] = rows[n].pre.cast_const().wrapping_add(places[n]);
            prev[n] = rows[n].prev.wrapping_add(places[n]);
        }
        let vectors = addresses(units.vectors.as_ptr(), places);
        let mut at = At::<Group<S, N>>::zero();
        // SAFETY: the task's own rows have `padded` numbers for every block and state, as have gain and
        // bias, and the vectors `padded` each.
        unsafe {
            for v in 0..C::SPEC.vectors.len() {
                at.vectors[v] = Group::load(vectors, v * g.padded);
            }
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
            for s in 0..C::SPEC.states.len() {
                at.prev[s] = Group::load(prev, s * g.padded);
            }
        }
        at.squash::<C>()
    }

    /// The normalised memory with gain and bias.
    #[inline(always)]
    fn seen<S: Simd<Elem = E>, const N: usize>(
        &self,
        next: [*mut E; N],
        places: [usize; N],
    ) -> Option<Group<S, N>> {
        C::SPEC.memory?; // A cell without a memory is spared the code.
        let g = self.rows.run.g;
        let [gain, bias] = self.rows.run.packed.units.norm_memory.as_ref()?;
        // SAFETY: the task's own rows, each with `padded` numbers for every column; gain and bias have
        // `padded` numbers.
        unsafe {
            let gain = Group::load(addresses(gain.as_ptr(), places), 0);
            let bias = Group::load(addresses(bias.as_ptr(), places), 0);
            let memory = Group::load(next.map(<*mut E>::cast_const), g.states.seen? * g.padded);
            Some(memory.mul_add(gain, bias))
        }
    }
}
