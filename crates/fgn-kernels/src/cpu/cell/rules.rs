//! The rules for states, on vectors of units.

use fgn_core::Lane;

use crate::run::rules::{Mask, Rules};
use crate::simd::group::Group;
use crate::simd::vector::{Element, MAX_WIDTH, Simd, Target, Task};

impl Rules {
    /// What a step hands on of a state, in vectors of units, each from its of `units` on of its sequence of `b`.
    #[inline(always)]
    pub(crate) fn next_state<S: Simd, const N: usize>(
        &self,
        state: usize,
        (k, b, units): (usize, [usize; N], [usize; N]),
        prev: Group<S, N>,
        new: Group<S, N>,
    ) -> Group<S, N> {
        if self.keep(state) {
            return new;
        }
        let mut next = new;
        if self.zoneout[state] > 0.0 {
            let kept = self.zoneout_mix(state, k, b, units);
            next = kept.mul_add(prev, (Group::one() - kept) * new);
        }
        if let Some(clip) = self.clip {
            let clip = Group::splat(clip);
            // In this order, what is NaN stays NaN.
            next = (-clip).max_or(clip.min_or(next));
        }
        next
    }

    /// Given the gradient with respect to what a step handed on, `next`: the gradients with respect to the step's own state,
    /// and by the one before it.
    #[inline(always)]
    pub(crate) fn state_gradient<S: Simd, const N: usize>(
        &self,
        state: usize,
        (k, b, units): (usize, [usize; N], [usize; N]),
        next: Group<S, N>,
        mut d: Group<S, N>,
    ) -> [Group<S, N>; 2] {
        if let Some(clip) = self.clip {
            // Zero from the limit on.
            let [above, below] = [next - Group::splat(clip), -next - Group::splat(clip)];
            d = d * (Group::one() - above.binary()) * (Group::one() - below.binary());
        }
        if self.zoneout[state] == 0.0 {
            return [d, Group::zero()];
        }
        let kept = self.zoneout_mix(state, k, b, units) * d;
        [d - kept, kept]
    }

    /// How much of a state is the previous one: 0 or 1 in training, else the mean.
    #[inline(always)]
    fn zoneout_mix<S: Simd, const N: usize>(
        &self,
        state: usize,
        k: usize,
        b: [usize; N],
        units: [usize; N],
    ) -> Group<S, N> {
        let rate = self.zoneout[state];
        match self.seed {
            Some(seed) => {
                let masks = b.map(|b| Mask::new(seed, state, k, b));
                Choice { masks, units, rate, chosen: 1.0, other: 0.0 }.numbers()
            }
            None => Group::splat(rate),
        }
    }

    /// What the hidden states before step `k` are multiplied by for the recurrent weights, for some
    /// vectors of units.
    #[inline(always)]
    pub(crate) fn hidden_factor<S: Simd, const N: usize>(
        &self,
        k: usize,
        b: [usize; N],
        units: [usize; N],
    ) -> Group<S, N> {
        let masks = b.map(|b| self.hidden_mask(k, b));
        let rate = self.dropout.rate;
        Choice { masks, units, rate, chosen: 0.0, other: 1.0 / (1.0 - rate) }.numbers()
    }
}

/// For some vectors of units: `chosen` with a probability of `rate`, else `other`.
struct Choice<const N: usize> {
    masks: [Mask; N],
    units: [usize; N],
    rate: f64,
    chosen: f64,
    other: f64,
}

impl<const N: usize> Choice<N> {
    /// The numbers, found by a function of its own: inlined into every cell's step, it would be most of
    /// the code.
    #[inline(always)]
    fn numbers<S: Simd>(self) -> Group<S, N> {
        let mut numbers = [[S::Elem::default(); MAX_WIDTH]; N];
        // SAFETY: this runs on `S`, so the machine has it; no vector holds more than `MAX_WIDTH` numbers.
        unsafe {
            S::Target::enter::<S>(Choose { choice: self, to: &mut numbers });
            Group::load(numbers.each_ref().map(|row| row.as_ptr()), 0)
        }
    }
}

struct Choose<'a, E, const N: usize> {
    choice: Choice<N>,
    to: &'a mut [[E; MAX_WIDTH]; N],
}

impl<E: Element, const N: usize> Task<E> for Choose<'_, E, N> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { choice: Choice { masks, units, rate, chosen, other }, to } = self;
        let (chosen, other) = (E::from_f64(chosen), E::from_f64(other));
        for (row, to) in to.iter_mut().enumerate() {
            for (n, number) in to.iter_mut().enumerate().take(S::WIDTH) {
                *number = if masks[row].chosen(units[row] + n, rate) { chosen } else { other };
            }
        }
    }
}
