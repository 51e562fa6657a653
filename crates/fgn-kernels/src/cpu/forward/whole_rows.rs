//! The equations for whole rows, where units need each other.

use crate::cpu::cell::context::Stage;
use crate::cpu::forward::block::ForwardStep;
use crate::simd::vector::{Element, Simd, Task};

/// The cell's equations at step `k` for whole rows: a part of the sequences.
pub(crate) struct ForwardWholeRows<'a, E: Element> {
    pub(crate) rows: ForwardStep<'a, E>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for ForwardWholeRows<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows, part, parts } = self;
        let (run, active) = (rows.run, rows.view.rows.len());
        let vectors = run.g.vectors();
        for row in part * active / parts..(part + 1) * active / parts {
            rows.view.normalise_blocks::<S>(row);
            let mut stage = Stage::Whole;
            if run.g.states.normalized_memory.is_some() {
                run.equations.step(&rows.view, row..row + 1, 0..vectors, Stage::Memory);
                rows.view.normalise_memory::<S>(row);
                stage = Stage::NormalizedMemory;
            }
            run.equations.step(&rows.view, row..row + 1, 0..vectors, stage);
        }
    }
}
