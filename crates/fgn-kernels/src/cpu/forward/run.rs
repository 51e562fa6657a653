//! The sequences that a thread, or a team, runs, and the memory they use.

use fgn_core::SequenceShape;

use crate::cpu::arguments::Arguments;
use crate::cpu::cell::context::CellContext;
use crate::cpu::cell::equations::Equations;
use crate::cpu::gemm::packing::Packed;
use crate::cpu::memory::buffer::Shared;
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::memory::rows::Steps;
use crate::run::plan::Plan;
use crate::simd::vector::Element;

/// The sequences that a thread, or a team of them, runs.
///
/// All raw accesses of the forward pass rest on this: `pre`, `states`, `scales`, `output` and `last_states`
/// outlive the run, are as large as their shapes say, and nobody else touches rows of `members`. Of
/// these, each thread of a team writes the columns of the units that it took or all columns of its own rows; it
/// reads others only of what was done before the last meeting.
pub(crate) struct ForwardRun<'a, E: Element> {
    pub(crate) equations: &'a dyn Equations<E>,
    pub(crate) g: &'a Geometry,
    pub(crate) plan: &'a Plan,
    pub(crate) packed: &'a Packed<E>,
    /// A row of zeros, as wide as one of states.
    pub(crate) zeros: &'a [E],
    pub(crate) arguments: &'a Arguments<'a, E>,
    /// The sequences, the longest first, and where the rows of each lie in `pre`, `states` and `scales`.
    pub(crate) members: Vec<usize>,
    pub(crate) slots: Vec<usize>,
    pub(crate) pre: Steps<E>,
    pub(crate) states: Steps<E>,
    pub(crate) scales: Steps<E>,
    /// The emitted outputs, and the final states `[S, B, H]`.
    pub(crate) output: Shared<E>,
    pub(crate) last_states: Shared<E>,
    /// What the equations read.
    pub(crate) context: CellContext<'a, E>,
    /// Whether the hidden states before the first step are zero.
    pub(crate) from_zero: bool,
    /// Whether all steps are kept.
    pub(crate) saves: bool,
}

impl<E: Element> ForwardRun<'_, E> {
    /// How many of the sequences have a step `k`: the first ones.
    #[inline(always)]
    pub(crate) fn active(&self, k: usize) -> usize {
        self.plan.schedule.active(&self.members, k)
    }

    /// Copies the initial states.
    pub(crate) fn begin(&self) {
        let SequenceShape { batch, hidden, .. } = self.g.shape;
        let padded = self.g.padded;
        for (&b, &slot) in self.members.iter().zip(&self.slots) {
            for s in 0..self.g.spec.states.len() {
                let from = &self.arguments.states[(s * batch + b) * hidden..][..hidden];
                // SAFETY: a row holds each state's `padded >= hidden` numbers.
                unsafe {
                    let to = self.states.row(0, slot).add(s * padded);
                    from.as_ptr().copy_to_nonoverlapping(to, hidden);
                    to.add(hidden).write_bytes(0, padded - hidden);
                }
            }
            if self.plan.rules.drop_hidden() {
                for unit in 0..self.g.output {
                    let h = self.arguments.states[b * hidden + unit].to_f64();
                    let fed = h * self.plan.rules.hidden_factor_unit(0, b, unit);
                    // SAFETY: the row has `padded >= output` numbers for the recurrent input, and belongs to this run alone.
                    unsafe {
                        let to = self
                            .states
                            .row(0, slot)
                            .add(self.g.states.recurrent_input * padded + unit);
                        to.write(E::from_f64(fed));
                    }
                }
            }
        }
    }

    /// Copies the final states to the output.
    pub(crate) fn end(&self) {
        let SequenceShape { batch, hidden, .. } = self.g.shape;
        for (&b, &slot) in self.members.iter().zip(&self.slots) {
            for s in 0..self.g.spec.states.len() {
                let size = if s == 0 { self.g.output } else { hidden };
                // SAFETY: as at the start; there is room for `[S, B, H]`.
                unsafe {
                    let from = self.states.row(self.plan.schedule.len(b), slot);
                    let to = self.last_states.at((s * batch + b) * hidden);
                    from.add(s * self.g.padded).copy_to_nonoverlapping(to, size);
                }
            }
        }
    }
}
