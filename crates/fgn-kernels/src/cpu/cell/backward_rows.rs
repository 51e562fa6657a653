//! The rows of a step of the backward pass, as a cell's equations read and write them, and what options make of them.

use fgn_core::Lane;

use crate::cpu::cell::context::CellContext;
use crate::cpu::cell::norm::normalise_gradient;
use crate::simd::group::{Group, addresses};
use crate::simd::vector::{Element, Simd};

/// Where the numbers of one sequence lie at one step: found once, read for each vector of units.
#[derive(Clone, Copy)]
pub(crate) struct BackwardRow<E> {
    /// The sequence.
    pub(crate) b: usize,
    /// The blocks, as they were kept.
    pub(crate) pre: *const E,
    /// The states before the step, and after it.
    pub(crate) prev: *const E,
    pub(crate) next: *const E,
    /// What normalisation multiplied by.
    pub(crate) scales: *const E,
    /// The gradients with respect to what the step emitted; null, if nothing.
    pub(crate) d_emitted: *const E,
    /// Those with respect to the states after the step, as far as the next one saw them.
    pub(crate) d_next: *const E,
    /// Where those with respect to the states before the step go, which may be the same place.
    pub(crate) d_prev: *mut E,
    /// Where those with respect to the pre-activations go.
    pub(crate) d_pre: *mut E,
}

// SAFETY: the memory that a run's addresses point to is shared as [`BackwardRun`](crate::cpu::backward::run::BackwardRun) says.
unsafe impl<E: Element> Sync for BackwardRow<E> {}

/// The rows of one step.
#[derive(Clone, Copy)]
pub(crate) struct BackwardRows<'a, E: Element> {
    pub(crate) context: &'a CellContext<'a, E>,
    pub(crate) k: usize,
    pub(crate) rows: &'a [BackwardRow<E>],
}

impl<E: Element> BackwardRows<'_, E> {
    /// The gradients with respect to state `s` as the step handed it on, at some vectors of units, but for those by
    /// the output.
    #[inline(always)]
    pub(crate) fn d_next<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        s: usize,
        offsets: [usize; N],
    ) -> Group<S, N> {
        let (g, rules) = (self.context.g, &self.context.plan.rules);
        let from = addresses(row.d_next, offsets);
        // SAFETY: the group's own row, with `padded` numbers for each column.
        unsafe {
            let d = Group::load(from, s * g.padded);
            if s > 0 || !rules.drop_hidden() {
                return d;
            }
            let mask: Group<S, N> = rules.hidden_factor(self.k + 1, [row.b; N], offsets);
            mask.mul_add(Group::load(from, g.states.recurrent_input * g.padded), d)
        }
    }

    /// The gradients with respect to an emitted column of the step: 0 is the output, the states stand behind it.
    #[inline(always)]
    pub(crate) fn d_output<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        column: usize,
        offsets: [usize; N],
    ) -> Group<S, N> {
        let g = self.context.g;
        if row.d_emitted.is_null() {
            return Group::zero();
        }
        let size = if column < 2 { g.output } else { g.shape.hidden };
        let from = row.d_emitted.wrapping_add(column * g.shape.hidden);
        let (mut inside, mut count) = (offsets, offsets);
        for n in 0..N {
            inside[n] = offsets[n].min(size);
            count[n] = S::WIDTH.min(size - inside[n]);
        }
        // SAFETY: what a step emits has `size` numbers in this column.
        unsafe { Group::load_first(addresses(from, inside), count) }
    }

    /// From the gradients with respect to state `s` as handed on to those with respect to the step's own, and to what goes straight
    /// to the state before.
    #[inline(always)]
    pub(crate) fn state_gradient<S: Simd<Elem = E>, const N: usize>(
        &self,
        row: &BackwardRow<E>,
        s: usize,
        offsets: [usize; N],
        d: Group<S, N>,
    ) -> [Group<S, N>; 2] {
        let rules = &self.context.plan.rules;
        if rules.keep(s) {
            return [d, Group::zero()];
        }
        // SAFETY: a row of states has `padded` numbers for each state.
        let next = unsafe { Group::load(addresses(row.next, offsets), s * self.context.g.padded) };
        rules.state_gradient(s, (self.k, [row.b; N], offsets), next, d)
    }

    /// From the gradients with respect to the normalised memory, which lie where those with respect to its bias do, to those by
    /// its gain and by the memory.
    #[inline(always)]
    pub(crate) fn normalise_memory<S: Simd<Elem = E>>(&self, row: usize) {
        let (g, row) = (self.context.g, &self.rows[row]);
        let (Some([gain, bias]), Some(normalized_memory)) =
            (g.derivatives.norm_memory, g.states.normalized_memory)
        else {
            return;
        };
        let Some([gains, _]) = &self.context.units.norm_memory else { return };
        // SAFETY: the group's own rows, with `padded` numbers for each column and a scale for each block
        // and the memory.
        unsafe {
            normalise_gradient::<S>(
                row.next.add(normalized_memory * g.padded),
                *row.scales.add(g.spec.blocks.len()),
                [gains.as_ptr(), row.d_pre.add(bias * g.padded).cast_const()],
                [row.d_pre.add(gain * g.padded), row.d_prev.add(normalized_memory * g.padded)],
                g.shape.hidden,
            );
        }
    }

    /// From the gradients with respect to normalised blocks, if they are, to those with respect to their gains and biases and by
    /// the blocks before.
    #[inline(always)]
    pub(crate) fn normalise_blocks<S: Simd<Elem = E>>(&self, row: usize) {
        let (g, row) = (self.context.g, &self.rows[row]);
        let (Some([gain, bias]), Some([gains, _])) = (g.derivatives.norm, &self.context.units.norm)
        else {
            return;
        };
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if !of.is_normalized() {
                continue;
            }
            let (here, d) = (block * g.padded, row.d_pre);
            // SAFETY: the group's own rows, with `padded` numbers for each column and a scale for each
            // block.
            unsafe {
                let d_bias = d.add((bias + block) * g.padded);
                d.add(here).copy_to_nonoverlapping(d_bias, g.padded);
                normalise_gradient::<S>(
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
