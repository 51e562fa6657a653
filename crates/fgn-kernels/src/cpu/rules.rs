//! What becomes of a state between two steps: zoneout, clipping, and dropout on its way to the
//! recurrent weights.
//!
//! Masks are a function of seed, state, step, sequence and unit, computed where they are needed: the
//! backward pass computes them again instead of keeping them, and no thread waits for another's.

use fgn_core::{Lane, MAX_STATES};

use super::group::Group;
use super::isa::{Target, Task};
use super::simd::{Element, MAX_WIDTH, Simd};
use crate::Dropout;

/// The rules of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// For each state, how likely a unit keeps it.
    pub(crate) zoneout: [f64; MAX_STATES],
    pub(crate) clip: Option<f64>,
    pub(crate) dropout: Dropout,
    /// In training, what masks are drawn from.
    pub(crate) seed: Option<u64>,
}

/// The stream of masks for the hidden state's dropout; those of states come before it.
const FED: usize = MAX_STATES;

impl Rules {
    /// Whether the recurrent weights see another hidden state than the step handed on.
    pub(crate) fn drop_hidden(&self) -> bool {
        self.seed.is_some() && self.dropout.rate > 0.0
    }

    /// Whether a step's state is handed on as it is.
    #[inline(always)]
    pub(super) fn keep(&self, state: usize) -> bool {
        self.zoneout[state] == 0.0 && self.clip.is_none()
    }

    /// What a step hands on of a state, in registers of units, each from its of `units` on of its sequence of `b`.
    #[inline(always)]
    pub(super) fn hand_on<S: Simd, const N: usize>(
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
            let kept = self.zone(state, k, b, units);
            next = kept.mul_add(prev, (Group::one() - kept) * new);
        }
        if let Some(clip) = self.clip {
            let clip = Group::splat(clip);
            // In this order, what is no number stays none.
            next = (-clip).max_or(clip.min_or(next));
        }
        next
    }

    /// Given the derivative by what a step handed on, `next`: the derivatives by the step's own state,
    /// and by the one before it.
    #[inline(always)]
    pub(super) fn take_back<S: Simd, const N: usize>(
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
        let kept = self.zone(state, k, b, units) * d;
        [d - kept, kept]
    }

    /// How much of a state is the previous one: 0 or 1 in training, else the mean.
    #[inline(always)]
    fn zone<S: Simd, const N: usize>(
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
    /// registers of units.
    #[inline(always)]
    pub(super) fn fed<S: Simd, const N: usize>(
        &self,
        k: usize,
        b: [usize; N],
        units: [usize; N],
    ) -> Group<S, N> {
        let masks = b.map(|b| self.fed_mask(k, b));
        let rate = self.dropout.rate;
        Choice { masks, units, rate, chosen: 0.0, other: 1.0 / (1.0 - rate) }.numbers()
    }

    #[inline(always)]
    fn fed_mask(&self, k: usize, b: usize) -> Mask {
        let k = if self.dropout.each_step { k } else { 0 };
        Mask::new(self.seed.unwrap_or(0), FED, k, b)
    }

    /// [`zone`](Self::zone) for one unit: the tests' oracle asks for it.
    #[cfg(test)]
    pub(crate) fn kept_unit(&self, state: usize, k: usize, b: usize, unit: usize) -> f64 {
        let rate = self.zoneout[state];
        match self.seed {
            Some(seed) if Mask::new(seed, state, k, b).chosen(unit, rate) => 1.0,
            Some(_) => 0.0,
            None => rate,
        }
    }

    /// [`fed`](Self::fed) for one unit.
    pub(crate) fn fed_unit(&self, k: usize, b: usize, unit: usize) -> f64 {
        let rate = self.dropout.rate;
        if self.fed_mask(k, b).chosen(unit, rate) { 0.0 } else { 1.0 / (1.0 - rate) }
    }
}

/// The random numbers of one row of units.
#[derive(Clone, Copy)]
struct Mask([u32; 2]);

impl Mask {
    #[inline(always)]
    fn new(seed: u64, stream: usize, k: usize, b: usize) -> Self {
        let row = mix(mix(mix(seed ^ stream as u64) ^ k as u64) ^ b as u64);
        Self([row as u32, (row >> 32) as u32])
    }

    /// Whether a unit is among those chosen with a probability of `rate`.
    #[inline(always)]
    fn chosen(self, unit: usize, rate: f64) -> bool {
        let Self([first, second]) = self;
        let mut x = (unit as u32).wrapping_mul(0x9e37_79b9) ^ first;
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15) ^ second).wrapping_mul(0x846c_a68b);
        x ^= x >> 16;
        x < (rate * 2.0_f64.powi(32)) as u32
    }
}

/// For some registers of units: `chosen` with a probability of `rate`, else `other`.
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
        // SAFETY: this runs on `S`, so the machine has it; no register holds more than `MAX_WIDTH` numbers.
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

/// A permutation of all 64-bit numbers that leaves no pattern of its argument visible (SplitMix64).
#[inline(always)]
fn mix(x: u64) -> u64 {
    let mut x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
