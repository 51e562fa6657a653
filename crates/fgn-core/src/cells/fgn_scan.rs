use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

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
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let phi = at.sigmoid(PHI);
        let a = at.sigmoid(A);
        let written = at.sigmoid(I) * at.tanh(U);
        let c = phi.mul_add(at.prev[0] - a, a + written);
        Step::new(at.seen.unwrap_or(c).tanh() * at.vectors[0].sigmoid(), &[c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let phi = at.sigmoid(PHI);
        let a = at.sigmoid(A);
        let i = at.sigmoid(I);
        let u = at.tanh(U);
        let c = phi.mul_add(at.prev[0] - a, i.mul_add(u, a));
        let tanh_c = at.seen.unwrap_or(c).tanh();
        let gain = at.vectors[0].sigmoid();

        let d_seen = d.output * gain * (one - tanh_c * tanh_c);
        let mut by = At::zero();
        let dc = by.read(at, d_seen, d.next[0]);
        by.pre[PHI] = dc * (at.prev[0] - a) * phi * (one - phi);
        by.pre[A] = dc * (one - phi) * a * (one - a);
        by.pre[I] = dc * u * i * (one - i);
        by.pre[U] = dc * i * (one - u * u);
        by.prev[0] = dc * phi;
        by.vectors[0] = d.output * tanh_c * gain * (one - gain);
        by
    }
}
