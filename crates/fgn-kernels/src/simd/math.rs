//! `exp`, `tanh`, `sigmoid` and its logarithm for vectors of `f32`.
//!
//! All but the tangent rest on the exponential: `exp(x) = 2^n · e^r` with `n = round(x / ln 2)` and a
//! polynomial of degree 6 for `e^r` (relative error 4e-9, minimax by least squares on Chebyshev nodes, as is
//! the one for the logarithm). A vector that can look up 8 or 16 powers at once has `n` in eighths or
//! sixteenths: `r` is as much smaller, and degree 3 as exact. The tests hold all to [`MAX_ULP`] over a sweep of all
//! magnitudes.

use fgn_core::Lane;

/// The largest error of these functions, in units in the last place (ULP).
#[cfg(test)]
pub(crate) const MAX_ULP: f64 = 3.5;

/// What the functions here need beside a lane's arithmetic.
pub(crate) trait F32Lanes: Lane {
    fn f32(value: f32) -> Self;
    /// Of how many equal ratios `n` counts from a number to its double: 1, 8 or 16.
    const RATIOS: u8 = 1;
    /// `2^(n / RATIOS)` for whole `n`, from −126 · `RATIOS` to 127 · `RATIOS`, given `n + MAGIC`.
    fn power_of_two(magic: Self) -> Self;
    fn abs(self) -> Self;
    /// `self / by`, to 1 unit in the last place, for `by` from 1 to 2^126.
    #[inline(always)]
    fn quotient(self, by: Self) -> Self {
        self / by
    }
    /// From `-most` to `most`; what is NaN stays NaN.
    #[inline(always)]
    fn limited(self, most: Self) -> Self {
        (-most).max_or(most.min_or(self))
    }
}

/// 1.5 · 2^23: a number of moderate size loses its fraction when this is added, rounded to the nearest,
/// and stands in the sum's lowest bits.
const MAGIC: f32 = 12_582_912.0;

/// `n = round(x · by)` in parts of `RATIOS`, and `n + MAGIC`.
#[inline(always)]
fn whole<V: F32Lanes>(x: V, by: f32) -> (V, V) {
    let magic = x.mul_add(V::f32(by * f32::from(V::RATIOS)), V::f32(MAGIC));
    (magic - V::f32(MAGIC), magic)
}

/// A share of a constant for each part of `n`.
#[inline(always)]
fn part<V: F32Lanes>(of: f32) -> V {
    V::f32(of / f32::from(V::RATIOS))
}

/// The coefficients of `r²` and `r³` in `e^r`, where they are the last.
const fn cubic(ratios: u8) -> Option<[f32; 2]> {
    match ratios {
        1 => None,
        8 => Some([0.500_065_16, 0.166_673_83]),
        _ => Some([0.500_009_8, 0.166_669_6]),
    }
}

/// The logistic sigmoid.
#[inline(always)]
pub(crate) fn sigmoid<V: F32Lanes>(x: V) -> V {
    let x = V::f32(-87.3).max_or(V::f32(87.3).min_or(x));
    let (n, magic) = whole(x, -std::f32::consts::LOG2_E);
    // The exponent −x is n ln 2 − r.
    let r = n.mul_add(part(LN_2_LOW), n.mul_add(part(LN_2_HIGH), x));
    let p = match cubic(V::RATIOS) {
        Some([square, cube]) => V::f32(-cube).mul_add(r, V::f32(square)),
        None => {
            let p = V::f32(0.001_375_140_7);
            let p = p.mul_add(r, V::f32(-0.008_368_916));
            let p = p.mul_add(r, V::f32(0.041_669_533));
            let p = p.mul_add(r, V::f32(-0.166_665_18));
            p.mul_add(r, V::f32(0.499_999_88))
        }
    };
    let p = p.mul_add(r, V::f32(-1.0));
    let p = p.mul_add(r, V::one());
    V::one().quotient(p.mul_add(V::power_of_two(magic), V::one()))
}

/// The hyperbolic tangent, by that of half the argument: `a / q`, with `a` odd and `q` even in `x`, gives
/// `2 a q / (q² + a²)`, where an error of the quotient matters the less the nearer it is to 1. The constants
/// are minimax to that measure (7e-9), and scaled so that `q` and `q²` lose least to rounding near zero.
#[inline(always)]
pub(crate) fn tanh<V: F32Lanes>(x: V) -> V {
    // At these limits 1 is reached.
    let x = V::f32(-9.06).max_or(V::f32(9.06).min_or(x));
    let square = x * x;
    let q = V::f32(Q[3]).mul_add(square, V::f32(Q[2]));
    let q = q.mul_add(square, V::f32(Q[1]));
    let q = q.mul_add(square, V::f32(Q[0]));
    let a = V::f32(A[2]).mul_add(square, V::f32(A[1]));
    let a = a.mul_add(square, V::f32(A[0])) * x;
    let below = q.mul_add(q, a * a);
    // By rounding it might be a little more than 1. The divider has time beside so many multiply-adds.
    ((a + a) * q).limited(below) / below
}

/// The coefficients of [`tanh`], of `a` and of `q`.
const A: [f32; 3] = [0.921_875, 0.027_440_129, 1.051_711e-4];
const Q: [f32; 4] = [1.843_75, 0.208_526, 0.002_223_005_3, 2.259_754e-6];

/// The logarithm of the logistic sigmoid: `min(x, 0) − ln(1 + e)` with `e = exp(−|x|)`, and the latter by
/// `ln(1 + e) = 2 artanh(e / (2 + e))`.
#[inline(always)]
pub(crate) fn log_sigmoid<V: F32Lanes>(x: V) -> V {
    let e = exp(-x.abs());
    let s = e.quotient(V::f32(2.0) + e);
    let y = s * s;
    let p = V::f32(0.281_614_54);
    let p = p.mul_add(y, V::f32(0.279_643_45));
    let p = p.mul_add(y, V::f32(0.400_246_5));
    let p = p.mul_add(y, V::f32(0.666_663_2));
    let log = (p * y).mul_add(s, s + s);
    V::zero().min_or(x) - log
}

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// The exponential, for arguments clamped to −87.3 ..= 88.3.
#[inline(always)]
pub(crate) fn exp<V: F32Lanes>(x: V) -> V {
    let x = V::f32(-87.3).max_or(V::f32(88.3).min_or(x));
    let (n, magic) = whole(x, std::f32::consts::LOG2_E);
    let r = n.mul_add(part(-LN_2_LOW), n.mul_add(part(-LN_2_HIGH), x));
    let p = match cubic(V::RATIOS) {
        Some([square, cube]) => V::f32(cube).mul_add(r, V::f32(square)),
        None => {
            let p = V::f32(0.001_375_140_7);
            let p = p.mul_add(r, V::f32(0.008_368_916));
            let p = p.mul_add(r, V::f32(0.041_669_533));
            let p = p.mul_add(r, V::f32(0.166_665_18));
            p.mul_add(r, V::f32(0.499_999_88))
        }
    };
    let power = V::power_of_two(magic);
    (p * r).mul_add(r, r).mul_add(power, power)
}
