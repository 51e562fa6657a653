//! Zeros past the ends of sequences.

use crate::cpu::rows::parts::{in_parts, rows_of_part};
use crate::simd::vector::Element;

/// A copy of `x: [T, B, D]` with zeros past each sequence's length.
pub(crate) fn zero_past_lengths<E: Element>(x: &[E], lengths: &[usize], width: usize) -> Vec<E> {
    let count = rows_of_part(width);
    let mut out = vec![E::default(); x.len()];
    let parts = out.chunks_mut(count * width).zip(x.chunks(count * width)).enumerate();
    in_parts(parts.collect(), x.len(), |(part, (out, x))| {
        let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width));
        for (row, (out, x)) in (part * count..).zip(rows) {
            if row / lengths.len() < lengths[row % lengths.len()] {
                out.copy_from_slice(x);
            }
        }
    });
    out
}
