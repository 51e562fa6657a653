use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The independently recurrent network (Li et al. 2018): each unit sees itself alone.
///
/// ```text
/// h = max(0, x W + u ⊙ h₋ + b)                                 y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndRnn;

impl Cell for IndRnn {
    const SPEC: Spec = Spec {
        blocks: &[Block::new("h", Feed::Input, Role::Candidate)],
        states: &["h"],
        vectors: &["u"],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let sum = input.vectors[0].mul_add(input.prev[0], input.pre[0]);
        let h = L::zero().max_or(sum);
        StepOutput::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let sum = input.vectors[0].mul_add(input.prev[0], input.pre[0]);
        let mut grad = StepInput::zero();
        grad.pre[0] = (d.output + d.next[0]) * sum.binary();
        grad.prev[0] = grad.pre[0] * input.vectors[0];
        grad.vectors[0] = grad.pre[0] * input.prev[0];
        grad
    }
}
