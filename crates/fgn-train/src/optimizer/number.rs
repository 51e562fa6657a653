//! The numbers that an optimizer's formula is written over.

use std::ops::{Add, Div, Mul, Sub};

/// What a formula needs of its numbers. An implementation is one number, or a whole tensor of them.
pub(crate) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A constant, rounded to the type of the parameters.
    fn from_f64(value: f64) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;

    /// -1, 0 or 1.
    fn sign(self) -> Self;

    /// Clamped to `limit`, a constant, on both sides; NaN stays NaN.
    fn clamp(self, limit: Self) -> Self;
}

macro_rules! number {
    ($number:ty) => {
        impl Number for $number {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $number
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$number>::sqrt(self)
            }

            #[inline(always)]
            fn sign(self) -> Self {
                if self == 0.0 { 0.0 } else { self.signum() }
            }

            #[inline(always)]
            fn clamp(self, limit: Self) -> Self {
                <$number>::clamp(self, -limit, limit)
            }
        }
    };
}

number!(f32);
number!(f64);
