//! The cell's equations at one step.

use std::ops::Range;

use fgn_core::{At, Cell};

use super::step::Run;
use crate::cpu::equations::Stage;
use crate::cpu::group::Group;
use crate::cpu::isa::Task;
use crate::cpu::norm::normalise;
use crate::cpu::simd::Simd;

/// The equations for some units of some rows.
pub(super) struct Cells<'a, C> {
    pub(super) cell: C,
    pub(super) run: &'a Run<'a>,
    pub(super) rows: Range<usize>,
    /// Whole registers of units, but for the last.
    pub(super) units: Range<usize>,
    pub(super) stage: Stage,
}

impl<C: Cell> Task<f32> for Cells<'_, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Self { cell, run, rows, units, stage } = self;
        let (packed, batch) = (run.packed, run.batch);
        let (g, of_units) = (&packed.g, &packed.units);
        let blocks = C::SPEC.blocks.len();
        let mut at = At::<S>::zero();
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
                    at.seen = match (&of_units.norm_memory, stage) {
                        (Some([gain, bias]), Stage::Seen) => {
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
                        run.hand_on(s, (b, unit), at.prev[s], step.next[s]);
                    }
                    if projected {
                        step.next[0].store(run.unprojected.at(b * g.padded + unit));
                        continue;
                    }
                    let output = match C::SPEC.output_is_state {
                        true => S::load(run.next.at(b * g.padded + unit)),
                        false => step.output,
                    };
                    run.put_out((b, unit), output);
                }
            }
        }
    }
}

/// Normalises a row of so many numbers.
pub(super) struct Normalise {
    pub(super) row: *mut f32,
    pub(super) count: usize,
}

impl Task<f32> for Normalise {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        // SAFETY: the thread's own row, filled up to whole registers.
        unsafe { normalise::<S>(self.row, self.count) };
    }
}

/// Hands on some units of the projected hidden state.
pub(super) struct ProjectedUnits<'a> {
    pub(super) run: &'a Run<'a>,
    /// From one projected row to the next.
    pub(super) stride: usize,
    pub(super) units: Range<usize>,
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
                    run.hand_on(0, (b, unit), prev, new);
                    run.put_out((b, unit), S::load(run.next.at(b * padded + unit)));
                }
            }
        }
    }
}

impl Run<'_> {
    /// Writes a register of units of the next state.
    ///
    /// # Safety
    /// The units are the thread's own.
    #[inline(always)]
    unsafe fn hand_on<S: Simd<Elem = f32>>(
        &self,
        state: usize,
        (b, unit): (usize, usize),
        prev: S,
        new: S,
    ) {
        let rules = &self.packed.plan.rules;
        let next = match rules.keep(state) {
            true => new,
            false => {
                let [next] = rules.hand_on(state, (0, [b], [unit]), Group([prev]), Group([new])).0;
                next
            }
        };
        // SAFETY: the caller's promise; there are `[S, B, padded]` states.
        unsafe { next.store(self.next.at((state * self.batch + b) * self.packed.g.padded + unit)) };
    }

    /// Writes a register of units of the output, as much of it as there is.
    ///
    /// # Safety
    /// The units are the thread's own.
    #[inline(always)]
    unsafe fn put_out<S: Simd<Elem = f32>>(&self, (b, unit): (usize, usize), numbers: S) {
        let size = self.packed.g.output;
        // SAFETY: the caller's promise; an output row has `size` numbers.
        unsafe { numbers.store_first(self.output.at(b * size + unit), S::WIDTH.min(size - unit)) };
    }
}
