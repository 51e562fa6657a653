//! The sequences of a group, and the memory they use.

use std::ops::Range;

use fgn_core::SequenceShape;

use crate::cpu::cell::context::CellContext;
use crate::cpu::cell::equations::Equations;
use crate::cpu::forward::output::Saved;
use crate::cpu::gemm::packing::PackedBack;
use crate::cpu::memory::buffer::Shared;
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::memory::rows::Steps;
use crate::run::plan::Plan;
use crate::simd::vector::Element;

/// A group's sequences.
///
/// All raw accesses of the backward pass rest on this: `d_pre` and `d_prev`, and the gradients with respect to inputs
/// and initial states, outlive the run, are as large as their shapes say, and nobody else touches rows of
/// `members`. Of these, each thread of a team writes its own columns, or all columns of its own rows; it
/// reads others only of what was done before the last meeting.
pub(crate) struct BackwardRun<'a, E: Element> {
    pub(crate) equations: &'a dyn Equations<E>,
    pub(crate) g: &'a Geometry,
    pub(crate) plan: &'a Plan,
    /// The sequences, the longest first. Their rows of gradients lie in this order.
    pub(crate) members: Vec<usize>,
    pub(crate) saved: &'a Saved<E>,
    pub(crate) packed: &'a PackedBack<E>,
    /// A row of zeros, as wide as one of states and as one of inputs.
    pub(crate) zeros: &'a [E],
    pub(crate) d_output: &'a [E],
    pub(crate) d_pre: Steps<E>,
    pub(crate) d_prev: Steps<E>,
    /// What the equations read.
    pub(crate) context: CellContext<'a, E>,
    /// Whether the hidden states before the first step are zero.
    pub(crate) from_zero: bool,
}

impl<E: Element> BackwardRun<'_, E> {
    /// How many of the sequences have a step `k`: the first ones.
    #[inline(always)]
    pub(crate) fn active(&self, k: usize) -> usize {
        self.plan.schedule.active(&self.members, k)
    }

    /// Sequences that end within a block leave no derivatives in its later steps.
    pub(crate) fn clear_ended(&self, times: &Range<usize>) {
        let all = self.active(times.start);
        for k in times.clone() {
            for row in self.active(k)..all {
                // SAFETY: the group's own row.
                unsafe { self.d_pre.row(k, row).write_bytes(0, self.d_pre.stride()) };
            }
        }
    }

    /// Copies the gradients with respect to the initial states.
    pub(crate) fn write_states(&self, d_states: Shared<E>) {
        let SequenceShape { batch, hidden, .. } = self.g.shape;
        for (row, &b) in self.members.iter().enumerate() {
            if self.plan.schedule.resets(0, b) {
                continue;
            }
            for s in 0..self.g.spec.states.len() {
                let size = if s == 0 { self.g.output } else { hidden };
                // SAFETY: the group's own rows, `d_states` being `[S, B, H]`.
                unsafe {
                    let from = self.d_prev.row(0, row).add(s * self.g.padded);
                    let to = d_states.at((s * batch + b) * hidden);
                    from.copy_to_nonoverlapping(to, size);
                    if s == 0 && self.plan.rules.drop_hidden() {
                        let fed = self
                            .d_prev
                            .row(0, row)
                            .add(self.g.states.recurrent_input * self.g.padded);
                        for unit in 0..size {
                            let mask = self.plan.rules.hidden_factor_unit(0, b, unit);
                            let fed = (*fed.add(unit)).to_f64() * mask;
                            *to.add(unit) += E::from_f64(fed);
                        }
                    }
                }
            }
        }
    }
}
