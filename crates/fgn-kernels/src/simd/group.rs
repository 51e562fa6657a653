//! Several vectors as one lane.
//!
//! A cell's step is a long chain of operations, each of which waits for the one before. Chains side by
//! side fill the time that one alone leaves idle.

// Loops over the vectors of a group unroll only as written.
#![allow(clippy::needless_range_loop)]

use std::ops::{Add, Div, Mul, Neg, Sub};

use fgn_core::Lane;

use crate::simd::math::F32Lanes;
use crate::simd::vector::Simd;

/// How many vectors a cell's equations take side by side.
pub(crate) const TOGETHER: usize = 2;

/// Vectors that compute the same function.
#[derive(Clone, Copy)]
pub(crate) struct Group<S, const N: usize>(pub(crate) [S; N]);

/// Does something to each vector, in a loop that is unrolled: a closure might be compiled without the
/// instruction set.
macro_rules! each {
    ($n:ident => $value:expr) => {{
        let mut all = [S::zero(); N];
        for $n in 0..N {
            all[$n] = $value;
        }
        Self(all)
    }};
}

impl<S: Simd, const N: usize> Group<S, N> {
    /// The same vector for all.
    #[inline(always)]
    pub(crate) fn all(register: S) -> Self {
        Self([register; N])
    }

    /// Reads a vector `offset` numbers behind each address.
    ///
    /// # Safety
    /// There each is valid for reading a vector.
    #[inline(always)]
    pub(crate) unsafe fn load(from: [*const S::Elem; N], offset: usize) -> Self {
        // SAFETY: the caller's promise.
        each!(n => unsafe { S::load(from[n].add(offset)) })
    }

    /// Reads the first `count` numbers at each address, and zero for the rest.
    ///
    /// # Safety
    /// Each is valid for reading that many, at most a vector.
    #[inline(always)]
    pub(crate) unsafe fn load_first(from: [*const S::Elem; N], count: [usize; N]) -> Self {
        // SAFETY: the caller's promise.
        each!(n => unsafe { S::load_first(from[n], count[n]) })
    }

    /// Writes a vector `offset` numbers behind each address.
    ///
    /// # Safety
    /// There each is valid for writing a vector.
    #[inline(always)]
    pub(crate) unsafe fn store(self, to: [*mut S::Elem; N], offset: usize) {
        for n in 0..N {
            // SAFETY: the caller's promise.
            unsafe { self.0[n].store(to[n].add(offset)) };
        }
    }
}

/// The address of each place behind `start`.
#[inline(always)]
pub(crate) fn addresses<E, const N: usize>(start: *const E, places: [usize; N]) -> [*const E; N] {
    let mut all = [start; N];
    for n in 0..N {
        all[n] = start.wrapping_add(places[n]);
    }
    all
}

/// As [`addresses`], for writing.
#[inline(always)]
pub(crate) fn targets<E, const N: usize>(start: *mut E, places: [usize; N]) -> [*mut E; N] {
    let mut all = [start; N];
    for n in 0..N {
        all[n] = start.wrapping_add(places[n]);
    }
    all
}

macro_rules! operators {
    ($($trait:ident $method:ident),*) => {
        $(impl<S: Simd, const N: usize> $trait for Group<S, N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                each!(n => self.0[n].$method(b.0[n]))
            }
        })*
    };
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl<S: Simd, const N: usize> Neg for Group<S, N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        each!(n => -self.0[n])
    }
}

impl<S: Simd, const N: usize> Lane for Group<S, N> {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::all(S::splat(value))
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        each!(n => self.0[n].mul_add(a.0[n], b.0[n]))
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        Self(S::tanh_all(self.0))
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self(S::sigmoid_all(self.0))
    }

    #[inline(always)]
    fn exp(self) -> Self {
        each!(n => self.0[n].exp())
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        each!(n => self.0[n].log_sigmoid())
    }

    #[inline(always)]
    fn binary(self) -> Self {
        each!(n => self.0[n].binary())
    }

    #[inline(always)]
    fn min_or(self, b: Self) -> Self {
        each!(n => self.0[n].min_or(b.0[n]))
    }

    #[inline(always)]
    fn max_or(self, b: Self) -> Self {
        each!(n => self.0[n].max_or(b.0[n]))
    }
}

/// So that the functions' operations alternate between the vectors.
impl<S: Simd + F32Lanes, const N: usize> F32Lanes for Group<S, N> {
    #[inline(always)]
    fn f32(value: f32) -> Self {
        Self::all(S::f32(value))
    }

    const RATIOS: u8 = S::RATIOS;

    #[inline(always)]
    fn power_of_two(magic: Self) -> Self {
        each!(n => S::power_of_two(magic.0[n]))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        each!(n => self.0[n].abs())
    }

    #[inline(always)]
    fn quotient(self, by: Self) -> Self {
        each!(n => self.0[n].quotient(by.0[n]))
    }

    #[inline(always)]
    fn limited(self, most: Self) -> Self {
        each!(n => self.0[n].limited(most.0[n]))
    }
}
