//! A cell's step on registers.

use std::ops::Range;

use fgn_core::{At, Cell, Lane};

use super::equations::Stage;
use super::forward_step::StepRows;
use super::isa::Task;
use super::pair::Pair;
use super::simd::{Element, Simd};
use crate::Emit;

/// The step for one register of units of some rows. Only with `STAGED` does the stage matter.
pub(super) struct Step<'a, E: Element, C, const STAGED: bool> {
    pub(super) cell: C,
    pub(super) rows: &'a StepRows<'a, E>,
    pub(super) members: Range<usize>,
    pub(super) unit: usize,
    pub(super) stage: Stage,
}

impl<E: Element, C: Cell, const STAGED: bool> Task<E> for Step<'_, E, C, STAGED> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let (run, units) = (self.rows.run, &self.rows.run.packed.units);
        let (g, place) = (run.g, self.unit * S::WIDTH);
        let mut at = At::<Pair<S>>::zero();
        for (v, vector) in at.vectors.iter_mut().take(C::SPEC.vectors.len()).enumerate() {
            let here = v * g.padded + place;
            // SAFETY: each vector has `padded` numbers.
            *vector = unsafe { Pair::both(S::load(units.vectors.as_ptr().add(here))) };
        }
        for row in self.members.clone().step_by(2) {
            // The last of an odd number of rows is its own partner.
            let rows = [row, (row + 1).min(self.members.end - 1)];
            self.load(&mut at, rows, place);
            if STAGED && self.stage == Stage::Memory {
                self.remember(&at, rows, place);
                continue;
            }
            let next = [self.rows.next(rows[0]), self.rows.next(rows[1])];
            if STAGED {
                at.seen = self.seen(rows, place);
            }
            let step = self.cell.step(&at);
            let b = [run.members[rows[0]], run.members[rows[1]]];
            for s in 1..C::SPEC.states.len() {
                let at_step = (self.rows.k, b, [place; 2]);
                let state = run.plan.rules.hand_on(s, at_step, at.prev[s], step.next[s]);
                let here = s * g.padded + place;
                // SAFETY: the task's own rows, each with `padded` numbers for every state.
                unsafe { state.store([next[0].add(here), next[1].add(here)]) };
                if run.plan.emit == Emit::States {
                    self.rows.put_out(rows, 1 + s, place, state);
                }
            }
            if let Some(unprojected) = g.states.unprojected {
                let here = unprojected * g.padded + place;
                // SAFETY: as above.
                unsafe { step.next[0].store([next[0].add(here), next[1].add(here)]) };
                continue;
            }
            let h = self.rows.hand_on(rows, place, at.prev[0], step.next[0]);
            let output = if C::SPEC.output_is_state { h } else { step.output };
            self.rows.put_out(rows, 0, place, output);
            if run.plan.emit == Emit::States {
                self.rows.put_out(rows, 1, place, h);
            }
        }
    }
}

impl<E: Element, C: Cell, const STAGED: bool> Step<'_, E, C, STAGED> {
    /// What the equations see of a register of units of two rows.
    #[inline(always)]
    fn load<S: Simd<Elem = E>>(&self, at: &mut At<Pair<S>>, rows: [usize; 2], place: usize) {
        let (g, units) = (self.rows.run.g, &self.rows.run.packed.units);
        let [a, b] = rows;
        let pre = [self.rows.pre(a).cast_const(), self.rows.pre(b).cast_const()];
        let prev = [self.rows.prev(a), self.rows.prev(b)];
        // SAFETY: the task's own rows, each with `padded` numbers for every block and state.
        unsafe {
            for block in 0..C::SPEC.blocks.len() {
                let here = block * g.padded + place;
                let pre = Pair::load([pre[0].add(here), pre[1].add(here)]);
                at.pre[block] = match &units.norm {
                    None => pre,
                    Some([gain, bias]) => {
                        let gain = Pair::both(S::load(gain.as_ptr().add(here)));
                        pre.mul_add(gain, Pair::both(S::load(bias.as_ptr().add(here))))
                    }
                };
            }
            for s in 0..C::SPEC.states.len() {
                let here = s * g.padded + place;
                at.prev[s] = Pair::load([prev[0].add(here), prev[1].add(here)]);
            }
        }
    }

    /// Leaves the memory after the step where it is to be normalised.
    #[inline(always)]
    fn remember<S: Simd<Elem = E>>(&self, at: &At<Pair<S>>, rows: [usize; 2], place: usize) {
        let g = self.rows.run.g;
        let (Some(memory), Some(seen)) = (C::SPEC.memory, g.states.seen) else { return };
        let here = seen * g.padded + place;
        let step = self.cell.step(&At { seen: None, ..*at });
        // SAFETY: the task's own rows, each with `padded` numbers for every column.
        unsafe {
            let to = [self.rows.next(rows[0]).add(here), self.rows.next(rows[1]).add(here)];
            step.next[memory].store(to);
        }
    }

    /// The normalised memory with gain and bias.
    #[inline(always)]
    fn seen<S: Simd<Elem = E>>(&self, rows: [usize; 2], place: usize) -> Option<Pair<S>> {
        let g = self.rows.run.g;
        let [gain, bias] = self.rows.run.packed.units.norm_memory.as_ref()?;
        let here = g.states.seen? * g.padded + place;
        // SAFETY: the task's own rows; gain and bias have `padded` numbers.
        unsafe {
            let gain = Pair::both(S::load(gain.as_ptr().add(place)));
            let bias = Pair::both(S::load(bias.as_ptr().add(place)));
            let from = [self.rows.next(rows[0]).add(here), self.rows.next(rows[1]).add(here)];
            let [a, b] = from;
            Some(Pair::load([a.cast_const(), b.cast_const()]).mul_add(gain, bias))
        }
    }
}
