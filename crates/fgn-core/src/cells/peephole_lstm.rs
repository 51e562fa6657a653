use crate::cell::{Cell, MAX_BLOCKS, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The LSTM with peepholes (Gers & Schmidhuber 2000): its gates see the memory, unit by unit.
///
/// ```text
/// i, f = σ(x W + h₋ R + b + p ⊙ c₋)   g = tanh(x W + h₋ R + b)
/// c = f ⊙ c₋ + i ⊙ g                  o = σ(x W + h₋ R + b + p_o ⊙ c)
/// h = o ⊙ tanh(c)                     y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeepholeLstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const C: usize = 1;

impl Cell for PeepholeLstm {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("i", Feed::Both, Role::Input),
            Block::new("f", Feed::Both, Role::Forget),
            Block::new("g", Feed::Both, Role::Candidate).tanh(),
            Block::new("o", Feed::Both, Role::Output),
        ],
        states: &["h", "c"],
        vectors: &["p_i", "p_f", "p_o"],
        memory: Some(C),
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let [p_i, p_f, p_o] = input.vectors;
        let i = p_i.mul_add(input.prev[C], input.pre[I]).sigmoid();
        let f = p_f.mul_add(input.prev[C], input.pre[F]).sigmoid();
        let c = f.mul_add(input.prev[C], i * input.tanh(G));
        let o = p_o.mul_add(c, input.pre[O]).sigmoid();
        let h = o * input.normalized_memory.unwrap_or(c).tanh();
        StepOutput::new(h, &[h, c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let [p_i, p_f, p_o] = input.vectors;
        let i = p_i.mul_add(input.prev[C], input.pre[I]).sigmoid();
        let f = p_f.mul_add(input.prev[C], input.pre[F]).sigmoid();
        let g = input.tanh(G);
        let c = f.mul_add(input.prev[C], i * g);
        let o = p_o.mul_add(c, input.pre[O]).sigmoid();
        let tanh_c = input.normalized_memory.unwrap_or(c).tanh();

        let dh = d.output + d.next[0];
        let mut grad = StepInput::zero();
        grad.pre[O] = dh * tanh_c * o * (one - o);
        let d_read = dh * o * (one - tanh_c * tanh_c);
        let dc = grad.pre[O].mul_add(p_o, d.next[C]);
        let dc = grad.split_memory_gradient(input, d_read, dc);
        grad.pre[I] = dc * g * i * (one - i);
        grad.pre[F] = dc * input.prev[C] * f * (one - f);
        grad.pre[G] = dc * i * (one - g * g);
        grad.prev[C] = grad.pre[I].mul_add(p_i, grad.pre[F].mul_add(p_f, dc * f));
        grad.vectors = [grad.pre[I] * input.prev[C], grad.pre[F] * input.prev[C], grad.pre[O] * c];
        grad
    }

    fn gates<L: Lane>(&self, input: &StepInput<L>) -> [L; MAX_BLOCKS] {
        let [p_i, p_f, p_o] = input.vectors;
        let mut gates = [L::zero(); MAX_BLOCKS];
        gates[I] = p_i.mul_add(input.prev[C], input.pre[I]).sigmoid();
        gates[F] = p_f.mul_add(input.prev[C], input.pre[F]).sigmoid();
        gates[O] = p_o.mul_add(self.step(input).next[C], input.pre[O]).sigmoid();
        gates
    }
}
