//! The cell's equations at one step.

use std::ops::Range;

use fgn_core::{Cell, StepInput};

use crate::cpu::cell::context::Stage;
use crate::cpu::cell::norm::normalise;
use crate::cpu::stream::rows::StreamRows;
use crate::simd::vector::{Simd, Task};

/// The equations for some units of some rows.
pub(crate) struct StreamCells<'a, C> {
    pub(crate) cell: C,
    pub(crate) run: &'a StreamRows<'a>,
    pub(crate) rows: Range<usize>,
    /// Whole vectors of units, but for the last.
    pub(crate) units: Range<usize>,
    pub(crate) stage: Stage,
}

impl<C: Cell> Task<f32> for StreamCells<'_, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Self { cell, run, rows, units, stage } = self;
        let (packed, batch) = (run.packed, run.batch);
        let (g, of_units) = (&packed.g, &packed.units);
        let blocks = C::SPEC.blocks.len();
        let mut at = StepInput::<S>::zero();
        for unit in units.step_by(S::WIDTH) {
            // SAFETY: the thread's own units and rows; each row is `padded` numbers long.
            unsafe {
                for (v, vector) in at.vectors.iter_mut().take(C::SPEC.vectors.len()).enumerate() {
                    *vector = S::load(of_units.vectors.as_ptr().add(v * g.padded + unit));
                }
                for b in rows.clone() {
                    for block in 0..blocks {
                        let here = block * g.padded + unit;
                        let pre = S::load(run.pre.at(b * blocks * g.padded + here));
                        at.pre[block] = match &of_units.norm {
                            None => pre,
                            Some([gain, bias]) => {
                                let bias = S::load(bias.as_ptr().add(here));
                                pre.mul_add(S::load(gain.as_ptr().add(here)), bias)
                            }
                        };
                    }
                    for s in 0..C::SPEC.states.len() {
                        let place = (s * batch + b) * g.padded + unit;
                        at.prev[s] = S::load(run.prev.as_ptr().add(place));
                    }
                    at.normalized_memory = match (&of_units.norm_memory, stage) {
                        (Some([gain, bias]), Stage::NormalizedMemory) => {
                            let gain = S::load(gain.as_ptr().add(unit));
                            let bias = S::load(bias.as_ptr().add(unit));
                            let memory = S::load(run.memory.at(b * g.padded + unit));
                            Some(memory.mul_add(gain, bias))
                        }
                        _ => None,
                    };
                    let step = cell.step(&at);
                    if let (Stage::Memory, Some(memory)) = (stage, C::SPEC.memory) {
                        step.next[memory].store(run.memory.at(b * g.padded + unit));
                        continue;
                    }
                    let projected = g.states.unprojected.is_some();
                    for s in usize::from(projected)..C::SPEC.states.len() {
                        run.next_state(s, (b, unit), at.prev[s], step.next[s]);
                    }
                    if projected {
                        step.next[0].store(run.unprojected.at(b * g.padded + unit));
                        continue;
                    }
                    let output = match C::SPEC.output_is_state {
                        true => S::load(run.next.at(b * g.padded + unit)),
                        false => step.output,
                    };
                    run.write_output((b, unit), output);
                }
            }
        }
    }
}

/// Normalises a row of so many numbers.
pub(crate) struct Normalise {
    pub(crate) row: *mut f32,
    pub(crate) count: usize,
}

impl Task<f32> for Normalise {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        // SAFETY: the thread's own row, padded to whole vectors.
        unsafe { normalise::<S>(self.row, self.count) };
    }
}

/// Hands on some units of the projected hidden state.
pub(crate) struct ProjectedUnits<'a> {
    pub(crate) run: &'a StreamRows<'a>,
    /// From one projected row to the next.
    pub(crate) stride: usize,
    pub(crate) units: Range<usize>,
}

impl Task<f32> for ProjectedUnits<'_> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Self { run, stride, units } = self;
        let padded = run.packed.g.padded;
        for unit in units.step_by(S::WIDTH) {
            for b in 0..run.batch {
                // SAFETY: the thread's own units; rows are whole slabs, those of states `padded` numbers.
                unsafe {
                    let new = S::load(run.projected.at(b * stride + unit));
                    let prev = S::load(run.prev.as_ptr().add(b * padded + unit));
                    run.next_state(0, (b, unit), prev, new);
                    run.write_output((b, unit), S::load(run.next.at(b * padded + unit)));
                }
            }
        }
    }
}
