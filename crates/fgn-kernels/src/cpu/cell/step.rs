//! A cell's step on vectors.

use std::ops::Range;

use fgn_core::{Cell, Lane, StepInput};

use crate::cpu::cell::context::Stage;
use crate::cpu::cell::forward_rows::{ForwardRow, ForwardRows};
use crate::run::options::Emit;
use crate::simd::group::{Group, TOGETHER, addresses};
use crate::simd::vector::{Element, Simd, Task};

/// The step for some vectors of units of some rows.
pub(crate) struct CellStep<'a, E: Element, C> {
    pub(crate) cell: C,
    pub(crate) rows: &'a ForwardRows<'a, E>,
    pub(crate) members: Range<usize>,
    pub(crate) units: Range<usize>,
    pub(crate) stage: Stage,
}

impl<E: Element, C: Cell> Task<E> for CellStep<'_, E, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let (mut row, mut unit) = (self.members.start, self.units.start);
        let count = self.members.len() * self.units.len();
        for first in (0..count).step_by(TOGETHER) {
            let (mut rows, mut offsets) = ([0; TOGETHER], [0; TOGETHER]);
            for n in 0..TOGETHER {
                (rows[n], offsets[n]) = (row, unit * S::WIDTH);
                // The last one stands in for those that are missing.
                if first + n + 1 < count {
                    unit += 1;
                    if unit == self.units.end {
                        (row, unit) = (row + 1, self.units.start);
                    }
                }
            }
            self.group::<S, TOGETHER>(rows.map(|row| &self.rows.rows[row]), offsets);
        }
    }
}

impl<E: Element, C: Cell> CellStep<'_, E, C> {
    /// The step for a group of registers: of rows `rows`, from units `offsets` on.
    #[inline(always)]
    fn group<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&ForwardRow<E>; N],
        offsets: [usize; N],
    ) {
        let run = self.rows.context;
        let g = run.g;
        let mut b = [0; N];
        let mut next = [std::ptr::null_mut(); N];
        for n in 0..N {
            b[n] = rows[n].b;
            next[n] = rows[n].next.wrapping_add(offsets[n]);
        }
        let mut at = self.load::<S, N>(rows, offsets);
        if run.activates {
            self.store_activated(rows, offsets, &at);
        }
        if self.stage == Stage::NormalizedMemory {
            at.normalized_memory = self.normalized_memory(next, offsets);
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
            return self.rows.write_output(rows, 0, offsets, output);
        }
        if self.stage == Stage::Memory {
            if let (Some(memory), Some(normalized_memory)) =
                (C::SPEC.memory, g.states.normalized_memory)
            {
                // SAFETY: the task's own rows, each with `padded` numbers for every column.
                unsafe { step.next[memory].store(next, normalized_memory * g.padded) };
            }
            return;
        }
        for s in 1..C::SPEC.states.len() {
            let at_step = (self.rows.k, b, offsets);
            let state = run.plan.rules.next_state(s, at_step, at.prev[s], step.next[s]);
            // SAFETY: the task's own rows, each with `padded` numbers for every state.
            unsafe { state.store(next, s * g.padded) };
            if run.plan.emit == Emit::States {
                self.rows.write_output(rows, 1 + s, offsets, state);
            }
        }
        if let Some(unprojected) = g.states.unprojected {
            // SAFETY: the task's own rows, which have `padded` numbers for the column of the unprojected state too.
            unsafe { step.next[0].store(next, unprojected * g.padded) };
            return;
        }
        let h = self.rows.next_state(rows, offsets, at.prev[0], step.next[0]);
        let output = if C::SPEC.output_is_state { h } else { step.output };
        self.rows.write_output(rows, 0, offsets, output);
        if run.plan.emit == Emit::States {
            self.rows.write_output(rows, 1, offsets, h);
        }
    }

    /// Leaves blocks as the values of their activations, for the backward pass.
    #[inline(always)]
    fn store_activated<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&ForwardRow<E>; N],
        offsets: [usize; N],
        at: &StepInput<Group<S, N>>,
    ) {
        let mut pre = [std::ptr::null_mut(); N];
        for n in 0..N {
            pre[n] = rows[n].pre.wrapping_add(offsets[n]);
        }
        for block in 0..C::SPEC.blocks.len() {
            if C::SPEC.blocks[block].activation.is_some() {
                // SAFETY: the task's own rows, each with `padded` numbers for every block.
                unsafe { at.pre[block].store(pre, block * self.rows.context.g.padded) };
            }
        }
    }

    /// The input of the step.
    #[inline(always)]
    fn load<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&ForwardRow<E>; N],
        offsets: [usize; N],
    ) -> StepInput<Group<S, N>> {
        let (g, units) = (self.rows.context.g, &self.rows.context.units);
        let (mut pre, mut prev) = ([std::ptr::null(); N], [std::ptr::null(); N]);
        for n in 0..N {
            pre[n] = rows[n].pre.cast_const().wrapping_add(offsets[n]);
            prev[n] = rows[n].prev.wrapping_add(offsets[n]);
        }
        let vectors = addresses(units.vectors.as_ptr(), offsets);
        let mut at = StepInput::<Group<S, N>>::zero();
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
                        let gain = Group::load(addresses(gain.as_ptr(), offsets), here);
                        let bias = Group::load(addresses(bias.as_ptr(), offsets), here);
                        pre.mul_add(gain, bias)
                    }
                };
            }
            for s in 0..C::SPEC.states.len() {
                at.prev[s] = Group::load(prev, s * g.padded);
            }
        }
        at.activate::<C>()
    }

    /// The normalised memory with gain and bias.
    #[inline(always)]
    fn normalized_memory<S: Simd<Elem = E>, const N: usize>(
        &self,
        next: [*mut E; N],
        offsets: [usize; N],
    ) -> Option<Group<S, N>> {
        C::SPEC.memory?; // A cell without a memory is spared the code.
        let g = self.rows.context.g;
        let [gain, bias] = self.rows.context.units.norm_memory.as_ref()?;
        // SAFETY: the task's own rows, each with `padded` numbers for every column; gain and bias have
        // `padded` numbers.
        unsafe {
            let gain = Group::load(addresses(gain.as_ptr(), offsets), 0);
            let bias = Group::load(addresses(bias.as_ptr(), offsets), 0);
            let memory =
                Group::load(next.map(<*mut E>::cast_const), g.states.normalized_memory? * g.padded);
            Some(memory.mul_add(gain, bias))
        }
    }
}
