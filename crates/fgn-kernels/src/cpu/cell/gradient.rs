//! The gradient of a cell's step on vectors.

// Loops over a cell's states read several arrays at once.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use fgn_core::{Cell, Lane, MAX_STATES, StepInput, StepOutput};

use crate::cpu::cell::backward_rows::{BackwardRow, BackwardRows};
use crate::cpu::cell::context::Stage;
use crate::run::options::Emit;
use crate::simd::group::{Group, TOGETHER, addresses, targets};
use crate::simd::vector::{Element, Simd, Target, Task};

/// The gradient for whole vectors of units, `offsets`, of a row: from the gradients with respect to the states after
/// the step to those with respect to its pre-activations and by the states before it.
pub(crate) struct CellGradient<'a, E: Element, C> {
    pub(crate) cell: C,
    pub(crate) rows: &'a BackwardRows<'a, E>,
    pub(crate) row: usize,
    pub(crate) offsets: Range<usize>,
    pub(crate) stage: Stage,
}

impl<E: Element, C: Cell> Task<E> for CellGradient<'_, E, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        for offset in self.offsets.clone().step_by(TOGETHER * S::WIDTH) {
            // The last register stands in for those that are missing.
            let mut offsets = [offset; TOGETHER];
            for (n, offset) in offsets.iter_mut().enumerate() {
                *offset = (*offset + n * S::WIDTH).min(self.offsets.end - S::WIDTH);
            }
            self.group::<S, TOGETHER>(offsets);
        }
    }
}

