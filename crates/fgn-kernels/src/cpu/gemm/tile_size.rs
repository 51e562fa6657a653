//! How many rows and vectors a tile has, and what tiles share.

// The loops below run over rows and columns of several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use crate::cpu::memory::buffer::LINE;
use crate::simd::vector::{Simd, Target};

// The most rows of a tile.
pub(crate) const MAX_ROWS: usize = 6;
/// How many vectors wide a panel is where its width is free to choose.
pub(crate) const PANEL_VECTORS: usize = 4;

/// How many rows a tile of `vectors` vectors a row may have: its sums, one broadcast number a row
/// and one vector of weights fit into the register file.
pub(crate) const fn max_rows<S: Simd>(vectors: usize) -> usize {
    let rows = (S::Target::REGISTERS - 1) / (vectors + 1);
    if rows > MAX_ROWS { MAX_ROWS } else { rows }
}

/// Cuts `0..count` into nearly equal parts of at most `max`: (first, length) each.
#[inline(always)]
pub(crate) fn nearly_equal_parts(count: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(max);
    let (len, longer) = (count / parts.max(1), count % parts.max(1)); // No division for each part.
    (0..parts).map(move |p| (p * len + p.min(longer), len + usize::from(p < longer)))
}

/// Numbers in a cache line.
pub(crate) const fn line<E>() -> usize {
    LINE / size_of::<E>()
}

/// Calls a tile's method with its size as constants.
macro_rules! with_size {
    ($tile:expr, $rows:expr, $vectors:expr, $method:ident) => {
        with_size!(@rows $tile, $rows, $vectors, $method, [1 2 3 4 5 6])
    };
    (@rows $tile:expr, $rows:expr, $vectors:expr, $method:ident, [$($r:literal)*]) => {
        match $rows {
            $($r => match $vectors {
                1 => $tile.$method::<S, $r, 1>(),
                2 => $tile.$method::<S, $r, 2>(),
                3 => $tile.$method::<S, $r, 3>(),
                4 => $tile.$method::<S, $r, 4>(),
                5 => $tile.$method::<S, $r, 5>(),
                _ => $tile.$method::<S, $r, 6>(),
            },)*
            _ => unreachable!("a tile has 1 to 6 rows"),
        }
    };
}

pub(crate) use with_size;

/// Adds the products of a number of each row, `place` behind its address, with `V` vectors.
///
/// # Safety
/// All these are valid for reading.
#[inline(always)]
pub(crate) unsafe fn add_term<S: Simd, const R: usize, const V: usize>(
    sums: &mut [[S; V]; R],
    left: [*const S::Elem; R],
    place: usize,
    right: *const S::Elem,
) {
    let mut numbers = [S::zero(); R];
    // SAFETY: the caller's promise.
    unsafe {
        for r in 0..R {
            numbers[r] = S::broadcast(*left[r].add(place));
        }
        for v in 0..V {
            let register = S::load(right.add(v * S::WIDTH));
            for r in 0..R {
                sums[r][v] = numbers[r].mul_add(register, sums[r][v]);
            }
        }
    }
}
