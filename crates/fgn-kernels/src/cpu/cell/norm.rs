//! Layer normalisation of rows: a mean of 0 and a variance of 1 over the units.

use candle_core::WithDType;

use crate::run::plan::NORM_EPSILON;
use crate::simd::vector::Simd;

/// The sum of the elements of a vector, in their order.
#[inline(always)]
fn total<S: Simd>(register: S) -> f64 {
    let mut numbers = [S::Elem::default(); 16];
    // SAFETY: no vector holds more numbers.
    unsafe { register.store(numbers.as_mut_ptr()) };
    numbers.iter().map(|number| number.to_f64()).sum()
}

/// Normalises a row of `hidden` numbers in place; gives 1 by their standard deviation.
///
/// # Safety
/// `row` is valid for reading and writing whole vectors up to `hidden`.
#[inline(always)]
pub(crate) unsafe fn normalise<S: Simd>(row: *mut S::Elem, hidden: usize) -> S::Elem {
    let count = hidden as f64;
    let mut sum = S::zero();
    // SAFETY: the caller's promise.
    unsafe {
        for offset in (0..hidden).step_by(S::WIDTH) {
            sum = sum + S::load_first(row.add(offset), S::WIDTH.min(hidden - offset));
        }
        let mean = S::splat(total(sum) / count);
        let mut squares = S::zero();
        for offset in (0..hidden).step_by(S::WIDTH) {
            let here = S::WIDTH.min(hidden - offset);
            let x = S::load_first(row.add(offset), here) - mean;
            x.store_first(row.add(offset), here);
            let x = S::load_first(row.add(offset), here);
            squares = x.mul_add(x, squares);
        }
        let scale = 1.0 / (total(squares) / count + NORM_EPSILON).sqrt();
        let by = S::splat(scale);
        for offset in (0..hidden).step_by(S::WIDTH) {
            (S::load(row.add(offset)) * by).store(row.add(offset));
        }
        S::Elem::from_f64(scale)
    }
}

/// The gradient of [`normalise`]: given its result `normal` with `scale` and the derivatives `d` by
/// `normal · gain + bias`, writes the gradients with respect to `gain` and by the row before.
///
/// # Safety
/// All are valid for whole vectors up to `hidden`, the first three for reading, the last two for
/// writing; `d` is zero beyond `hidden`. `d_row` may be `d`.
#[inline(always)]
pub(crate) unsafe fn normalise_gradient<S: Simd>(
    normal: *const S::Elem,
    scale: S::Elem,
    [gain, d]: [*const S::Elem; 2],
    [d_gain, d_row]: [*mut S::Elem; 2],
    hidden: usize,
) {
    let count = hidden as f64;
    let (mut sum, mut product) = (S::zero(), S::zero());
    // SAFETY: the caller's promise.
    unsafe {
        for offset in (0..hidden).step_by(S::WIDTH) {
            let here = S::WIDTH.min(hidden - offset);
            let n = S::load_first(normal.add(offset), here);
            let by_n = S::load(d.add(offset)) * S::load(gain.add(offset));
            (S::load(d.add(offset)) * n).store(d_gain.add(offset));
            sum = sum + by_n;
            product = by_n.mul_add(n, product);
        }
        let mean = S::splat(total(sum) / count);
        let along = S::splat(total(product) / count);
        let scale = S::broadcast(scale);
        for offset in (0..hidden).step_by(S::WIDTH) {
            let here = S::WIDTH.min(hidden - offset);
            let n = S::load_first(normal.add(offset), here);
            let by_n = S::load(d.add(offset)) * S::load(gain.add(offset));
            ((by_n - mean - along * n) * scale).store_first(d_row.add(offset), here);
        }
    }
}