impl<E: Element, C: Cell> CellGradient<'_, E, C> {
    /// The gradient for a group of vectors of units, from `offsets` on.
    #[inline(always)]
    fn group<S: Simd<Elem = E>, const N: usize>(&self, offsets: [usize; N]) {
        let (run, row) = (self.rows.context, &self.rows.rows[self.row]);
        let (g, spec) = (run.g, C::SPEC);
        if let Some(next) = self.rows.rows.get(self.row + 1) {
            self.prefetch_row::<S, N>(next, offsets);
        }
        let mut at = self.load::<S, N>(row, offsets);
        if run.plain {
            let mut d_step =
                StepOutput { output: Group::zero(), next: [Group::zero(); MAX_STATES] };
            let d_next = addresses(row.d_next, offsets);
            for s in 0..spec.states.len() {
                // SAFETY: the group's own row, with `padded` numbers for each column.
                d_step.next[s] = unsafe { Group::load(d_next, s * g.padded) };
            }
            let d_output = self.rows.d_output(row, 0, offsets);
            if spec.output_is_state {
                d_step.next[0] = d_step.next[0] + d_output;
            } else {
                d_step.output = d_output;
            }
            let by = self.cell.grad(&at, &d_step);
            return self.store(row, offsets, &by, [Group::zero(); MAX_STATES], 0);
        }
        at.normalized_memory = self.normalized_memory(row, offsets);
        let mut d_step = StepOutput { output: Group::zero(), next: [Group::zero(); MAX_STATES] };
        let mut kept = [Group::zero(); MAX_STATES];
        self.load_derivatives(row, offsets, &mut d_step, &mut kept);
        let d_prev = row.d_prev.cast_const();
        if let (Stage::NormalizedMemory, Some(memory), Some(normalized_memory)) =
            (self.stage, spec.memory, g.states.normalized_memory)
        {
            // SAFETY: the group's own row, with `padded` numbers for each column.
            let d =
                unsafe { Group::load(addresses(d_prev, offsets), normalized_memory * g.padded) };
            d_step.next[memory] = d_step.next[memory] + d;
        }
        let by = self.cell.grad(&at, &d_step);
        if self.stage == Stage::Memory {
            if let (Some(d), Some([_, bias])) = (by.normalized_memory, g.derivatives.norm_memory) {
                // SAFETY: the group's own row, with `padded` numbers for each column.
                unsafe { d.store(targets(row.d_pre, offsets), bias * g.padded) };
            }
            return;
        }
        // With a projection, the gradients with respect to the first state went straight to the one before.
        let first = usize::from(g.states.unprojected.is_some());
        self.store(row, offsets, &by, kept, first);
    }

    /// Prefetches what the gradient at a row reads of the forward pass.
    #[inline(always)]
    fn prefetch_row<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        offsets: [usize; N],
    ) {
        let g = self.rows.context.g;
        for n in 0..N {
            for block in 0..C::SPEC.blocks.len() {
                S::Target::prefetch(row.pre.wrapping_add(block * g.padded + offsets[n]));
            }
            for s in 0..C::SPEC.states.len() {
                S::Target::prefetch(row.prev.wrapping_add(s * g.padded + offsets[n]));
            }
            S::Target::prefetch(row.d_emitted.wrapping_add(offsets[n]));
        }
    }

    /// Writes the derivatives, with what went straight to the states before, from the `first` on.
    #[inline(always)]
    fn store<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        offsets: [usize; N],
        by: &StepInput<Group<S, N>>,
        kept: [Group<S, N>; MAX_STATES],
        first: usize,
    ) {
        let (g, spec) = (self.rows.context.g, C::SPEC);
        let (d_pre, d_prev) = (targets(row.d_pre, offsets), targets(row.d_prev, offsets));
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
        row: &BackwardRow<E>,
        offsets: [usize; N],
    ) -> StepInput<Group<S, N>> {
        let (g, units) = (self.rows.context.g, self.rows.context.units);
        let mut at = StepInput::<Group<S, N>>::zero();
        let pre = addresses(row.pre, offsets);
        let prev = addresses(row.prev, offsets);
        let vectors = addresses(units.vectors.as_ptr(), offsets);
        // SAFETY: rows have `padded` numbers for each block, state, vector and column.
        unsafe {
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
            for v in 0..C::SPEC.vectors.len() {
                at.vectors[v] = Group::load(vectors, v * g.padded);
            }
            for s in 0..C::SPEC.states.len() {
                at.prev[s] = Group::load(prev, s * g.padded);
            }
        }
        if self.rows.context.activates {
            at.activated = true;
            return at;
        }
        at.activate::<C>()
    }

    /// The normalised memory with gain and bias.
    #[inline(always)]
    fn normalized_memory<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        offsets: [usize; N],
    ) -> Option<Group<S, N>> {
        C::SPEC.memory?; // A cell without a memory is spared the code.
        let g = self.rows.context.g;
        let [gain, bias] = self.rows.context.units.norm_memory.as_ref()?;
        // SAFETY: rows have `padded` numbers for each column, as have gain and bias.
        unsafe {
            let memory =
                Group::load(addresses(row.next, offsets), g.states.normalized_memory? * g.padded);
            let gain = Group::load(addresses(gain.as_ptr(), offsets), 0);
            let bias = Group::load(addresses(bias.as_ptr(), offsets), 0);
            Some(memory.mul_add(gain, bias))
        }
    }

    /// The gradients with respect to the step's results, and what of them goes straight to the states before.
    #[inline(always)]
    fn load_derivatives<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        offsets: [usize; N],
        d_step: &mut StepOutput<Group<S, N>>,
        kept: &mut [Group<S, N>; MAX_STATES],
    ) {
        let (rows, run) = (self.rows, self.rows.context);
        let g = run.g;
        let mut first = 0;
        if let Some(unprojected) = g.states.unprojected {
            let d = addresses(row.d_prev.cast_const(), offsets);
            // SAFETY: the row has `padded` numbers for each column.
            d_step.next[0] = unsafe { Group::load(d, unprojected * g.padded) };
            first = 1;
        } else {
            d_step.output = rows.d_output(row, 0, offsets);
        }
        for s in first..C::SPEC.states.len() {
            let mut d = rows.d_next(row, s, offsets);
            if s == 0 && C::SPEC.output_is_state {
                d = d + d_step.output;
                d_step.output = Group::zero();
            }
            if run.plan.emit == Emit::States {
                d = d + rows.d_output(row, 1 + s, offsets);
            }
            [d_step.next[s], kept[s]] = rows.state_gradient(row, s, offsets, d);
        }
    }
}
