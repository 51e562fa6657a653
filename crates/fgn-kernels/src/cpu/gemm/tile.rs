//! The matrix products, block by block in registers.
//!
//! A tile holds `R x V` vectors of sums: `R` rows of the result, `V` registers wide. Every number
//! of a result is summed from its first term to its last in one fixed order, whatever the tile's
//! size: how rows are cut into tiles, and tiles dealt to threads, does not change a bit.

// The loops below run over rows and columns of several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use std::iter::Peekable;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::cpu::gemm::left_rows::{LeftRows, Segments};
use crate::cpu::gemm::pairs::multiply_pairs;
use crate::cpu::gemm::panels::Panel;
use crate::cpu::gemm::product::Product;
use crate::cpu::gemm::rounded::RoundedProduct;
use crate::cpu::gemm::tile_size::{
    MAX_ROWS, PANEL_VECTORS, add_term, line, max_rows, nearly_equal_parts, with_size,
};
use crate::simd::vector::{Element, Simd, Target, Task};

/// How much of a panel is used for all rows before its next part. Smaller parts would stay in the L1
/// cache, but each is another pass over the sums: measured, these cost more.
const CHUNK_BYTES: usize = 128 << 10;

/// So many terms of a tile's sums follow each other without a jump: where there are few sums for a term, what
/// only counts or prefetches would take a good part of the instructions.
const fn unrolled<S: Simd>() -> usize {
    if S::Target::REGISTERS < 32 { 4 } else { 1 }
}

/// `rows` rows times the panels. Each row of the left matrix is made of segments of equal length, one
/// at each of `offsets` from its beginning. Vector `v` of a panel lies at `columns[v]` from where
/// `start` and `out` say.
///
/// Of panels that are rounded to bf16, the left rows are rounded too.
#[inline(always)]
pub(crate) fn multiply<'a, S: Simd>(
    rows: usize,
    offsets: &[usize],
    panels: impl Iterator<Item = Panel<'a, S::Elem>>,
    columns: &[usize],
    product: &impl Product<S::Elem>,
) {
    if rows == 0 {
        return;
    }
    let mut panels = panels.peekable();
    let Some(first) = panels.peek() else { return };
    let Some(engine) = first.bf16 else {
        return multiply_panels::<S>(rows, offsets, panels, columns, product);
    };
    let segments = Segments { before: product.before(), offsets, depth: first.depth };
    if engine.multiplies_pairs() {
        return multiply_pairs::<S>(engine, rows, segments, panels, columns, product);
    }
    let left = LeftRows::rounded(rows, segments, product);
    let offsets: Vec<usize> = left.offsets().collect();
    multiply_panels::<S>(rows, &offsets, panels, columns, &RoundedProduct::new(product, &left));
}

/// As [`multiply`], of the numbers as they are.
#[inline(always)]
fn multiply_panels<'a, S: Simd>(
    rows: usize,
    offsets: &[usize],
    mut panels: Peekable<impl Iterator<Item = Panel<'a, S::Elem>>>,
    columns: &[usize],
    product: &impl Product<S::Elem>,
) {
    while let Some(panel) = panels.next() {
        let after = panels.peek().map_or(panel.data, |next| next.data);
        let row_len = panel.vectors * S::WIDTH;
        let place = product.place(panel.first);
        let mut before = product.before();
        let segment = (panel.depth - before) / offsets.len();
        let max_depth = CHUNK_BYTES / (row_len * size_of::<S::Elem>());
        let (mut weights, mut begun, mut finished) = (panel.data, false, 0);
        for chunk in chunks(offsets, segment, max_depth) {
            let depth = before + chunk.offsets.len() * chunk.len;
            let rest = &weights[depth * row_len..];
            let next = if rest.is_empty() { after } else { rest };
            // Each tile prefetches its share of what comes next.
            let tiles = rows.div_ceil(max_rows::<S>(panel.vectors));
            let share = next.len().min(max_depth * row_len).div_ceil(tiles);
            let asks = depth.div_ceil(unrolled::<S>());
            let stride = share.div_ceil(asks).min(line::<S::Elem>());
            let mut tile = ProductTile {
                before,
                left_before: [std::ptr::null(); MAX_ROWS],
                left: [std::ptr::null(); MAX_ROWS],
                start: [std::ptr::null(); MAX_ROWS],
                out: [std::ptr::null_mut(); MAX_ROWS],
                rows: 0,
                vectors: panel.vectors,
                last: panel.last,
                chunk,
                columns,
                weights: weights.as_ptr(),
                ahead: next.as_ptr(),
                ahead_stride: stride,
            };
            let mut places = product.rows();
            for (first, count) in nearly_equal_parts(rows, max_rows::<S>(panel.vectors)) {
                tile.rows = count;
                for (r, row) in places.by_ref().take(count).enumerate() {
                    tile.left_before[r] = product.left_before(row);
                    tile.left[r] = product.left(row);
                    let out = product.out(row);
                    let start = if begun { out.cast_const() } else { product.start(row) };
                    tile.out[r] = out.wrapping_add(place);
                    tile.start[r] = start.wrapping_add(place);
                }
                if rest.is_empty() {
                    product.approach(first, count, place);
                }
                // SAFETY: this runs on `S`, so the machine has it.
                unsafe { S::Target::enter::<S>(&tile) };
                tile.ahead = tile.ahead.wrapping_add(asks * stride);
                // Rows wait for a few more: with more of them at once, the equations wait less for results.
                let done = first + count;
                let end = if done == rows { done } else { done - done % MAX_ROWS };
                if rest.is_empty() && end > finished {
                    product.finished(finished, end - finished, place);
                    finished = end;
                }
            }
            weights = rest;
            (begun, before) = (true, 0);
        }
    }
}

