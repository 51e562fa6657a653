//! One step of the backward pass: what the step after it sends back, and the cell's gradient.

use std::ops::Range;

use crate::cpu::backward::block::BackwardBlock;
use crate::cpu::backward::run::BackwardRun;
use crate::cpu::cell::context::Stage;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::cpu::memory::rows::Rows;
use crate::simd::vector::{Element, Simd, Task};

// What a step sends back to a part of the hidden state before it.
pub(crate) struct BackwardHidden<'a, E: Element> {
    pub(crate) run: &'a BackwardRun<'a, E>,
    pub(crate) after: usize,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for BackwardHidden<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, after, part, parts } = self;
        let rows = run.active(after);
        if rows > 0 && !run.g.hidden_blocks.is_empty() {
            let product = HiddenProduct::new(run, after);
            // The weights read last are still in the cache: the next step begins with them.
            let panels = run.packed.hidden.part(part, parts, after % 2 == 1);
            let (offsets, columns) = (run.g.offsets(&run.g.hidden_blocks), side_by_side::<S>());
            multiply::<S>(rows, &offsets, panels, &columns, &product);
        }
    }
}

/// Some steps of a part of the units, the last one first; one alone, where units need each other's
/// derivatives. At each, what the step after it sends back, and the cell's gradient.
pub(crate) struct BackwardSteps<'a, E: Element> {
    pub(crate) block: &'a BackwardBlock<'a, E>,
    pub(crate) times: Range<usize>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for BackwardSteps<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block, times, part, parts } = self;
        for k in times.rev() {
            let step = block.step(k);
            let run = step.run;
            BackwardHidden { run, after: k + 1, part, parts }.run::<S>();
            let vectors = run.packed.hidden.part_vectors(part, parts);
            let places = vectors.start * S::WIDTH..vectors.end * S::WIDTH;
            for row in 0..step.view.rows.len() {
                run.equations.grad(&step.view, row, places.clone(), Stage::Whole);
            }
        }
    }
}

/// What the pre-activations of a step send to the hidden state before it, added to what came there
/// without a product.
struct HiddenProduct<'a, E: Element> {
    run: &'a BackwardRun<'a, E>,
    d_pre: Rows<E>,
    d_prev: Rows<E>,
    /// Where the hidden state as the weights see it has a column of its own, its derivatives begin with
    /// zeros.
    fed: Option<usize>,
}

impl<'a, E: Element> HiddenProduct<'a, E> {
    #[inline(always)]
    fn new(run: &'a BackwardRun<'a, E>, k: usize) -> Self {
        let fed =
            run.plan.rules.drop_hidden().then_some(run.g.states.recurrent_input * run.g.padded);
        // SAFETY: the group's own rows, which outlive the task.
        unsafe { Self { run, d_pre: run.d_pre.at(k), d_prev: run.d_prev.at(0), fed } }
    }
}

// SAFETY: a row of `d_pre` has `padded >= hidden` numbers for each block, and the panels `hidden` rows
// for each recurrent block. A row of `d_prev` has `padded` numbers for each column.
unsafe impl<E: Element> Product<E> for HiddenProduct<'_, E> {
    type Row = usize;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = usize> {
        0..
    }

    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        // SAFETY: the group's own row.
        unsafe { self.d_pre.row(row) }
    }

    #[inline(always)]
    fn start(&self, row: usize) -> *const E {
        match self.fed {
            Some(_) => self.run.zeros.as_ptr(),
            None => self.out(row),
        }
    }

    #[inline(always)]
    fn out(&self, row: usize) -> *mut E {
        // SAFETY: the group's own row.
        unsafe { self.d_prev.row(row).add(self.fed.unwrap_or(0)) }
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * self.run.g.width
    }
}
