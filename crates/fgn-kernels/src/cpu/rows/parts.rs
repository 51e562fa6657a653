//! Rows in parts, for the threads.

use crate::cpu::threads::pool::{PARALLEL_WORK, map_parallel};
use crate::simd::vector::Element;

/// About how many numbers a part has: they stay in a core's own cache. Sums over rows are cut there, so that they do not
/// depend on the number of threads.
const NUMBERS: usize = 1 << 14;

/// How many rows of that width a part has.
pub(super) fn rows_of_part(width: usize) -> usize {
    (NUMBERS / width.max(1)).max(1)
}

/// What `work` makes of each part, in their order; of all parts it takes about `multiply_adds`.
///
/// Parts run on rayon's threads, as do the matrix products before and after: Candle's own threads, once used, would
/// watch for more work on the cores that the next product needs.
pub(super) fn in_parts<T: Send, R: Send>(
    parts: Vec<T>,
    multiply_adds: usize,
    work: impl Fn(T) -> R + Send + Sync,
) -> Vec<R> {
    let is_small = parts.len() <= 1 || multiply_adds < PARALLEL_WORK;
    if is_small || rayon::current_thread_index().is_some() {
        return map_parallel(parts, multiply_adds, work);
    }
    rayon::scope(|_| map_parallel(parts, multiply_adds, work))
}

/// The sum of vectors of `len` numbers each, in their order.
pub(super) fn sum<E: Element>(vectors: &[Vec<E>], len: usize) -> Vec<E> {
    let mut sums = vec![0.0; len];
    for vector in vectors {
        for (sum, &more) in sums.iter_mut().zip(vector) {
            *sum += more.to_f64();
        }
    }
    sums.into_iter().map(E::from_f64).collect()
}
