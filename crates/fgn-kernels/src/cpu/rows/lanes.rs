//! Vectors of a row of any length. Its last vector may be a part of one, padded with zeros.

use candle_core::WithDType;

use crate::simd::vector::{MAX_WIDTH, Simd};

/// The vector of `from` that begins at `at`, which is below the length.
#[inline(always)]
pub(super) fn load<S: Simd>(from: &[S::Elem], at: usize) -> S {
    let rest = &from[at..];
    if rest.len() >= S::WIDTH {
        // SAFETY: the slice is as long as the vector.
        unsafe { S::load(rest.as_ptr()) }
    } else {
        // SAFETY: the slice has so many numbers, fewer than the vector.
        unsafe { S::load_first(rest.as_ptr(), rest.len()) }
    }
}

/// Writes the vector of `to` that begins at `at`, which is below the length.
#[inline(always)]
pub(super) fn store<S: Simd>(vector: S, to: &mut [S::Elem], at: usize) {
    let rest = &mut to[at..];
    if rest.len() >= S::WIDTH {
        // SAFETY: the slice is as long as the vector.
        unsafe { vector.store(rest.as_mut_ptr()) };
    } else {
        // SAFETY: the slice has so many numbers, fewer than the vector.
        unsafe { vector.store_first(rest.as_mut_ptr(), rest.len()) };
    }
}

/// 1 for each of the first `count` numbers of a vector, 0 for the others.
#[inline(always)]
pub(super) fn ones<S: Simd>(count: usize) -> S {
    let mut all = [S::Elem::default(); MAX_WIDTH];
    for one in &mut all[..count.min(S::WIDTH)] {
        *one = S::Elem::from_f64(1.0);
    }
    load(&all, 0)
}

/// The sum of a vector's numbers.
#[inline(always)]
pub(super) fn total<S: Simd>(vector: S) -> f64 {
    let mut all = [S::Elem::default(); MAX_WIDTH];
    store(vector, &mut all, 0);
    let mut sum = 0.0;
    for number in &all[..S::WIDTH] {
        sum += number.to_f64();
    }
    sum
}

/// The product of two rows of one length.
#[inline(always)]
pub(super) fn dot<S: Simd>(a: &[S::Elem], b: &[S::Elem]) -> f64 {
    let mut sum = S::zero();
    for at in (0..a.len()).step_by(S::WIDTH) {
        sum = load::<S>(a, at).mul_add(load(b, at), sum);
    }
    total(sum)
}

/// Adds `from` to `to`, number by number.
#[inline(always)]
pub(super) fn add<S: Simd>(to: &mut [S::Elem], from: &[S::Elem]) {
    for at in (0..to.len()).step_by(S::WIDTH) {
        store(load::<S>(to, at) + load(from, at), to, at);
    }
}

/// Adds `from` times `factor` to `to`.
#[inline(always)]
pub(super) fn add_scaled<S: Simd>(to: &mut [S::Elem], from: &[S::Elem], factor: f64) {
    let factor = S::splat(factor);
    for at in (0..to.len()).step_by(S::WIDTH) {
        store(load::<S>(from, at).mul_add(factor, load(to, at)), to, at);
    }
}

/// Adds the products of `a` and `b`, number by number, to `to`.
#[inline(always)]
pub(super) fn add_products<S: Simd>(to: &mut [S::Elem], a: &[S::Elem], b: &[S::Elem]) {
    for at in (0..to.len()).step_by(S::WIDTH) {
        store(load::<S>(a, at).mul_add(load(b, at), load(to, at)), to, at);
    }
}
