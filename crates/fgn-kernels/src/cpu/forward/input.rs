//! The input's part of the pre-activations.

use crate::cpu::cell::forward_rows::ForwardRow;
use crate::cpu::forward::block::ForwardBlock;
use crate::cpu::forward::run::ForwardRun;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::simd::vector::{Element, Simd, Task};

/// The input's part of the pre-activations, for the steps of a block and a part of the weights.
pub(crate) struct ForwardInput<'a, E: Element> {
    pub(crate) block: &'a ForwardBlock<'a, E>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for ForwardInput<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block: ForwardBlock { run, rows, .. }, part, parts } = self;
        let panels = run.packed.input.part(part, parts, false);
        let product = InputProduct { run, rows };
        multiply::<S>(rows.len(), &[0], panels, &side_by_side::<S>(), &product);
    }
}

/// The product that an [`ForwardInput`] is.
struct InputProduct<'a, E: Element> {
    run: &'a ForwardRun<'a, E>,
    rows: &'a [ForwardRow<E>],
}

// SAFETY: a row of the input is as long as the panels are deep. The start and the task's own rows of
// pre-activations have `padded` numbers for each block, and blocks that read the input come first.
unsafe impl<'a, E: Element> Product<E> for InputProduct<'a, E> {
    type Row = &'a ForwardRow<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.rows.iter()
    }

    #[inline(always)]
    fn left(&self, row: Self::Row) -> *const E {
        row.x
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.run.packed.start.as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: Self::Row) -> *mut E {
        row.pre
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        self.run.packed.fused * self.run.g.padded + vector * self.run.g.width
    }
}
