use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

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
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let f = input.sigmoid(F);
        let n = f.mul_add(input.pre[NH], input.pre[N]).tanh();
        let h = f.mul_add(n - input.prev[0], input.prev[0]);
        StepOutput::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let f = input.sigmoid(F);
        let n = f.mul_add(input.pre[NH], input.pre[N]).tanh();
        let dh = d.output + d.next[0];
        let mut grad = StepInput::zero();
        grad.pre[N] = dh * f * (one - n * n);
        grad.pre[NH] = grad.pre[N] * f;
        let df = grad.pre[N].mul_add(input.pre[NH], dh * (n - input.prev[0]));
        grad.pre[F] = df * f * (one - f);
        grad.prev[0] = dh * (one - f);
        grad
    }
}
