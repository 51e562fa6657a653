use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers, Schmidhuber
/// & Cummins 2000), in PyTorch's gate order.
///
/// ```text
/// i, f, o = σ(x W + h₋ R + b)      g = tanh(x W + h₋ R + b)
/// c = f ⊙ c₋ + i ⊙ g               h = o ⊙ tanh(c)               y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const H: usize = 0;
const C: usize = 1;

/// The four gates, as other cells that hold an LSTM list them.
pub(super) const GATES: [Block; 4] = [
    Block::new("i", Feed::Both, Role::Input).sigmoid(),
    Block::new("f", Feed::Both, Role::Forget).sigmoid(),
    Block::new("g", Feed::Both, Role::Candidate).tanh(),
    Block::new("o", Feed::Both, Role::Output).sigmoid(),
];

impl Cell for Lstm {
    const SPEC: Spec = Spec {
        blocks: &GATES,
        states: &["h", "c"],
        vectors: &[],
        memory: Some(1),
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let unit = Memory::step(input);
        StepOutput::new(unit.h, &[unit.h, unit.c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        Memory::step(input).grad(input, d.output + d.next[H], L::zero(), d.next[C])
    }
}

/// The inside of an LSTM at one step, which the forgetting gate network shares.
pub(super) struct Memory<L> {
    i: L,
    f: L,
    g: L,
    tanh_c: L,
    pub(super) o: L,
    pub(super) c: L,
    /// The hidden state, which the forgetting gate network calls `m`.
    pub(super) h: L,
}

impl<L: Lane> Memory<L> {
    #[inline(always)]
    pub(super) fn step(input: &StepInput<L>) -> Self {
        let i = input.sigmoid(I);
        let f = input.sigmoid(F);
        let g = input.tanh(G);
        let o = input.sigmoid(O);
        let c = f.mul_add(input.prev[C], i * g);
        let tanh_c = input.normalized_memory.unwrap_or(c).tanh();
        Self { i, f, g, tanh_c, o, c, h: o * tanh_c }
    }

    /// The gradients with respect to the arguments, given those with respect to the hidden state `h`, to the output gate
    /// `o` where it is used once more outside, and to the cell state `c`.
    #[inline(always)]
    pub(super) fn grad(
        &self,
        input: &StepInput<L>,
        dh: L,
        do_outside: L,
        dc_next: L,
    ) -> StepInput<L> {
        let one = L::one();
        let Self { i, f, g, o, tanh_c, .. } = *self;
        let d_o = dh.mul_add(tanh_c, do_outside);
        let d_read = dh * o * (one - tanh_c * tanh_c);
        let mut grad = StepInput::zero();
        let dc = grad.split_memory_gradient(input, d_read, dc_next);
        grad.pre[I] = dc * g * i * (one - i);
        grad.pre[F] = dc * input.prev[C] * f * (one - f);
        grad.pre[G] = dc * i * (one - g * g);
        grad.pre[O] = d_o * o * (one - o);
        grad.prev[C] = dc * f;
        grad
    }
}
