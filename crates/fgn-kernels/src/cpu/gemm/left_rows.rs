//! The left rows of a product, rounded to bf16 and side by side.

use crate::cpu::gemm::product::Product;
use crate::cpu::memory::buffer::Buffer;
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::bf16::number::{bf16_of, rounded};
use crate::simd::number::Number;
use crate::simd::vector::Element;

/// What a left row is made of: `before` numbers, then segments of equal length at `offsets`; `depth` in all.
#[derive(Clone, Copy)]
pub(crate) struct Segments<'a> {
    pub(crate) before: usize,
    pub(crate) offsets: &'a [usize],
    pub(crate) depth: usize,
}

/// The rows, `stride` numbers apart. Each segment begins at a multiple of what the engine takes at once, with zeros
/// behind it: so sums do not depend on whether two segments are one product or two.
pub(crate) struct LeftRows<N> {
    pub(crate) numbers: Buffer<N>,
    pub(crate) stride: usize,
    before: usize,
    segment: usize,
    count: usize,
}

impl<E: Element> LeftRows<E> {
    /// Rounded, as they are multiplied in their own type.
    #[inline(always)]
    pub(crate) fn rounded(rows: usize, segments: Segments<'_>, product: &impl Product<E>) -> Self {
        Self::new([rows, rows], 1, segments, product, rounded)
    }
}

impl LeftRows<u16> {
    /// As bf16, with rows of zeros up to a multiple of what the engine takes at once.
    #[inline(always)]
    pub(crate) fn bf16<E: Element>(
        engine: Bf16Engine,
        rows: usize,
        segments: Segments<'_>,
        product: &impl Product<E>,
    ) -> Self {
        let all = rows.next_multiple_of(engine.rows());
        Self::new([rows, all], engine.terms(), segments, product, bf16_of)
    }
}

impl<N: Number + Default> LeftRows<N> {
    #[inline(always)]
    fn new<E: Element>(
        [rows, all]: [usize; 2],
        together: usize,
        segments: Segments<'_>,
        product: &impl Product<E>,
        round: impl Fn(E) -> N + Copy,
    ) -> Self {
        let Segments { before, offsets, depth } = segments;
        let segment = (depth - before) / offsets.len();
        let padded = segment.next_multiple_of(together);
        let begin = before.next_multiple_of(together);
        let stride = begin + offsets.len() * padded;
        let mut numbers = Buffer::recycled(all * stride);
        let mut to_rows = numbers.chunks_exact_mut(stride.max(1));
        for (row, to) in product.rows().take(rows).zip(&mut to_rows) {
            let (to_before, to) = to.split_at_mut(begin);
            if before > 0 {
                // SAFETY: `Product` promises that there are so many numbers.
                unsafe { copy(product.left_before(row), before, to_before, round) };
            }
            let left = product.left(row);
            for (&offset, to) in offsets.iter().zip(to.chunks_exact_mut(padded.max(1))) {
                // SAFETY: `Product` promises that each segment is there.
                unsafe { copy(left.wrapping_add(offset), segment, to, round) };
            }
        }
        to_rows.for_each(|row| row.fill(N::default()));
        Self { numbers, stride, before: begin, segment: padded, count: offsets.len() }
    }

    /// Where each segment begins behind the first.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = usize> {
        (0..self.count).map(|n| n * self.segment)
    }

    /// Row `row`, and where its segments begin.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> [*const N; 2] {
        let first = self.numbers.as_ptr().wrapping_add(row * self.stride);
        [first, first.wrapping_add(self.before)]
    }
}

/// Rounds `count` numbers; the rest becomes zero.
///
/// # Safety
/// `from` is valid for reading so many.
#[inline(always)]
unsafe fn copy<E: Element, N: Number + Default>(
    from: *const E,
    count: usize,
    to: &mut [N],
    round: impl Fn(E) -> N,
) {
    // SAFETY: the caller's promise.
    let from = unsafe { std::slice::from_raw_parts(from, count) };
    let (to, behind) = to.split_at_mut(count);
    to.iter_mut().zip(from).for_each(|(to, &number)| *to = round(number));
    behind.fill(N::default());
}

/// Pairs of rows that panels have for segments of so many rows.
pub(crate) fn pair_rows(segments: &[usize], engine: Bf16Engine) -> usize {
    segments.iter().map(|segment| segment.next_multiple_of(engine.terms()) / 2).sum()
}