/// Some of a left row's numbers: `len` at each of `offsets`, after the first `skip`.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    offsets: &'a [usize],
    skip: usize,
    len: usize,
}

/// Cuts segments into chunks of at most `max` numbers: a few whole segments, or a part of one.
#[inline(always)]
fn chunks(offsets: &[usize], segment: usize, max: usize) -> impl Iterator<Item = Chunk<'_>> {
    let together = (max / segment).max(1);
    offsets.chunks(together).flat_map(move |offsets| {
        nearly_equal_parts(segment, max).map(move |(skip, len)| Chunk { offsets, skip, len })
    })
}

/// The offsets of vectors that lie side by side.
pub(crate) fn side_by_side<S: Simd>() -> [usize; PANEL_VECTORS] {
    std::array::from_fn(|v| v * S::WIDTH)
}

struct ProductTile<'a, E> {
    before: usize,
    left_before: [*const E; MAX_ROWS],
    left: [*const E; MAX_ROWS],
    start: [*const E; MAX_ROWS],
    out: [*mut E; MAX_ROWS],
    rows: usize,
    vectors: usize,
    /// How many numbers of the last vector there are.
    last: usize,
    chunk: Chunk<'a>,
    columns: &'a [usize],
    weights: *const E,
    /// What the next tiles will need: a part of it for each few rows of the weights, so far from the last.
    ahead: *const E,
    ahead_stride: usize,
}

impl<E: Element> Task<E> for &ProductTile<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        // SAFETY: the addresses are what `Product` promises.
        unsafe { with_size!(self, self.rows, self.vectors, sized) }
    }
}

impl<E: Element> ProductTile<'_, E> {
    #[inline(always)]
    unsafe fn sized<S: Simd<Elem = E>, const R: usize, const V: usize>(&self) {
        if R > max_rows::<S>(V) {
            return; // `multiply` makes no such tile: this spares its code.
        }
        let columns: [usize; V] = std::array::from_fn(|v| self.columns[v]);
        let mut sums = [[S::zero(); V]; R];
        // SAFETY: `Product` promises that all these are valid as far as they are used here.
        unsafe {
            for r in 0..R {
                for v in 0..V - 1 {
                    sums[r][v] = S::load(self.start[r].add(columns[v]));
                }
                sums[r][V - 1] = S::load_first(self.start[r].add(columns[V - 1]), self.last);
            }
            let mut right = (self.weights, self.ahead);
            self.add(&mut sums, &self.left_before, 0..self.before, &mut right);
            for &offset in self.chunk.offsets {
                let first = offset + self.chunk.skip;
                self.add(&mut sums, &self.left, first..first + self.chunk.len, &mut right);
            }
            for r in 0..R {
                for v in 0..V - 1 {
                    sums[r][v].store(self.out[r].add(columns[v]));
                }
                sums[r][V - 1].store_first(self.out[r].add(columns[V - 1]), self.last);
            }
        }
    }
}

impl<E: Element> ProductTile<'_, E> {
    /// Adds the products of the numbers at places `terms` of the left rows with the next rows of weights.
    #[inline(always)]
    unsafe fn add<S: Simd<Elem = E>, const R: usize, const V: usize>(
        &self,
        sums: &mut [[S; V]; R],
        left: &[*const E; MAX_ROWS],
        terms: Range<usize>,
        (weights, ahead): &mut (*const E, *const E),
    ) {
        let left: [*const E; R] = std::array::from_fn(|r| left[r]);
        let unrolled = unrolled::<S>();
        let whole = terms.end - terms.len() % unrolled;
        // SAFETY: `Product` promises that all these are valid.
        unsafe {
            for first in (terms.start..whole).step_by(unrolled) {
                S::Target::prefetch(*ahead);
                *ahead = ahead.wrapping_add(self.ahead_stride);
                for u in 0..unrolled {
                    add_term(sums, left, first + u, weights.add(u * V * S::WIDTH));
                    // Else the compiler reads ahead for more terms than it has registers for.
                    compiler_fence(Ordering::SeqCst);
                }
                *weights = weights.add(unrolled * V * S::WIDTH);
            }
            for k in whole..terms.end {
                add_term(sums, left, k, *weights);
                *weights = weights.add(V * S::WIDTH);
            }
        }
    }
}
