//! What becomes of a state between two steps: zoneout, clipping, and dropout on its way to the
//! recurrent weights.
//!
//! Masks are a function of seed, state, step, sequence and unit, computed where they are needed: the
//! backward pass computes them again instead of keeping them, and no thread waits for another's.

use fgn_core::MAX_STATES;

use crate::run::options::HiddenDropout;

/// The rules of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// For each state, how likely a unit keeps it.
    pub(crate) zoneout: [f64; MAX_STATES],
    pub(crate) clip: Option<f64>,
    pub(crate) dropout: HiddenDropout,
    /// In training, what masks are drawn from.
    pub(crate) seed: Option<u64>,
}

/// The stream of masks for the hidden state's dropout; those of states come before it.
const FED: usize = MAX_STATES;

impl Rules {
    /// Whether dropout changes the hidden state that the recurrent weights read.
    pub(crate) fn drop_hidden(&self) -> bool {
        self.seed.is_some() && self.dropout.rate > 0.0
    }

    /// Whether the next state is the step's state, without zoneout and clipping.
    #[inline(always)]
    pub(crate) fn keep(&self, state: usize) -> bool {
        self.zoneout[state] == 0.0 && self.clip.is_none()
    }

    #[inline(always)]
    pub(crate) fn hidden_mask(&self, k: usize, b: usize) -> Mask {
        let k = if self.dropout.per_step { k } else { 0 };
        Mask::new(self.seed.unwrap_or(0), FED, k, b)
    }

    /// [`zoneout_mix`](Self::zone) for one unit: the tests' oracle asks for it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn zoneout_mix_unit(&self, state: usize, k: usize, b: usize, unit: usize) -> f64 {
        let rate = self.zoneout[state];
        match self.seed {
            Some(seed) if Mask::new(seed, state, k, b).chosen(unit, rate) => 1.0,
            Some(_) => 0.0,
            None => rate,
        }
    }

    /// [`fed`](Self::fed) for one unit.
    pub(crate) fn hidden_factor_unit(&self, k: usize, b: usize, unit: usize) -> f64 {
        let rate = self.dropout.rate;
        if self.hidden_mask(k, b).chosen(unit, rate) { 0.0 } else { 1.0 / (1.0 - rate) }
    }
}

/// The random numbers of one row of units.
#[derive(Clone, Copy)]
pub(crate) struct Mask([u32; 2]);

impl Mask {
    #[inline(always)]
    pub(crate) fn new(seed: u64, stream: usize, k: usize, b: usize) -> Self {
        let row = mix(mix(mix(seed ^ stream as u64) ^ k as u64) ^ b as u64);
        Self([row as u32, (row >> 32) as u32])
    }

    /// Whether a unit is among those chosen with a probability of `rate`.
    #[inline(always)]
    pub(crate) fn chosen(self, unit: usize, rate: f64) -> bool {
        let Self([first, second]) = self;
        let mut x = (unit as u32).wrapping_mul(0x9e37_79b9) ^ first;
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15) ^ second).wrapping_mul(0x846c_a68b);
        x ^= x >> 16;
        x < (rate * 2.0_f64.powi(32)) as u32
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
