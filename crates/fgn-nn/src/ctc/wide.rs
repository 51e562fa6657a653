//! Positive numbers with a wide exponent.
//!
//! The probability of a path over hundreds of steps is far below the smallest `f64`. Logarithms have the range, but
//! each sum of them costs exponentials and a logarithm. A [`Wide`] number has its exponent in an `f64` of its own: the
//! same range, and sums and products are a few additions, multiplications and operations on bits, without a branch, so
//! that the compiler vectorises loops over them.

use std::f64::consts::{LN_2, LOG2_E};

/// The exponent of a power that counts as zero. Smaller ones are raised to it, so that exponents stay exact.
const LEAST: f64 = -((1u64 << 45) as f64);
/// The exponent of [`Wide::ZERO`], far below that of any power.
const NEVER: f64 = -((1u64 << 50) as f64);
/// Adding it rounds a number of up to 2⁵¹ in size to the nearest integer, which is then in the lowest bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// As an `f64` it has zeros in all bits of its mantissa, so that adding a small integer writes it there.
const INTEGER: f64 = (1u64 << 52) as f64;
const MANTISSA: u64 = (1 << 52) - 1;
const BIAS: f64 = 1023.0;

/// `mantissa · 2^exponent`, where the mantissa is an ordinary positive number and the exponent an integer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    pub(super) mantissa: f64,
    pub(super) exponent: f64,
}

impl Wide {
    pub(super) const ONE: Wide = Wide { mantissa: 1.0, exponent: 0.0 };
    /// It adds nothing to a sum with a number above zero.
    pub(super) const ZERO: Wide = Wide { mantissa: 1.0, exponent: NEVER };

    /// `e^x` for `x ≤ 0`. The mantissa is from 0.7 to 1.42; it is NaN if `x` is.
    #[inline(always)]
    pub(super) fn exp(x: f64) -> Wide {
        let power = x * LOG2_E;
        // Written so that a NaN passes.
        let power = if power < LEAST { LEAST } else { power };
        let exponent = (power + ROUND) - ROUND;
        Wide { mantissa: exp_near_zero((power - exponent) * LN_2), exponent }
    }

    /// The value as an `f64`: 0 below its range. The exponent is at most 1023.
    #[inline(always)]
    pub(super) fn narrow(self) -> f64 {
        self.mantissa * power_of_two(self.exponent)
    }

    /// The product with a number near 1.
    #[inline(always)]
    pub(super) fn times(self, factor: f64) -> Wide {
        Wide { mantissa: self.mantissa * factor, ..self }
    }

    /// The product, with a mantissa from 1 to 2.
    #[inline(always)]
    pub(super) fn product(self, other: Wide) -> Wide {
        let mantissa = self.mantissa * other.mantissa;
        let bits = mantissa.to_bits();
        let shift = f64::from_bits((bits >> 52) | INTEGER.to_bits()) - (INTEGER + BIAS);
        Wide {
            mantissa: f64::from_bits((bits & MANTISSA) | 1f64.to_bits()),
            exponent: self.exponent + other.exponent + shift,
        }
    }

    /// The sum of two numbers.
    #[inline(always)]
    pub(super) fn plus(self, other: Wide) -> Wide {
        let exponent = larger(self.exponent, other.exponent);
        Wide { mantissa: self.at(exponent) + other.at(exponent), exponent }
    }

    /// The sum of three numbers.
    #[inline(always)]
    pub(super) fn plus_both(self, second: Wide, third: Wide) -> Wide {
        let exponent = larger(larger(self.exponent, second.exponent), third.exponent);
        let mantissa = self.at(exponent) + second.at(exponent) + third.at(exponent);
        Wide { mantissa, exponent }
    }

    /// The mantissa of the same number with that exponent, which is at least its own.
    #[inline(always)]
    fn at(self, exponent: f64) -> f64 {
        self.mantissa * power_of_two(self.exponent - exponent)
    }

