use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// The minimal gated unit (Zhou et al. 2016; Heck & Salem 2017), in the form with one recurrent product.
///
/// ```text
/// f = σ(x W_f + h₋ R_f + b_f)   n = tanh(x W_n + f ⊙ (h₋ R_n) + b_n)
/// h = (1 − f) ⊙ h₋ + f ⊙ n                                     y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mgu;

const F: usize = 0;
const N: usize = 1;
const NH: usize = 2;

impl Cell for Mgu {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Both, Role::Update).sigmoid(),
            Block::new("n", Feed::Input, Role::Candidate),
            Block::new("n_h", Feed::Hidden, Role::Linear),
        ],
        states: &["h"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let f = at.sigmoid(F);
        let n = f.mul_add(at.pre[NH], at.pre[N]).tanh();
        let h = f.mul_add(n - at.prev[0], at.prev[0]);
        Step::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let f = at.sigmoid(F);
        let n = f.mul_add(at.pre[NH], at.pre[N]).tanh();
        let dh = d.output + d.next[0];
        let mut by = At::zero();
        by.pre[N] = dh * f * (one - n * n);
        by.pre[NH] = by.pre[N] * f;
        let df = by.pre[N].mul_add(at.pre[NH], dh * (n - at.prev[0]));
        by.pre[F] = df * f * (one - f);
        by.prev[0] = dh * (one - f);
        by
    }
}
