use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// Just another network (van der Westhuizen & Lasenby 2018): an LSTM with a forget gate alone.
///
/// ```text
/// s = x W_f + c₋ R_f + b_f      g = tanh(x W_g + c₋ R_g + b_g)
/// c = σ(s) ⊙ c₋ + (1 − σ(s − 1)) ⊙ g                           y = c
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Janet;

const F: usize = 0;
const G: usize = 1;

impl Cell for Janet {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Both, Role::Forget),
            Block::new("g", Feed::Both, Role::Candidate).tanh(),
        ],
        states: &["c"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let one = L::one();
        let written = one - (at.pre[F] - one).sigmoid();
        let c = at.pre[F].sigmoid().mul_add(at.prev[0], written * at.tanh(G));
        Step::new(c, &[c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let (f, g) = (at.pre[F].sigmoid(), at.tanh(G));
        let shifted = (at.pre[F] - one).sigmoid();
        let dc = d.output + d.next[0];
        let mut by = At::zero();
        by.pre[F] = dc * (at.prev[0] * f * (one - f) - g * shifted * (one - shifted));
        by.pre[G] = dc * (one - shifted) * (one - g * g);
        by.prev[0] = dc * f;
        by
    }
}
