//! The gradient of a cell's step on registers.

use std::ops::Range;

use fgn_core::{At, Cell, Lane, Step};

use super::backward_step::StepRows;
use super::equations::Stage;
use super::isa::Task;
use super::pair::Pair;
use super::simd::{Element, Simd};
use crate::Emit;

/// The gradient for whole registers of units, `places`, of a row: from the derivatives by the states after
/// the step to those by its pre-activations and by the states before it. Only with `STAGED` does the stage
/// matter.
pub(super) struct Grad<'a, E: Element, C, const STAGED: bool> {
    pub(super) cell: C,
    pub(super) rows: &'a StepRows<'a, E>,
    pub(super) row: usize,
    pub(super) places: Range<usize>,
    pub(super) stage: Stage,
}

/// The step's arguments, the derivatives by its results, and what of these goes straight to the states
/// before.
type Loaded<L> = (At<L>, Step<L>, At<L>);

impl<E: Element, C: Cell, const STAGED: bool> Task<E> for Grad<'_, E, C, STAGED> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let (g, spec, row) = (self.rows.run.g, C::SPEC, self.row);
        let (d_pre, d_prev) = (self.rows.d_pre(row), self.rows.d_prev(row));
        // With a projection, the derivatives by the first state went straight to the one before.
        let first = usize::from(g.states.unprojected.is_some());
        for place in self.places.clone().step_by(2 * S::WIDTH) {
            // The last of an odd number of registers is its own partner.
            let pair = [place, (place + S::WIDTH).min(self.places.end - S::WIDTH)];
            let (at, mut d_step, kept) = self.load::<S>(row, pair);
            // SAFETY: the group's own rows, with `padded` numbers for each column.
            unsafe {
                if let (true, Some(memory), Some(seen), Some([_, bias])) =
                    (STAGED, spec.memory, g.states.seen, g.derivatives.norm_memory)
                {
                    if self.stage == Stage::Memory {
                        let by = self.cell.grad(&at, &d_step);
                        let d = by.seen.unwrap_or(Pair::both(S::zero()));
                        let to = d_pre.add(bias * g.padded);
                        d.store([to.add(pair[0]), to.add(pair[1])]);
                        continue;
                    }
                    let d = d_prev.add(seen * g.padded).cast_const();
                    let d = Pair::load([d.add(pair[0]), d.add(pair[1])]);
                    d_step.next[memory] = d_step.next[memory] + d;
                }
                let by = self.cell.grad(&at, &d_step);
                for block in 0..spec.blocks.len() {
                    let to = d_pre.add(block * g.padded);
                    by.pre[block].store([to.add(pair[0]), to.add(pair[1])]);
                }
                for v in 0..spec.vectors.len() {
                    let to = d_pre.add((spec.blocks.len() + v) * g.padded);
                    by.vectors[v].store([to.add(pair[0]), to.add(pair[1])]);
                }
                for s in first..spec.states.len() {
                    let to = d_prev.add(s * g.padded);
                    let d = by.prev[s] + kept.prev[s];
                    d.store([to.add(pair[0]), to.add(pair[1])]);
                }
            }
        }
    }
}

impl<E: Element, C: Cell, const STAGED: bool> Grad<'_, E, C, STAGED> {
    /// The step's arguments and the derivatives by its results, at two registers of units, and what of the
    /// latter goes straight to the states before.
    #[inline(always)]
    fn load<S: Simd<Elem = E>>(&self, row: usize, places: [usize; 2]) -> Loaded<Pair<S>> {
        let Self { rows, .. } = self;
        let (run, g, units) = (rows.run, rows.run.g, rows.run.units);
        let [p, q] = places;
        let mut at = At::<Pair<S>>::zero();
        let mut kept = At::<Pair<S>>::zero();
        let mut d_step = Step { output: at.prev[0], next: at.prev };
        let pre = rows.pre(row);
        let reset = run.plan.schedule.resets(rows.k, run.members[row]);
        let prev = if reset { run.zeros.as_ptr() } else { rows.states(rows.k, row) };
        // SAFETY: rows have `padded` numbers for each block, state, vector and column.
        unsafe {
            for block in 0..C::SPEC.blocks.len() {
                let here = block * g.padded;
                let pre = Pair::load([pre.add(here + p), pre.add(here + q)]);
                at.pre[block] = match &units.norm {
                    None => pre,
                    Some([gain, bias]) => {
                        let (gain, bias) = (gain.as_ptr(), bias.as_ptr());
                        let gain = Pair::load([gain.add(here + p), gain.add(here + q)]);
                        pre.mul_add(gain, Pair::load([bias.add(here + p), bias.add(here + q)]))
                    }
                };
            }
            for v in 0..C::SPEC.vectors.len() {
                let vector = units.vectors.as_ptr().add(v * g.padded);
                at.vectors[v] = Pair::load([vector.add(p), vector.add(q)]);
            }
            if let (true, Some(seen), Some([gain, bias])) =
                (STAGED, g.states.seen, &units.norm_memory)
            {
                let seen = rows.states(rows.k + 1, row).add(seen * g.padded);
                let (gain, bias) = (gain.as_ptr(), bias.as_ptr());
                let gain = Pair::load([gain.add(p), gain.add(q)]);
                let bias = Pair::load([bias.add(p), bias.add(q)]);
                at.seen = Some(Pair::load([seen.add(p), seen.add(q)]).mul_add(gain, bias));
            }
            for s in 0..C::SPEC.states.len() {
                let here = s * g.padded;
                at.prev[s] = Pair::load([prev.add(here + p), prev.add(here + q)]);
            }
            d_step.output = rows.d_output(row, 0, places);
            let first = match g.states.unprojected {
                None => 0,
                Some(unprojected) => {
                    let d = rows.d_prev(row).add(unprojected * g.padded).cast_const();
                    d_step.next[0] = Pair::load([d.add(p), d.add(q)]);
                    d_step.output = Pair::both(S::zero());
                    1
                }
            };
            for s in first..C::SPEC.states.len() {
                let mut d = rows.d_next(row, s, places);
                if s == 0 && C::SPEC.output_is_state {
                    d = d + d_step.output;
                    d_step.output = Pair::both(S::zero());
                }
                if run.plan.emit == Emit::States {
                    d = d + rows.d_output(row, 1 + s, places);
                }
                [d_step.next[s], kept.prev[s]] = rows.take_back(row, s, places, d);
            }
        }
        (at, d_step, kept)
    }
}
