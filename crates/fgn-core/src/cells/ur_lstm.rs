use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The LSTM with a refined forget gate (Gu et al. 2020): gates near 0 and 1 learn as well as others.
///
/// ```text
/// f, r, o = σ(x W + h₋ R + b)   u = tanh(x W + h₋ R + b)
/// g = r ⊙ (1 − (1 − f)²) + (1 − r) ⊙ f²
/// c = g ⊙ c₋ + (1 − g) ⊙ u      h = o ⊙ tanh(c)               y = h
/// ```
///
/// Made for forget biases drawn uniformly over the gate's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrLstm;

const F: usize = 0;
const R: usize = 1;
const U: usize = 2;
const O: usize = 3;
const C: usize = 1;

/// The refined gate: `f² + 2 r f (1 − f)`.
#[inline(always)]
fn refined<L: Lane>(f: L, r: L) -> L {
    let two = L::splat(2.0);
    f * (two * r).mul_add(L::one() - f, f)
}

impl Cell for UrLstm {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Both, Role::Forget).sigmoid(),
            Block::new("r", Feed::Both, Role::Refine).sigmoid(),
            Block::new("u", Feed::Both, Role::Candidate).tanh(),
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
        let u = input.tanh(U);
        let c = refined(input.sigmoid(F), input.sigmoid(R)).mul_add(input.prev[C] - u, u);
        let h = input.sigmoid(O) * input.normalized_memory.unwrap_or(c).tanh();
        StepOutput::new(h, &[h, c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let (one, two) = (L::one(), L::splat(2.0));
        let (f, r, o) = (input.sigmoid(F), input.sigmoid(R), input.sigmoid(O));
        let u = input.tanh(U);
        let g = refined(f, r);
        let c = g.mul_add(input.prev[C] - u, u);
        let tanh_c = input.normalized_memory.unwrap_or(c).tanh();

        let dh = d.output + d.next[0];
        let mut grad = StepInput::zero();
        let dc = grad.split_memory_gradient(input, dh * o * (one - tanh_c * tanh_c), d.next[C]);
        let dg = dc * (input.prev[C] - u);
        let slope = f * (one - f);
        grad.pre[F] = dg * two * (f + r * (one - two * f)) * slope;
        grad.pre[R] = dg * two * slope * r * (one - r);
        grad.pre[U] = dc * (one - g) * (one - u * u);
        grad.pre[O] = dh * tanh_c * o * (one - o);
        grad.prev[C] = dc * g;
        grad
    }
}
