use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::lane::Lane;

/// A number with its derivative in one direction: `value + slope · ε`, `ε² = 0`.
///
/// Run through [`Cell::step`](crate::Cell::step), it differentiates the step exactly, with no
/// finite-difference noise, and so checks the hand-written [`Cell::grad`](crate::Cell::grad).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    /// The number itself.
    pub value: f64,
    /// Its derivative.
    pub slope: f64,
}

impl Dual {
    /// `value` with the derivative `slope`.
    pub fn new(value: f64, slope: f64) -> Self {
        Self { value, slope }
    }
}

impl Lane for Dual {
    fn splat(value: f64) -> Self {
        Self::new(value, 0.0)
    }

    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }

    fn tanh(self) -> Self {
        let y = self.value.tanh();
        Self::new(y, (1.0 - y * y) * self.slope)
    }

    fn sigmoid(self) -> Self {
        let y = self.value.sigmoid();
        Self::new(y, y * (1.0 - y) * self.slope)
    }

    fn exp(self) -> Self {
        let y = self.value.exp();
        Self::new(y, y * self.slope)
    }

    fn log_sigmoid(self) -> Self {
        Self::new(self.value.log_sigmoid(), (-self.value).sigmoid() * self.slope)
    }

    fn binary(self) -> Self {
        Self::new(self.value.binary(), self.sigmoid().slope)
    }

    fn min_or(self, b: Self) -> Self {
        if self.value < b.value { self } else { b }
    }

    fn max_or(self, b: Self) -> Self {
        if self.value > b.value { self } else { b }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        Self::new(self.value + b.value, self.slope + b.slope)
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        Self::new(self.value - b.value, self.slope - b.slope)
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        Self::new(self.value * b.value, self.slope * b.value + self.value * b.slope)
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        let y = self.value / b.value;
        Self::new(y, (self.slope - y * b.slope) / b.value)
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.value, -self.slope)
    }
}
