//! The exact arithmetic of the instructions, in scalar code.
//!
//! After the operations that the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, gives for
//! `VDPBF16PS` and `TDPBF16PS`: fused multiply-adds that round to nearest even, subnormal operands and results taken as
//! zero of the same sign, whatever MXCSR says, and no exceptions. Which NaN a sum becomes is not emulated.

use crate::simd::bf16::block::{BLOCK, DotBlock, DotEngine};
use crate::simd::bf16::number::from_bf16;

/// `VDPBF16PS` on vectors of any width: of each pair first the second product is added, then the first.
pub(crate) struct EmulatedAvx512;

/// `TDPBF16PS` on tiles with any number of columns: of 16 pairs, the sums of the first and of the second products are
/// taken apart, each from zero, then added, and the result is added to what there was.
pub(crate) struct EmulatedAmx;

impl DotEngine for EmulatedAvx512 {
    const ROWS: usize = 1;
    const PAIRS: usize = 1;

    unsafe fn multiply_add(block: &DotBlock) {
        // SAFETY: the caller's promise.
        unsafe {
            each_sum(block, |sum, pair| {
                let mut sum = sum;
                for p in 0..block.pairs {
                    let [left, right] = pair(p);
                    sum = multiply_add(left[1], right[1], sum);
                    sum = multiply_add(left[0], right[0], sum);
                }
                sum
            });
        }
    }
}

impl DotEngine for EmulatedAmx {
    const ROWS: usize = 16;
    const PAIRS: usize = 16;

    unsafe fn multiply_add(block: &DotBlock) {
        // SAFETY: the caller's promise.
        unsafe {
            each_sum(block, |sum, pair| {
                let mut sum = sum;
                for first in (0..block.pairs).step_by(Self::PAIRS) {
                    let mut parts = [0.0; 2];
                    for p in first..first + Self::PAIRS {
                        let [left, right] = pair(p);
                        parts[0] = multiply_add(left[0], right[0], parts[0]);
                        parts[1] = multiply_add(left[1], right[1], parts[1]);
                    }
                    sum = add(sum, add(parts[0], parts[1]));
                }
                sum
            });
        }
    }
}

/// The pair at some place of a left row and of a right column.
type Pairs<'a> = dyn Fn(usize) -> [[f32; 2]; 2] + 'a;

/// Replaces each sum by what `of` makes of it and its pairs of terms.
///
/// # Safety
/// The block's addresses are valid as far as its sizes say.
unsafe fn each_sum(block: &DotBlock, of: impl Fn(f32, &Pairs<'_>) -> f32) {
    for row in 0..block.rows {
        for column in 0..block.columns {
            let pair = |p: usize| {
                // SAFETY: the caller's promise.
                unsafe {
                    let left = block.left.add(row * block.left_stride + 2 * p);
                    let right = block.right.add(p * block.right_stride + 2 * column);
                    [[*left, *left.add(1)], [*right, *right.add(1)]].map(|pair| pair.map(from_bf16))
                }
            };
            // SAFETY: the caller's promise.
            unsafe {
                let sum = block.sums.add(row * BLOCK + column);
                *sum = of(*sum, &pair);
            }
        }
    }
}

/// `a · b + c`, rounded once, without subnormal numbers.
pub(crate) fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    let [a, b, c] = [a, b, c].map(|x| if x.is_subnormal() { 0.0_f32.copysign(x) } else { x });
    let sum = a.mul_add(b, c);
    if sum.abs() <= f32::MIN_POSITIVE && is_tiny(f64::from(a) * f64::from(b), f64::from(c)) {
        return 0.0_f32.copysign(sum);
    }
    sum
}

fn add(a: f32, b: f32) -> f32 {
    multiply_add(a, 1.0, b)
}

/// Whether the sum, rounded to the precision but not to the range of an `f32`, would be below the least normal number.
/// Both terms are exact in `f64`.
fn is_tiny(a: f64, b: f64) -> bool {
    // What lies above rounds up to 2^-126, and so does this itself, being halfway to it.
    let limit = f64::from(f32::MIN_POSITIVE) - 2.0_f64.powi(-151);
    let sum = a + b;
    // The error of the sum (Knuth 1969).
    let of_b = sum - a;
    let error = (a - (sum - of_b)) + (b - of_b);
    let beyond = if sum < 0.0 { -error } else { error };
    sum.abs() < limit || (sum.abs() == limit && beyond < 0.0)
}
