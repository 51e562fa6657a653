use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The scalar LSTM of xLSTM (Beck et al. 2024): an exponential input gate, and a normaliser that makes
/// the memory a weighted mean of what was written.
///
/// ```text
/// f, o = σ(x W + h₋ R + b)      g = tanh(x W + h₋ R + b)      ĩ = x W + h₋ R + b
/// m = max(ln f + m₋, ĩ)         f' = exp(ln f + m₋ − m)       i' = exp(ĩ − m)
/// c = f' ⊙ c₋ + i' ⊙ g          n = f' ⊙ n₋ + i'              h = o ⊙ c / n               y = h
/// ```
///
/// `m` keeps the exponentials within range; the larger of `f'` and `i'` is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const H: usize = 0;
const C: usize = 1;
const N: usize = 2;
const M: usize = 3;

/// One step's insides.
struct Unit<L> {
    /// `ln f + m₋ − ĩ`: from zero on, the memory carried over weighs more than what is written.
    ahead: L,
    f: L,
    i: L,
    g: L,
    o: L,
    c: L,
    n: L,
    m: L,
}

impl<L: Lane> Unit<L> {
    #[inline(always)]
    fn step(input: &StepInput<L>) -> Self {
        let kept = input.pre[F].log_sigmoid() + input.prev[M];
        let m = kept.max_or(input.pre[I]);
        let (f, i) = ((kept - m).exp(), (input.pre[I] - m).exp());
        let g = input.tanh(G);
        let o = input.sigmoid(O);
        let c = f.mul_add(input.prev[C], i * g);
        let n = f.mul_add(input.prev[N], i);
        Self { ahead: kept - input.pre[I], f, i, g, o, c, n, m }
    }
}

impl Cell for Slstm {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("i", Feed::Both, Role::Exponential),
            Block::new("f", Feed::Both, Role::Forget),
            Block::new("g", Feed::Both, Role::Candidate).tanh(),
            Block::new("o", Feed::Both, Role::Output).sigmoid(),
        ],
        states: &["h", "c", "n", "m"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: Some(N),
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let Unit { o, c, n, m, .. } = Unit::step(input);
        let h = o * (c / n);
        StepOutput::new(h, &[h, c, n, m])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let Unit { ahead, f, i, g, o, c, n, .. } = Unit::step(input);
        let mean = c / n;
        let dh = d.output + d.next[H];
        let d_mean = dh * o / n;
        let dc = d.next[C] + d_mean;
        let dn = d.next[N] - d_mean * mean;

        // By the exponents of f' and i', and by m through them and from the step after.
        let d_kept = f * dc.mul_add(input.prev[C], dn * input.prev[N]);
        let d_written = i * dc.mul_add(g, dn);
        let dm = d.next[M] - d_kept - d_written;
        let from_kept = ahead.binary();

        let d_kept = from_kept.mul_add(dm, d_kept);
        let mut grad = StepInput::zero();
        grad.pre[I] = (one - from_kept).mul_add(dm, d_written);
        grad.pre[F] = d_kept * (-input.pre[F]).sigmoid();
        grad.pre[G] = dc * i * (one - g * g);
        grad.pre[O] = dh * mean * o * (one - o);
        grad.prev[C] = dc * f;
        grad.prev[N] = dn * f;
        grad.prev[M] = d_kept;
        grad
    }

    #[inline(always)]
    fn retained<L: Lane>(&self, input: &StepInput<L>) -> L {
        Unit::step(input).f
    }
}
