use crate::{At, Block, Cell, Feed, Lane, MAX_BLOCKS, Role, Spec, Step};

/// The LSTM with peepholes (Gers & Schmidhuber 2000): its gates see the memory, unit by unit.
///
/// ```text
/// i, f = σ(x W + m₋ R + b + p ⊙ c₋)   g = tanh(x W + m₋ R + b)
/// c = f ⊙ c₋ + i ⊙ g                  o = σ(x W + m₋ R + b + p_o ⊙ c)
/// m = o ⊙ tanh(c)                     y = m
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
        states: &["m", "c"],
        vectors: &["p_i", "p_f", "p_o"],
        memory: Some(C),
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let [p_i, p_f, p_o] = at.vectors;
        let i = p_i.mul_add(at.prev[C], at.pre[I]).sigmoid();
        let f = p_f.mul_add(at.prev[C], at.pre[F]).sigmoid();
        let c = f.mul_add(at.prev[C], i * at.tanh(G));
        let o = p_o.mul_add(c, at.pre[O]).sigmoid();
        let m = o * at.seen.unwrap_or(c).tanh();
        Step::new(m, &[m, c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let [p_i, p_f, p_o] = at.vectors;
        let i = p_i.mul_add(at.prev[C], at.pre[I]).sigmoid();
        let f = p_f.mul_add(at.prev[C], at.pre[F]).sigmoid();
        let g = at.tanh(G);
        let c = f.mul_add(at.prev[C], i * g);
        let o = p_o.mul_add(c, at.pre[O]).sigmoid();
        let tanh_c = at.seen.unwrap_or(c).tanh();

        let dm = d.output + d.next[0];
        let mut by = At::zero();
        by.pre[O] = dm * tanh_c * o * (one - o);
        let d_seen = dm * o * (one - tanh_c * tanh_c);
        let dc = by.pre[O].mul_add(p_o, d.next[C]);
        let dc = by.read(at, d_seen, dc);
        by.pre[I] = dc * g * i * (one - i);
        by.pre[F] = dc * at.prev[C] * f * (one - f);
        by.pre[G] = dc * i * (one - g * g);
        by.prev[C] = by.pre[I].mul_add(p_i, by.pre[F].mul_add(p_f, dc * f));
        by.vectors = [by.pre[I] * at.prev[C], by.pre[F] * at.prev[C], by.pre[O] * c];
        by
    }

    fn gates<L: Lane>(&self, at: &At<L>) -> [L; MAX_BLOCKS] {
        let [p_i, p_f, p_o] = at.vectors;
        let mut gates = [L::zero(); MAX_BLOCKS];
        gates[I] = p_i.mul_add(at.prev[C], at.pre[I]).sigmoid();
        gates[F] = p_f.mul_add(at.prev[C], at.pre[F]).sigmoid();
        gates[O] = p_o.mul_add(self.step(at).next[C], at.pre[O]).sigmoid();
        gates
    }
}
