//! Products of a transposed matrix of bf16 numbers, summed over rows of time and batch two at a time.

use candle_core::WithDType;

use crate::cpu::gemm::pairs::Sums;
use crate::cpu::memory::buffer::Buffer;
use crate::simd::bf16::block::{BLOCK, DotBlock};
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::bf16::number::bf16_of;
use crate::simd::vector::{Element, Simd};

/// The left matrix transposed: for each of its `depth` columns, the numbers of all rows.
pub(crate) struct LeftColumns {
    numbers: Buffer<u16>,
    /// The rows, up to a multiple of what the engine takes at once.
    rows: usize,
    depth: usize,
}

/// The right matrix, its rows two at a time.
pub(crate) struct RightPairs {
    numbers: Buffer<u16>,
    rows: usize,
    /// Numbers of a row.
    stride: usize,
}

impl LeftColumns {
    /// Of `count` rows of `depth` numbers; of zeros where there is none.
    ///
    /// # Safety
    /// Each row is valid for reading `depth` numbers.
    pub(crate) unsafe fn new<E: Element>(
        engine: Bf16Engine,
        count: usize,
        depth: usize,
        rows: impl Iterator<Item = Option<*const E>>,
    ) -> Self {
        let padded = count.next_multiple_of(engine.terms());
        let mut numbers = Buffer::recycled(depth.next_multiple_of(engine.rows()) * padded);
        numbers.fill(0);
        for (r, row) in rows.take(count).enumerate().filter_map(|(r, row)| Some((r, row?))) {
            // SAFETY: the caller's promise.
            let row = unsafe { std::slice::from_raw_parts(row, depth) };
            for (column, &number) in numbers.chunks_exact_mut(padded).zip(row) {
                column[r] = bf16_of(number);
            }
        }
        Self { numbers, rows: padded, depth }
    }
}

impl RightPairs {
    /// Of `count` rows of `stride` numbers.
    ///
    /// # Safety
    /// Each row is valid for reading `stride` numbers.
    pub(crate) unsafe fn new<E: Element>(
        engine: Bf16Engine,
        count: usize,
        stride: usize,
        rows: impl Iterator<Item = *const E>,
    ) -> Self {
        let padded = count.next_multiple_of(engine.terms());
        let mut numbers = Buffer::recycled(padded * stride);
        numbers.fill(0);
        for (r, row) in rows.take(count).enumerate() {
            // SAFETY: the caller's promise.
            let row = unsafe { std::slice::from_raw_parts(row, stride) };
            let pairs = numbers[r / 2 * 2 * stride..][..2 * stride].chunks_exact_mut(2);
            pairs.zip(row).for_each(|(pair, &number)| pair[r % 2] = bf16_of(number));
        }
        Self { numbers, rows: padded, stride }
    }
}

/// As [`multiply_transposed`](crate::cpu::gemm::transposed::multiply_transposed): adds the products of all left columns
/// with `vectors` vectors of the right matrix from `column` on to `result`.
#[inline(always)]
pub(crate) fn multiply_transposed_pairs<S: Simd>(
    engine: Bf16Engine,
    (left, right): (&LeftColumns, &RightPairs),
    (column, vectors): (usize, usize),
    result: &mut [S::Elem],
) {
    let row_len = vectors * S::WIDTH;
    assert_eq!(result.len(), left.depth * row_len);
    assert_eq!(left.rows, right.rows, "as many rows in both matrices");
    assert!(column + row_len <= right.stride, "columns of the right matrix");
    let session = engine.session();
    let mut sums = Sums([0.0; BLOCK * BLOCK]);
    for first in (0..left.depth).step_by(BLOCK) {
        let rows = BLOCK.min(left.depth - first);
        for place in (0..row_len).step_by(BLOCK) {
            let columns = BLOCK.min(row_len - place);
            let result = &mut result[first * row_len..(first + rows) * row_len];
            for (to, from) in sums.0.chunks_exact_mut(BLOCK).zip(result.chunks_exact(row_len)) {
                for (to, number) in to.iter_mut().zip(&from[place..place + columns]) {
                    *to = number.to_f64() as f32;
                }
            }
            // SAFETY: the left matrix has rows of zeros up to what the engine takes at once, the right one the columns,
            // and both as many rows, as just checked.
            unsafe {
                session.multiply_add(&DotBlock {
                    left: left.numbers.as_ptr().add(first * left.rows),
                    left_stride: left.rows,
                    right: right.numbers.as_ptr().add(2 * (column + place)),
                    right_stride: 2 * right.stride,
                    pairs: left.rows / 2,
                    rows,
                    columns,
                    sums: sums.0.as_mut_ptr(),
                });
            }
            for (from, to) in sums.0.chunks_exact(BLOCK).zip(result.chunks_exact_mut(row_len)) {
                for (to, &sum) in to[place..place + columns].iter_mut().zip(from) {
                    *to = S::Elem::from_f64(f64::from(sum));
                }
            }
        }
    }
}