    /// The natural logarithm; -∞ for what counts as zero.
    pub(super) fn ln(self) -> f64 {
        match self.exponent <= LEAST {
            true => f64::NEG_INFINITY,
            false => self.mantissa.ln() + self.exponent * LN_2,
        }
    }
}

/// The larger of two numbers, neither of which is NaN.
#[inline(always)]
fn larger(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

/// `2^exponent` for an integer of at most 1023; 0 below the normal range.
#[inline(always)]
pub(super) fn power_of_two(exponent: f64) -> f64 {
    // Written so that a NaN becomes 0, not a value out of range.
    let exponent = if exponent > -BIAS { exponent } else { -BIAS };
    f64::from_bits((exponent + (INTEGER + BIAS)).to_bits() << 52)
}

/// `e^x` for `|x| ≤ ln 2 / 2` by its Taylor series, whose rest is below 2e-16.
#[inline(always)]
fn exp_near_zero(x: f64) -> f64 {
    // 1 / 12!, 1 / 11!, down to 1 / 0!.
    const COEFFICIENTS: [f64; 13] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
        1.0,
    ];
    let mut sum = 0.0;
    for coefficient in COEFFICIENTS {
        sum = sum * x + coefficient;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, what: &str) {
        let tolerance = 2e-15 * expected.abs().max(1.0);
        assert!((found - expected).abs() <= tolerance, "{what}: {found:e}, not {expected:e}");
    }

    #[test]
    fn powers_are_those_of_the_standard_library() {
        for at in 0..=7000 {
            let x = -f64::from(at) / 10.0;
            let (found, expected) = (Wide::exp(x).narrow(), x.exp());
            let error = (found - expected).abs() / expected;
            // A power of e has a relative error of its argument's rounding.
            assert!(error < 1e-15 + 3e-16 * x.abs(), "{x}: {found:e}, not {expected:e}");
            close(Wide::exp(x).ln(), x, "logarithm");
        }
        assert_eq!(Wide::exp(0.0).narrow(), 1.0);
        assert_eq!(Wide::exp(-1e5).narrow(), 0.0);
        close(Wide::exp(-1e5).ln(), -1e5, "far below the range");
        close(Wide::exp(-1e12).ln(), -1e12, "as far as it goes");
        for zero in [Wide::ZERO, Wide::exp(f64::NEG_INFINITY), Wide::exp(-1e300)] {
            assert_eq!((zero.ln(), zero.narrow()), (f64::NEG_INFINITY, 0.0));
        }
        assert!(Wide::exp(f64::NAN).mantissa.is_nan());
    }

    #[test]
    fn sums_and_products_are_exact_at_any_size() {
        let far = Wide::exp(-1e4);
        for (x, y, z) in [(0.5, 0.25, 0.125), (1.0, 1.0, 1.0), (0.001, 1.0, 0.7)] {
            let [a, b, c] = [x, y, z].map(|x: f64| far.product(Wide::exp(x.ln())));
            let relative = |sum: Wide| (sum.ln() - far.ln()).exp();
            let error = |found: f64, expected: f64| (found / expected - 1.0).abs();
            assert!(error(relative(a.plus(b)), x + y) < 1e-11);
            assert!(error(relative(a.plus_both(b, c)), x + y + z) < 1e-11);
            close(a.product(b).ln(), 2.0 * far.ln() + (x * y).ln(), "product");
            assert!((1.0..2.0).contains(&a.product(b).mantissa));
        }
        for one in [Wide::ONE, far] {
            for sum in [one.plus(Wide::ZERO), Wide::ZERO.plus_both(one, Wide::ZERO)] {
                assert_eq!((sum.mantissa, sum.exponent), (one.mantissa, one.exponent));
            }
        }
        assert_eq!(Wide::ZERO.plus_both(Wide::ZERO, Wide::ZERO).ln(), f64::NEG_INFINITY);
        assert_eq!(far.plus(far.product(Wide::exp(-800.0))).mantissa, far.mantissa);
    }
}
