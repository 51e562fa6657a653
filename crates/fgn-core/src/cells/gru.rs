use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// The gated recurrent unit (Cho et al. 2014), in PyTorch's form and gate order.
///
/// ```text
/// r, z = σ(x W + h₋ R + b)      n = tanh(x W_n + b_n + r ⊙ (h₋ R_n + b_hn))
/// h = (1 − z) ⊙ n + z ⊙ h₋                                     y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gru;

const R: usize = 0;
const Z: usize = 1;
const N: usize = 2;
const NH: usize = 3;

impl Cell for Gru {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("r", Feed::Both, Role::Output).sigmoid(),
            Block::new("z", Feed::Both, Role::Forget).sigmoid(),
            Block::new("n", Feed::Input, Role::Candidate),
            Block::new("n_h", Feed::Hidden, Role::Candidate),
        ],
        states: &["h"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let n = at.sigmoid(R).mul_add(at.pre[NH], at.pre[N]).tanh();
        let h = at.sigmoid(Z).mul_add(at.prev[0] - n, n);
        Step::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let (r, z) = (at.sigmoid(R), at.sigmoid(Z));
        let n = r.mul_add(at.pre[NH], at.pre[N]).tanh();
        let dh = d.output + d.next[0];
        let mut by = At::zero();
        by.pre[N] = dh * (one - z) * (one - n * n);
        by.pre[NH] = by.pre[N] * r;
        by.pre[R] = by.pre[N] * at.pre[NH] * r * (one - r);
        by.pre[Z] = dh * (at.prev[0] - n) * z * (one - z);
        by.prev[0] = dh * z;
        by
    }
}
