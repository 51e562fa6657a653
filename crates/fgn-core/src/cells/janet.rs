use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

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
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let one = L::one();
        let written = one - (input.pre[F] - one).sigmoid();
        let c = input.pre[F].sigmoid().mul_add(input.prev[0], written * input.tanh(G));
        StepOutput::new(c, &[c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let (f, g) = (input.pre[F].sigmoid(), input.tanh(G));
        let shifted = (input.pre[F] - one).sigmoid();
        let dc = d.output + d.next[0];
        let mut grad = StepInput::zero();
        grad.pre[F] = dc * (input.prev[0] * f * (one - f) - g * shifted * (one - shifted));
        grad.pre[G] = dc * (one - shifted) * (one - g * g);
        grad.prev[0] = dc * f;
        grad
    }
}
