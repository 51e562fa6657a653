use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// The long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers, Schmidhuber
/// & Cummins 2000), in PyTorch's gate order.
///
/// ```text
/// i, f, o = σ(x W + m₋ R + b)      g = tanh(x W + m₋ R + b)
/// c = f ⊙ c₋ + i ⊙ g               m = o ⊙ tanh(c)               y = m
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const M: usize = 0;
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
        states: &["m", "c"],
        vectors: &[],
        memory: Some(1),
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let unit = Memory::step(at);
        Step::new(unit.m, &[unit.m, unit.c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        Memory::step(at).grad(at, d.output + d.next[M], L::zero(), d.next[C])
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
    pub(super) m: L,
}

impl<L: Lane> Memory<L> {
    #[inline(always)]
    pub(super) fn step(at: &At<L>) -> Self {
        let i = at.sigmoid(I);
        let f = at.sigmoid(F);
        let g = at.tanh(G);
        let o = at.sigmoid(O);
        let c = f.mul_add(at.prev[C], i * g);
        let tanh_c = at.seen.unwrap_or(c).tanh();
        Self { i, f, g, tanh_c, o, c, m: o * tanh_c }
    }

    /// The derivatives by the arguments, given those by the memory vector `m`, by the output gate
    /// `o` where it is used once more outside, and by the cell `c`.
    #[inline(always)]
    pub(super) fn grad(&self, at: &At<L>, dm: L, do_outside: L, dc_next: L) -> At<L> {
        let one = L::one();
        let Self { i, f, g, o, tanh_c, .. } = *self;
        let d_o = dm.mul_add(tanh_c, do_outside);
        let d_seen = dm * o * (one - tanh_c * tanh_c);
        let mut by = At::zero();
        let dc = by.read(at, d_seen, dc_next);
        by.pre[I] = dc * g * i * (one - i);
        by.pre[F] = dc * at.prev[C] * f * (one - f);
        by.pre[G] = dc * i * (one - g * g);
        by.pre[O] = d_o * o * (one - o);
        by.prev[C] = dc * f;
        by
    }
}
