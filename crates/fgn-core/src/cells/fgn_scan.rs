use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The scan variant of the forgetting gate network: the forgetting gate drives the memory itself,
/// and no state is fed back into the gates. The memory is a linear recurrence, without a matrix
/// product from step to step.
///
/// ```text
/// φ = σ(x W_φ + b_φ)    a = σ(x W_a + b_a)    i = σ(x W_i + b_i)    u = tanh(x W_u + b_u)
/// c = φ ⊙ c₋ + (1 − φ) ⊙ a + i ⊙ u
/// y = tanh(c) ⊙ σ(w_o)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FgnScan;

const PHI: usize = 0;
const A: usize = 1;
const I: usize = 2;
const U: usize = 3;

impl Cell for FgnScan {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("phi", Feed::Input, Role::Forget).sigmoid(),
            Block::new("a", Feed::Input, Role::Level).sigmoid(),
            Block::new("i", Feed::Input, Role::Input).sigmoid(),
            Block::new("u", Feed::Input, Role::Candidate).tanh(),
        ],
        states: &["c"],
        vectors: &["w_o"],
        memory: Some(0),
        output_is_state: false,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let phi = input.sigmoid(PHI);
        let a = input.sigmoid(A);
        let written = input.sigmoid(I) * input.tanh(U);
        let c = phi.mul_add(input.prev[0] - a, a + written);
        StepOutput::new(
            input.normalized_memory.unwrap_or(c).tanh() * input.vectors[0].sigmoid(),
            &[c],
        )
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let phi = input.sigmoid(PHI);
        let a = input.sigmoid(A);
        let i = input.sigmoid(I);
        let u = input.tanh(U);
        let c = phi.mul_add(input.prev[0] - a, i.mul_add(u, a));
        let tanh_c = input.normalized_memory.unwrap_or(c).tanh();
        let gain = input.vectors[0].sigmoid();

        let d_read = d.output * gain * (one - tanh_c * tanh_c);
        let mut grad = StepInput::zero();
        let dc = grad.split_memory_gradient(input, d_read, d.next[0]);
        grad.pre[PHI] = dc * (input.prev[0] - a) * phi * (one - phi);
        grad.pre[A] = dc * (one - phi) * a * (one - a);
        grad.pre[I] = dc * u * i * (one - i);
        grad.pre[U] = dc * i * (one - u * u);
        grad.prev[0] = dc * phi;
        grad.vectors[0] = d.output * tanh_c * gain * (one - gain);
        grad
    }
}
