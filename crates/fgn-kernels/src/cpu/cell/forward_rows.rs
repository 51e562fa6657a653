//! The rows of a step of the forward pass, as a cell's equations read and write them.

use crate::cpu::cell::context::CellContext;
use crate::cpu::cell::norm::normalise;
use crate::simd::group::Group;
use crate::simd::vector::{Element, Simd};

/// Where the numbers of one sequence lie at one step: found once, read for each tile.
#[derive(Clone, Copy)]
pub(crate) struct ForwardRow<E> {
    /// The sequence.
    pub(crate) b: usize,
    pub(crate) x: *const E,
    /// Its pre-activations.
    pub(crate) pre: *mut E,
    /// The states before the step, and after it.
    pub(crate) prev: *const E,
    pub(crate) next: *mut E,
    /// What normalisation multiplied by.
    pub(crate) scales: *mut E,
    /// What it emits; null, if nothing.
    pub(crate) emitted: *mut E,
}

// SAFETY: the memory that a run's addresses point to is shared as [`ForwardRun`](crate::cpu::forward::run::ForwardRun) says.
unsafe impl<E: Element> Sync for ForwardRow<E> {}

/// The rows of one step.
#[derive(Clone, Copy)]
pub(crate) struct ForwardRows<'a, E: Element> {
    pub(crate) context: &'a CellContext<'a, E>,
    pub(crate) k: usize,
    pub(crate) rows: &'a [ForwardRow<E>],
}

impl<E: Element> ForwardRows<'_, E> {
    /// Normalises the blocks of a row, if they are to be.
    #[inline(always)]
    pub(crate) fn normalise_blocks<S: Simd<Elem = E>>(&self, row: usize) {
        let g = self.context.g;
        if g.derivatives.norm.is_none() {
            return;
        }
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if of.is_normalized() {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let ForwardRow { pre, scales, .. } = self.rows[row];
                    let scale = normalise::<S>(pre.add(block * g.padded), g.shape.hidden);
                    scales.add(block).write(scale);
                }
            }
        }
    }

    /// Normalises the memory of a row as [`Stage::Memory`] left it.
    #[inline(always)]
    pub(crate) fn normalise_memory<S: Simd<Elem = E>>(&self, row: usize) {
        let g = self.context.g;
        if let Some(normalized_memory) = g.states.normalized_memory {
            // SAFETY: the row is the task's own, with `padded` numbers for each column.
            unsafe {
                let ForwardRow { next, scales, .. } = self.rows[row];
                let scale = normalise::<S>(next.add(normalized_memory * g.padded), g.shape.hidden);
                scales.add(g.spec.blocks.len()).write(scale);
            }
        }
    }

    /// Stores the next hidden state of some vectors of units, each of its row and from its place on: to the
    /// next step, and to the recurrent weights there.
    #[inline(always)]
    pub(crate) fn next_state<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&ForwardRow<E>; N],
        offsets: [usize; N],
        prev: Group<S, N>,
        new: Group<S, N>,
    ) -> Group<S, N> {
        let (context, k) = (self.context, self.k);
        let rules = &context.plan.rules;
        let mut b = [0; N];
        let mut next = [std::ptr::null_mut(); N];
        for n in 0..N {
            b[n] = rows[n].b;
            next[n] = rows[n].next.wrapping_add(offsets[n]);
        }
        let h = rules.next_state(0, (k, b, offsets), prev, new);
        // SAFETY: the rows are the task's own, with `padded` numbers for each column.
        unsafe {
            h.store(next, 0);
            if rules.drop_hidden() {
                let mask = rules.hidden_factor(k + 1, b, offsets);
                (h * mask).store(next, context.g.states.recurrent_input * context.g.padded);
            }
        }
        h
    }

    /// Writes vectors of units to where outputs go, if those of the step do: column 0 is the output, the
    /// states stand behind it.
    #[inline(always)]
    pub(crate) fn write_output<S: Simd<Elem = E>, const N: usize>(
        &self,
        rows: [&ForwardRow<E>; N],
        column: usize,
        offsets: [usize; N],
        numbers: Group<S, N>,
    ) {
        let g = self.context.g;
        let size = if column < 2 { g.output } else { g.shape.hidden };
        for n in 0..N {
            let (offset, emitted) = (offsets[n], rows[n].emitted);
            if offset < size && !emitted.is_null() {
                let to = emitted.wrapping_add(column * g.shape.hidden + offset);
                // SAFETY: what a step emits has `size` numbers in this column.
                unsafe {
                    match size - offset {
                        rest if rest < S::WIDTH => numbers.0[n].store_first(to, rest),
                        _ => numbers.0[n].store(to),
                    }
                }
            }
        }
    }
}
