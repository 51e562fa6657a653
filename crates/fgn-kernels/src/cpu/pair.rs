//! Two registers as one lane.
//!
//! A cell's step is a long chain of operations, each of which waits for the one before. Two chains
//! side by side fill the time that one alone leaves idle.

use std::ops::{Add, Div, Mul, Neg, Sub};

use fgn_core::Lane;

use super::math::F32Lanes;
use super::simd::Simd;

/// Two registers that do the same.
#[derive(Clone, Copy)]
pub(crate) struct Pair<S>(pub(super) S, pub(super) S);

impl<S: Simd> Pair<S> {
    /// The same register twice.
    #[inline(always)]
    pub(super) fn both(register: S) -> Self {
        Self(register, register)
    }

    /// Reads a register at each address.
    ///
    /// # Safety
    /// Both are valid for reading a register.
    #[inline(always)]
    pub(super) unsafe fn load([a, b]: [*const S::Elem; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self(S::load(a), S::load(b)) }
    }

    /// Reads the first `count` numbers at each address, and zero for the rest.
    ///
    /// # Safety
    /// Each is valid for reading that many, at most a register.
    #[inline(always)]
    pub(super) unsafe fn load_first(
        [a, b]: [*const S::Elem; 2],
        [count_a, count_b]: [usize; 2],
    ) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self(S::load_first(a, count_a), S::load_first(b, count_b)) }
    }

    /// Writes a register at each address.
    ///
    /// # Safety
    /// Both are valid for writing a register.
    #[inline(always)]
    pub(super) unsafe fn store(self, [a, b]: [*mut S::Elem; 2]) {
        // SAFETY: the caller's promise.
        unsafe {
            self.0.store(a);
            self.1.store(b);
        }
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident),*) => {
        $(impl<S: Simd> $trait for Pair<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self(self.0.$method(b.0), self.1.$method(b.1))
            }
        })*
    };
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl<S: Simd> Neg for Pair<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl<S: Simd> Lane for Pair<S> {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::both(S::splat(value))
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(self.0.mul_add(a.0, b.0), self.1.mul_add(a.1, b.1))
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        S::tanh_pair(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        S::sigmoid_pair(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        Self(self.0.exp(), self.1.exp())
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        Self(self.0.log_sigmoid(), self.1.log_sigmoid())
    }

    #[inline(always)]
    fn binary(self) -> Self {
        Self(self.0.binary(), self.1.binary())
    }

    #[inline(always)]
    fn min_or(self, b: Self) -> Self {
        Self(self.0.min_or(b.0), self.1.min_or(b.1))
    }

    #[inline(always)]
    fn max_or(self, b: Self) -> Self {
        Self(self.0.max_or(b.0), self.1.max_or(b.1))
    }
}

/// So that the functions' operations alternate between the two.
impl<S: Simd + F32Lanes> F32Lanes for Pair<S> {
    #[inline(always)]
    fn f32(value: f32) -> Self {
        Self::both(S::f32(value))
    }

    #[inline(always)]
    fn power_of_two(magic: Self) -> Self {
        Self(S::power_of_two(magic.0), S::power_of_two(magic.1))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs(), self.1.abs())
    }

    #[inline(always)]
    fn quotient(self, by: Self) -> Self {
        Self(self.0.quotient(by.0), self.1.quotient(by.1))
    }

    #[inline(always)]
    fn with_sign(self, sign: Self) -> Self {
        Self(self.0.with_sign(sign.0), self.1.with_sign(sign.1))
    }
}
