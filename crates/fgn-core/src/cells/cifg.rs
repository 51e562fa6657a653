use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// The LSTM with coupled input and forget gates (Greff et al. 2017): what is forgotten is written anew.
///
/// ```text
/// f, o = σ(x W + m₋ R + b)      g = tanh(x W + m₋ R + b)
/// c = f ⊙ c₋ + (1 − f) ⊙ g      m = o ⊙ tanh(c)               y = m
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
        states: &["m", "c"],
        vectors: &[],
        memory: Some(C),
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let g = at.tanh(G);
        let c = at.sigmoid(F).mul_add(at.prev[C] - g, g);
        let m = at.sigmoid(O) * at.seen.unwrap_or(c).tanh();
        Step::new(m, &[m, c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let (f, g, o) = (at.sigmoid(F), at.tanh(G), at.sigmoid(O));
        let c = f.mul_add(at.prev[C] - g, g);
        let tanh_c = at.seen.unwrap_or(c).tanh();

        let dm = d.output + d.next[0];
        let mut by = At::zero();
        let d_seen = dm * o * (one - tanh_c * tanh_c);
        let dc = by.read(at, d_seen, d.next[C]);
        by.pre[F] = dc * (at.prev[C] - g) * f * (one - f);
        by.pre[G] = dc * (one - f) * (one - g * g);
        by.pre[O] = dm * tanh_c * o * (one - o);
        by.prev[C] = dc * f;
        by
    }
}
