use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// The minimal GRU (Feng et al. 2024): no state feeds its gate, so there is no product from step to step.
///
/// ```text
/// z = σ(x W_z + b_z)    h̃ = g(x W_h + b_h)    g(v) = v + ½ (v ≥ 0), σ(v) (v < 0)
/// h = (1 − z) ⊙ h₋ + z ⊙ h̃                                     y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinGru;

const Z: usize = 0;
const N: usize = 1;

/// `v + ½` from zero on, the sigmoid below: positive everywhere.
#[inline(always)]
pub(super) fn positive<L: Lane>(v: L) -> L {
    L::zero().min_or(v).sigmoid() + L::zero().max_or(v)
}

/// Its slope.
#[inline(always)]
pub(super) fn positive_slope<L: Lane>(v: L) -> L {
    let above = v.binary();
    let s = v.sigmoid();
    (L::one() - above).mul_add(s * (L::one() - s), above)
}

impl Cell for MinGru {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("z", Feed::Input, Role::Update).sigmoid(),
            Block::new("h", Feed::Input, Role::Candidate),
        ],
        states: &["h"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let z = at.sigmoid(Z);
        let h = z.mul_add(positive(at.pre[N]) - at.prev[0], at.prev[0]);
        Step::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let z = at.sigmoid(Z);
        let dh = d.output + d.next[0];
        let mut by = At::zero();
        by.pre[Z] = dh * (positive(at.pre[N]) - at.prev[0]) * z * (one - z);
        by.pre[N] = dh * z * positive_slope(at.pre[N]);
        by.prev[0] = dh * (one - z);
        by
    }
}
