use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

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
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let sum = at.vectors[0].mul_add(at.prev[0], at.pre[0]);
        let h = L::zero().max_or(sum);
        Step::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let sum = at.vectors[0].mul_add(at.prev[0], at.pre[0]);
        let mut by = At::zero();
        by.pre[0] = (d.output + d.next[0]) * sum.binary();
        by.prev[0] = by.pre[0] * at.vectors[0];
        by.vectors[0] = by.pre[0] * at.prev[0];
        by
    }
}
