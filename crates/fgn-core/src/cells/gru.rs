use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

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
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let n = input.sigmoid(R).mul_add(input.pre[NH], input.pre[N]).tanh();
        let h = input.sigmoid(Z).mul_add(input.prev[0] - n, n);
        StepOutput::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let (r, z) = (input.sigmoid(R), input.sigmoid(Z));
        let n = r.mul_add(input.pre[NH], input.pre[N]).tanh();
        let dh = d.output + d.next[0];
        let mut grad = StepInput::zero();
        grad.pre[N] = dh * (one - z) * (one - n * n);
        grad.pre[NH] = grad.pre[N] * r;
        grad.pre[R] = grad.pre[N] * input.pre[NH] * r * (one - r);
        grad.pre[Z] = dh * (input.prev[0] - n) * z * (one - z);
        grad.prev[0] = dh * z;
        grad
    }
}
