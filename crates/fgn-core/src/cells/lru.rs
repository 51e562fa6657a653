use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The linear recurrent unit (Orvieto et al. 2023): each unit is a complex number that turns and decays, with no
/// product and no nonlinearity from step to step.
///
/// ```text
/// λ = r · e^{iθ}                         r² = σ(ν)      θ = 2 atan(e^τ), in (0, π)
/// s = λ s₋ + √(1 − r²) · x (B_re + i B_im)
/// y = Re(s)
/// ```
///
/// The vectors `nu` and `tau` are trained. The paper has `r = exp(−exp(ν))` and a trained factor on the input that
/// begins at `√(1 − r²)`; here `r` is kept below 1 by a sigmoid, and the factor follows it. The paper's complex
/// read-out `Re(C s)` is a linear map behind the cell: a phase of `C` is one of `B`, and two units with one `λ` cover
/// both parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lru;

const RE: usize = 0;
const IM: usize = 1;
const NU: usize = 0;
const TAU: usize = 1;

/// What a unit does to its state, whatever the input.
struct Unit<L> {
    /// `r²`
    square: L,
    r: L,
    /// The factor on the input.
    gain: L,
    cos: L,
    sin: L,
}

impl<L: Lane> Unit<L> {
    #[inline(always)]
    fn of(input: &StepInput<L>) -> Self {
        let (nu, tau) = (input.vectors[NU], input.vectors[TAU]);
        let (half, two) = (L::splat(0.5), L::splat(2.0));
        let (log_square, log_sine) = (nu.log_sigmoid(), (two * tau).log_sigmoid() - tau);
        Self {
            square: nu.sigmoid(),
            r: (half * log_square).exp(),
            gain: (half * (log_square - nu)).exp(),
            cos: -tau.tanh(),
            sin: two * log_sine.exp(),
        }
    }
}

impl Cell for Lru {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("re", Feed::Input, Role::Linear),
            Block::new("im", Feed::Input, Role::Linear),
        ],
        states: &["re", "im"],
        vectors: &["nu", "tau"],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let unit = Unit::of(input);
        let (re, im) = (input.prev[RE], input.prev[IM]);
        let turned = [unit.cos * re - unit.sin * im, unit.sin * re + unit.cos * im];
        let re = unit.r.mul_add(turned[RE], unit.gain * input.pre[RE]);
        let im = unit.r.mul_add(turned[IM], unit.gain * input.pre[IM]);
        StepOutput::new(re, &[re, im])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let half = L::splat(0.5);
        let Unit { square, r, gain, cos, sin } = Unit::of(input);
        let (re, im) = (input.prev[RE], input.prev[IM]);
        let turned = [cos * re - sin * im, sin * re + cos * im];
        let (d_re, d_im) = (d.output + d.next[RE], d.next[IM]);

        let mut grad = StepInput::zero();
        grad.pre[RE] = gain * d_re;
        grad.pre[IM] = gain * d_im;
        grad.prev[RE] = r * (cos * d_re + sin * d_im);
        grad.prev[IM] = r * (cos * d_im - sin * d_re);
        // dr/dν = ½ r (1 − r²), and of the gain −½ r² times itself; dθ/dτ = sin θ.
        let by_r = d_re * turned[RE] + d_im * turned[IM];
        let by_gain = d_re * input.pre[RE] + d_im * input.pre[IM];
        grad.vectors[NU] = half * (by_r * r * (L::one() - square) - by_gain * gain * square);
        grad.vectors[TAU] = sin * r * (d_im * turned[RE] - d_re * turned[IM]);
        grad
    }

    /// `r`: how much of the state's size a step retains, whatever it is turned by.
    #[inline(always)]
    fn retained<L: Lane>(&self, input: &StepInput<L>) -> L {
        (L::splat(0.5) * input.vectors[NU].log_sigmoid()).exp()
    }
}
