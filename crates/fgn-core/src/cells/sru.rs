use crate::cell::{Cell, MAX_BLOCKS, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The simple recurrent unit (Lei et al. 2018): its gates see the memory unit by unit, so there is no
/// product from step to step. The highway is a linear map of the input, as in the original where sizes
/// differ.
///
/// ```text
/// f = σ(x W_f + v_f ⊙ c₋ + b_f)     r = σ(x W_r + v_r ⊙ c₋ + b_r)
/// c = f ⊙ c₋ + (1 − f) ⊙ (x W)      y = r ⊙ c + (1 − r) ⊙ (x W_s)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sru;

const F: usize = 0;
const R: usize = 1;
const X: usize = 2;
const SKIP: usize = 3;

impl Cell for Sru {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Input, Role::Forget),
            Block::new("r", Feed::Input, Role::Output),
            Block::new("x", Feed::Input, Role::Linear),
            Block::new("skip", Feed::Input, Role::Linear),
        ],
        states: &["c"],
        vectors: &["v_f", "v_r"],
        memory: Some(0),
        output_is_state: false,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let [v_f, v_r, _] = input.vectors;
        let f = v_f.mul_add(input.prev[0], input.pre[F]).sigmoid();
        let r = v_r.mul_add(input.prev[0], input.pre[R]).sigmoid();
        let c = f.mul_add(input.prev[0] - input.pre[X], input.pre[X]);
        let output =
            r.mul_add(input.normalized_memory.unwrap_or(c) - input.pre[SKIP], input.pre[SKIP]);
        StepOutput::new(output, &[c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let [v_f, v_r, _] = input.vectors;
        let f = v_f.mul_add(input.prev[0], input.pre[F]).sigmoid();
        let r = v_r.mul_add(input.prev[0], input.pre[R]).sigmoid();
        let c = f.mul_add(input.prev[0] - input.pre[X], input.pre[X]);
        let read = input.normalized_memory.unwrap_or(c);

        let mut grad = StepInput::zero();
        let dc = grad.split_memory_gradient(input, d.output * r, d.next[0]);
        grad.pre[F] = dc * (input.prev[0] - input.pre[X]) * f * (one - f);
        grad.pre[R] = d.output * (read - input.pre[SKIP]) * r * (one - r);
        grad.pre[X] = dc * (one - f);
        grad.pre[SKIP] = d.output * (one - r);
        grad.prev[0] = grad.pre[F].mul_add(v_f, grad.pre[R].mul_add(v_r, dc * f));
        grad.vectors[0] = grad.pre[F] * input.prev[0];
        grad.vectors[1] = grad.pre[R] * input.prev[0];
        grad
    }

    fn gates<L: Lane>(&self, input: &StepInput<L>) -> [L; MAX_BLOCKS] {
        let [v_f, v_r, _] = input.vectors;
        let mut gates = [L::zero(); MAX_BLOCKS];
        gates[F] = v_f.mul_add(input.prev[0], input.pre[F]).sigmoid();
        gates[R] = v_r.mul_add(input.prev[0], input.pre[R]).sigmoid();
        gates
    }
}
