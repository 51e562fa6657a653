use super::min_gru::{positive, positive_slope};
use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The minimal LSTM (Feng et al. 2024): no state feeds its gates, and the two share one unit of memory.
///
/// ```text
/// f, i = σ(x W + b)     h̃ = g(x W_h + b_h), as in MinGru
/// f' = f / (f + i)      i' = i / (f + i)
/// h = f' ⊙ h₋ + i' ⊙ h̃                                         y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinLstm;

const F: usize = 0;
const I: usize = 1;
const N: usize = 2;

/// Keeps the sum of two closed gates above zero: far below what a sigmoid in `f32` gives for any
/// pre-activation above −80.
const LEAST: f64 = 1e-36;

/// `f / (f + i)`, and the sum.
#[inline(always)]
fn share<L: Lane>(f: L, i: L) -> (L, L) {
    let sum = f + i + L::splat(LEAST);
    (f / sum, sum)
}

impl Cell for MinLstm {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Input, Role::Forget).sigmoid(),
            Block::new("i", Feed::Input, Role::Input).sigmoid(),
            Block::new("h", Feed::Input, Role::Candidate),
        ],
        states: &["h"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let (kept, _) = share(input.sigmoid(F), input.sigmoid(I));
        let candidate = positive(input.pre[N]);
        let h = kept.mul_add(input.prev[0] - candidate, candidate);
        StepOutput::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let (f, i) = (input.sigmoid(F), input.sigmoid(I));
        let (kept, sum) = share(f, i);
        let dh = d.output + d.next[0];
        let d_kept = dh * (input.prev[0] - positive(input.pre[N])) / sum;
        let mut grad = StepInput::zero();
        grad.pre[F] = d_kept * (one - kept) * f * (one - f);
        grad.pre[I] = -d_kept * kept * i * (one - i);
        grad.pre[N] = dh * (one - kept) * positive_slope(input.pre[N]);
        grad.prev[0] = dh * kept;
        grad
    }
}
