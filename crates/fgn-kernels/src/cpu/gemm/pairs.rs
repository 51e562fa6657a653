//! Products of bf16 numbers, block by block by an engine.
//!
//! Left rows are rounded and packed for each product, weights once a pass. A block of sums is gathered from where it
//! begins, multiplied, and written where it belongs: two passes over its sums, few beside its products.

use std::iter::Peekable;

use crate::cpu::gemm::left_rows::{LeftRows, Segments};
use crate::cpu::gemm::panels::Panel;
use crate::cpu::gemm::product::Product;
use crate::simd::bf16::block::{BLOCK, DotBlock};
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::vector::{Element, Simd};

/// A block of sums.
#[repr(align(64))]
pub(crate) struct Sums(pub(crate) [f32; BLOCK * BLOCK]);

/// Where the sums of a row begin, and where they go.
type Addresses<E> = (*const E, *mut E);

/// As [`multiply`](crate::cpu::gemm::tile::multiply), of panels that hold pairs.
#[inline(always)]
pub(crate) fn multiply_pairs<'a, S: Simd>(
    engine: Bf16Engine,
    rows: usize,
    segments: Segments<'_>,
    panels: Peekable<impl Iterator<Item = Panel<'a, S::Elem>>>,
    columns: &[usize],
    product: &impl Product<S::Elem>,
) {
    let left = LeftRows::bf16(engine, rows, segments, product);
    let session = engine.session();
    let mut sums = Sums([0.0; BLOCK * BLOCK]);
    for panel in panels {
        let place = product.place(panel.first);
        let row_len = 2 * panel.vectors * S::WIDTH;
        assert!(panel.pairs.len() >= left.stride / 2 * row_len, "a panel as deep as its left rows");
        let mut all = product.rows();
        for first in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - first);
            let mut addresses: [Addresses<S::Elem>; BLOCK] =
                [(std::ptr::null(), std::ptr::null_mut()); BLOCK];
            for (to, row) in addresses[..count].iter_mut().zip(all.by_ref()) {
                *to =
                    (product.start(row).wrapping_add(place), product.out(row).wrapping_add(place));
            }
            product.approach(first, count, place);
            for v in (0..panel.vectors).step_by(BLOCK / S::WIDTH) {
                let vectors = (panel.vectors - v).min(BLOCK / S::WIDTH);
                let part = Part {
                    columns: &columns[v..v + vectors],
                    width: S::WIDTH,
                    last: if v + vectors == panel.vectors { panel.last } else { S::WIDTH },
                };
                // SAFETY: `Product` promises that sums are there for each of the columns; the left rows are packed up to
                // a multiple of what the engine takes, and the panel is as deep, as just checked.
                unsafe {
                    part.gather(&addresses[..count], &mut sums);
                    session.multiply_add(&DotBlock {
                        left: left.row(first)[0],
                        left_stride: left.stride,
                        right: panel.pairs.as_ptr().add(2 * v * S::WIDTH),
                        right_stride: row_len,
                        pairs: left.stride / 2,
                        rows: count,
                        columns: vectors * S::WIDTH,
                        sums: sums.0.as_mut_ptr(),
                    });
                    part.scatter(&addresses[..count], &sums);
                }
            }
            product.finished(first, count, place);
        }
    }
}

/// Some of a panel's vectors, and where they lie.
struct Part<'a> {
    columns: &'a [usize],
    width: usize,
    /// How many numbers of the last one there are.
    last: usize,
}

impl Part<'_> {
    /// Offset, place among the sums, and length of each vector.
    #[inline(always)]
    fn vectors(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let end = self.columns.len();
        let len = move |v| if v + 1 == end { self.last } else { self.width };
        self.columns.iter().enumerate().map(move |(v, &column)| (column, v * self.width, len(v)))
    }

    /// Reads what sums begin with.
    ///
    /// # Safety
    /// At each address these vectors are valid for reading.
    #[inline(always)]
    unsafe fn gather<E: Element>(&self, from: &[Addresses<E>], sums: &mut Sums) {
        for (&(start, _), to) in from.iter().zip(sums.0.chunks_exact_mut(BLOCK)) {
            for (column, place, len) in self.vectors() {
                // SAFETY: the caller's promise.
                let from = unsafe { std::slice::from_raw_parts(start.add(column), len) };
                for (to, number) in to[place..place + len].iter_mut().zip(from) {
                    *to = number.to_f64() as f32;
                }
            }
        }
    }

    /// Writes sums.
    ///
    /// # Safety
    /// At each address these vectors are valid for writing.
    #[inline(always)]
    unsafe fn scatter<E: Element>(&self, to: &[Addresses<E>], sums: &Sums) {
        for (&(_, out), from) in to.iter().zip(sums.0.chunks_exact(BLOCK)) {
            for (column, place, len) in self.vectors() {
                for (n, &sum) in from[place..place + len].iter().enumerate() {
                    // SAFETY: the caller's promise.
                    unsafe { out.add(column + n).write(E::from_f64(f64::from(sum))) };
                }
            }
        }
    }
}
