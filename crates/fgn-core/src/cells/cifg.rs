use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The LSTM with coupled input and forget gates (Greff et al. 2017): what is forgotten is written anew.
///
/// ```text
/// f, o = σ(x W + h₋ R + b)      g = tanh(x W + h₋ R + b)
/// c = f ⊙ c₋ + (1 − f) ⊙ g      h = o ⊙ tanh(c)               y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cifg;

const F: usize = 0;
const G: usize = 1;
const O: usize = 2;
const C: usize = 1;

impl Cell for Cifg {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Both, Role::Forget).sigmoid(),
            Block::new("g", Feed::Both, Role::Candidate).tanh(),
            Block::new("o", Feed::Both, Role::Output).sigmoid(),
        ],
        states: &["h", "c"],
        vectors: &[],
        memory: Some(C),
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let g = input.tanh(G);
        let c = input.sigmoid(F).mul_add(input.prev[C] - g, g);
        let h = input.sigmoid(O) * input.normalized_memory.unwrap_or(c).tanh();
        StepOutput::new(h, &[h, c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let (f, g, o) = (input.sigmoid(F), input.tanh(G), input.sigmoid(O));
        let c = f.mul_add(input.prev[C] - g, g);
        let tanh_c = input.normalized_memory.unwrap_or(c).tanh();

        let dh = d.output + d.next[0];
        let mut grad = StepInput::zero();
        let d_read = dh * o * (one - tanh_c * tanh_c);
        let dc = grad.split_memory_gradient(input, d_read, d.next[C]);
        grad.pre[F] = dc * (input.prev[C] - g) * f * (one - f);
        grad.pre[G] = dc * (one - f) * (one - g * g);
        grad.pre[O] = dh * tanh_c * o * (one - o);
        grad.prev[C] = dc * f;
        grad
    }
}
