use std::ops::{Add, Div, Mul, Neg, Sub};

/// What one number, or many numbers at once, can do: all that a cell's equations need.
///
/// Implementations may round as they like (a fused or a separate multiply-add, an approximated
/// `tanh`); each states its own accuracy.
pub trait Lane:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The same number in every element.
    fn splat(value: f64) -> Self;

    /// `self · a + b`.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// The hyperbolic tangent.
    fn tanh(self) -> Self;

    /// The logistic sigmoid, `1 / (1 + exp(−self))`.
    fn sigmoid(self) -> Self;

    /// The exponential.
    fn exp(self) -> Self;

    /// The logarithm of the logistic sigmoid, `−ln(1 + exp(−self))`.
    fn log_sigmoid(self) -> Self;

    /// `self ≥ 0`: 1, else 0. Where a lane carries derivatives, this one's is the sigmoid's
    /// (the straight-through estimator of a binary gate).
    fn binary(self) -> Self;

    /// The smaller one, or `b` where either is NaN.
    fn min_or(self, b: Self) -> Self;

    /// The larger one, or `b` where either is NaN.
    fn max_or(self, b: Self) -> Self;

    /// The number zero.
    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }

    /// The number one.
    #[inline(always)]
    fn one() -> Self {
        Self::splat(1.0)
    }
}

impl Lane for f64 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        self.min(0.0) - (-self.abs()).exp().ln_1p()
    }

    #[inline(always)]
    fn binary(self) -> Self {
        if self >= 0.0 { 1.0 } else { 0.0 }
    }

    #[inline(always)]
    fn min_or(self, b: Self) -> Self {
        if self < b { self } else { b }
    }

    #[inline(always)]
    fn max_or(self, b: Self) -> Self {
        if self > b { self } else { b }
    }
}
