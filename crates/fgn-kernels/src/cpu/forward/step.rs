//! One step of the forward pass: a tile of sequences and units adds the recurrent product, and the
//! cell's equations are applied to it while it is in the L1 cache. Where units need each other
//! beside the product, for a normalisation or a projection, the equations wait for whole rows.

use std::ops::Range;

use crate::cpu::cell::context::Stage;
use crate::cpu::cell::forward_rows::ForwardRow;
use crate::cpu::forward::block::{ForwardBlock, ForwardStep};
use crate::cpu::forward::run::ForwardRun;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::tile::multiply;
use crate::cpu::threads::claims::Claims;
use crate::simd::vector::{Element, Simd, Target, Task};

// Some steps of a part of the units; one alone, where units need each other's states.
pub(crate) struct ForwardSteps<'a, E: Element> {
    pub(crate) block: &'a ForwardBlock<'a, E>,
    pub(crate) times: Range<usize>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
    /// Which of the step's panels are taken.
    pub(crate) claims: &'a Claims,
}

impl<E: Element> Task<E> for ForwardSteps<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block, times, part, parts, claims } = self;
        for k in times {
            let step = block.step(k);
            let (run, active) = (step.run, step.view.rows.len());
            // Hidden states of zero add nothing: at most the input's product is left.
            let zero = k == 0 && run.from_zero;
            let blocks = run.g.hidden_blocks.len();
            let product = if zero { run.packed.fused > 0 } else { blocks > 0 };
            if product {
                // The weights read last are still in the cache: the next step begins with them.
                let panels = run.packed.hidden.claimed(part, parts, k % 2 == 1, claims);
                let panels = panels.map(|panel| {
                    let unit = panel.first / blocks;
                    step.start_hidden_blocks::<S>(&(unit..unit + 1));
                    if zero { panel.top(run.g.shape.input) } else { panel }
                });
                let columns = run.g.offsets(&run.g.hidden_blocks);
                let fused = run.packed.fused > 0;
                let product = HiddenProduct::<S> {
                    rows: step,
                    zero,
                    fed: run.g.states.recurrent_input * run.g.padded,
                    start: fused.then(|| run.packed.start.as_ptr()),
                };
                multiply::<S>(active, &[0], panels, &columns, &product);
            } else {
                let vectors = run.g.vectors();
                let units = part * vectors / parts..(part + 1) * vectors / parts;
                step.start_hidden_blocks::<S>(&units);
                if !run.g.whole_rows {
                    run.equations.step(&step.view, 0..active, units, Stage::Whole);
                }
            }
        }
    }
}

impl<E: Element> ForwardStep<'_, E> {
    /// Blocks that the input does not feed begin with their bias.
    #[inline(always)]
    fn start_hidden_blocks<S: Simd<Elem = E>>(&self, units: &Range<usize>) {
        let g = self.run.g;
        for (block, of) in g.spec.blocks.iter().enumerate() {
            if of.reads_input() {
                continue;
            }
            let place = block * g.padded + units.start * S::WIDTH;
            let start = &self.run.packed.start[place..][..units.len() * S::WIDTH];
            for row in self.view.rows {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let to = row.pre.add(place);
                    start.as_ptr().copy_to_nonoverlapping(to, start.len());
                }
            }
        }
    }
}

/// The recurrent product, added to the pre-activations or with the input's before it, and the equations.
struct HiddenProduct<'a, S: Simd> {
    rows: ForwardStep<'a, S::Elem>,
    /// Whether there is the input's product alone.
    zero: bool,
    /// Where the hidden state stands in a row of states.
    fed: usize,
    /// What sums begin with, where the input's product is one with this one.
    start: Option<*const S::Elem>,
}

// SAFETY: a row of the hidden state has `padded` numbers, and the panels, beside the input's numbers, are
// no deeper. The pre-activations are the task's own, with `padded` numbers for each block.
unsafe impl<'a, S: Simd<Elem = E>, E: Element> Product<E> for HiddenProduct<'a, S> {
    type Row = &'a ForwardRow<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.rows.view.rows.iter()
    }

    #[inline(always)]
    fn left(&self, row: Self::Row) -> *const E {
        if self.zero { row.x } else { row.prev.wrapping_add(self.fed) }
    }

    #[inline(always)]
    fn before(&self) -> usize {
        if self.start.is_some() && !self.zero { self.rows.run.g.shape.input } else { 0 }
    }

    #[inline(always)]
    fn left_before(&self, row: Self::Row) -> *const E {
        row.x
    }

    #[inline(always)]
    fn start(&self, row: Self::Row) -> *const E {
        self.start.unwrap_or(row.pre)
    }

    #[inline(always)]
    fn out(&self, row: Self::Row) -> *mut E {
        row.pre
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector / self.rows.run.g.hidden_blocks.len() * S::WIDTH
    }

    #[inline(always)]
    fn approach(&self, first: usize, count: usize, place: usize) {
        let ForwardRun { g, saves, .. } = *self.rows.run;
        for row in &self.rows.view.rows[first..first + count] {
            S::Target::prefetch_write(row.emitted.wrapping_add(place));
            if !saves {
                continue; // The rest is written again and again in the same place.
            }
            for &block in &g.hidden_blocks {
                S::Target::prefetch_write(row.pre.wrapping_add(block * g.padded + place));
            }
            for s in 0..g.spec.states.len() {
                S::Target::prefetch_write(row.next.wrapping_add(s * g.padded + place));
            }
        }
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, place: usize) {
        let run = self.rows.run;
        if !run.g.whole_rows {
            let unit = place / S::WIDTH;
            run.equations.step(&self.rows.view, first..first + count, unit..unit + 1, Stage::Whole);
        }
    }
}
