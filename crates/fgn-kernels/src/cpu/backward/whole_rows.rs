//! The gradient for whole rows, where units need each other.

use crate::cpu::backward::block::BackwardStep;
use crate::cpu::cell::context::Stage;
use crate::simd::vector::{Element, Simd, Task};

/// The cell's gradient at step `k` for whole rows: a part of the sequences.
pub(crate) struct BackwardWholeRows<'a, E: Element> {
    pub(crate) rows: BackwardStep<'a, E>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for BackwardWholeRows<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, part, parts } = self;
        let (run, active) = (rows.run, rows.view.rows.len());
        let places = 0..run.g.padded;
        for row in part * active / parts..(part + 1) * active / parts {
            let mut stage = Stage::Whole;
            if run.g.states.normalized_memory.is_some() {
                run.equations.grad(&rows.view, row, places.clone(), Stage::Memory);
                rows.view.normalise_memory::<S>(row);
                stage = Stage::NormalizedMemory;
            }
            run.equations.grad(&rows.view, row, places.clone(), stage);
            rows.view.normalise_blocks::<S>(row);
        }
    }
}
