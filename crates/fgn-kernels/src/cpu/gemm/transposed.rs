//! Products of a transposed matrix, summed over rows of time and batch.

// The loops below run over rows and columns of several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use crate::cpu::gemm::tile_size::{
    PANEL_VECTORS, add_term, line, max_rows, nearly_equal_parts, with_size,
};
use crate::simd::vector::{Element, Simd, Target, Task};

/// How much of the rows that are summed over is used for all of a result before the next part: a tile of
/// few registers reads more for each multiply-add than the L2 cache gives.
const fn strip_bytes<S: Simd>() -> usize {
    if S::Target::REGISTERS < 32 { 16 << 10 } else { 32 << 10 }
}

/// Where the rows of one step lie that [`multiply_transposed`] sums over.
#[derive(Clone, Copy)]
pub(crate) struct Strip<E> {
    /// The first row of the left matrix.
    pub(crate) left: *const E,
    /// The first row of the right matrix.
    pub(crate) right: *const E,
}

/// Rows to sum over: `count` in each strip, from row `first` on, `stride_left` and `stride_right` apart.
#[derive(Clone, Copy)]
pub(crate) struct Strips<'a, E> {
    pub(crate) strips: &'a [Strip<E>],
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) stride_left: usize,
    pub(crate) stride_right: usize,
}

// SAFETY: strips are addresses of rows that are only read while products run.
unsafe impl<E: Element> Sync for Strips<'_, E> {}

/// `result[k][v] += Σ_rows left[row][offsets[k]] · right[row][column + v]` for `vectors` vectors: the
/// product of a transposed matrix with another, summed over the rows of all strips.
///
/// # Safety
/// Each row of `left` is valid for reading at each offset, each row of `right` for reading `vectors`
/// registers from `column` on. `vectors` is in 1 ..= [`PANEL_VECTORS`].
#[inline(always)]
pub(crate) unsafe fn multiply_transposed<S: Simd>(
    strips: Strips<'_, S::Elem>,
    offsets: &[usize],
    (column, vectors): (usize, usize),
    result: &mut [S::Elem],
) {
    assert_eq!(result.len(), offsets.len() * vectors * S::WIDTH);
    // A row's registers, and of the left matrix a cache line.
    let row_bytes = (vectors * S::WIDTH + line::<S::Elem>()) * size_of::<S::Elem>();
    let max_chunk = strip_bytes::<S>() / row_bytes;
    for (first_row, count) in nearly_equal_parts(strips.count, max_chunk) {
        for some in strips.strips.chunks((max_chunk / count).max(1)) {
            let strips = Strips { strips: some, first: first_row, count, ..strips };
            for (first, count) in nearly_equal_parts(offsets.len(), max_rows::<S>(vectors)) {
                let tile = TransposedTile {
                    strips,
                    offsets: &offsets[first..first + count],
                    column,
                    vectors,
                    result: result[first * vectors * S::WIDTH..].as_mut_ptr(),
                };
                // SAFETY: this runs on `S`, so the machine has it.
                unsafe { S::Target::enter::<S>(tile) };
            }
        }
    }
}

struct TransposedTile<'a, E> {
    strips: Strips<'a, E>,
    offsets: &'a [usize],
    column: usize,
    vectors: usize,
    result: *mut E,
}

impl<E: Element> Task<E> for TransposedTile<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        // SAFETY: the addresses are what the caller of `multiply_transposed` promised.
        unsafe { with_size!(self, self.offsets.len(), self.vectors, sized) }
    }
}

impl<E: Element> TransposedTile<'_, E> {
    #[inline(always)]
    unsafe fn sized<S: Simd<Elem = E>, const R: usize, const V: usize>(&self) {
        if R > max_rows::<S>(V) || V > PANEL_VECTORS {
            return; // `multiply_transposed` makes no such tile: this spares its code.
        }
        let Strips { strips, first, count, stride_left, stride_right } = self.strips;
        let offsets: [usize; R] = std::array::from_fn(|r| self.offsets[r]);
        let mut sums = [[S::zero(); V]; R];
        // SAFETY: the caller of `multiply_transposed` promised that strips and result reach this far.
        unsafe {
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = S::load(self.result.add((r * V + v) * S::WIDTH));
                }
            }
            let mut ahead = self.result.wrapping_add(R * V * S::WIDTH);
            for strip in strips {
                let mut left = strip.left.add(first * stride_left);
                let mut right = strip.right.add(first * stride_right + self.column);
                for _ in 0..count {
                    S::Target::prefetch(ahead);
                    ahead = ahead.wrapping_add(line::<E>());
                    add_term(&mut sums, offsets.map(|offset| left.add(offset)), 0, right);
                    left = left.wrapping_add(stride_left);
                    right = right.wrapping_add(stride_right);
                }
            }
            for r in 0..R {
                for v in 0..V {
                    sums[r][v].store(self.result.add((r * V + v) * S::WIDTH));
                }
            }
        }
    }
}
