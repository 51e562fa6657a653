//! Sums of rows, `x + (y + bias) · mask`, as a residual connection with dropout has them.

use crate::cpu::rows::lanes::{add, load, store};
use crate::cpu::rows::parts::{in_parts, rows_of_part, sum};
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// Rows to add.
#[derive(Clone, Copy)]
pub(crate) struct SumRows<'a, E> {
    /// `[N, D]`, or empty for zeros.
    pub(crate) x: &'a [E],
    /// `[N, D]`
    pub(crate) y: &'a [E],
    /// `[D]`
    pub(crate) bias: &'a [E],
    /// `[M, D]`, where row `n` has the mask `n % M`; empty for none.
    pub(crate) mask: &'a [E],
    /// The index of the first row, where masks are counted from.
    pub(crate) first: usize,
}

/// About how many multiply-adds a number costs.
const WORK: usize = 6;

/// The sums, `[N, D]`.
pub(crate) fn sum_forward<E: Element>(isa: Isa, rows: SumRows<'_, E>) -> Vec<E> {
    let width = rows.bias.len();
    let count = rows_of_part(width);
    let mut out = vec![E::default(); rows.y.len()];
    let parts = out.chunks_mut(count * width).enumerate().collect();
    in_parts(parts, WORK * rows.y.len(), |(part, out)| {
        isa.run(Forward { rows, row: part * count, out });
    });
    out
}

/// The gradient of the bias, and that of `y` where it is not that of the sums: where there is a mask.
pub(crate) fn sum_backward<E: Element>(
    isa: Isa,
    rows: SumRows<'_, E>,
    d_out: &[E],
) -> (Vec<E>, Option<Vec<E>>) {
    let width = rows.bias.len();
    let count = rows_of_part(width);
    let has_mask = !rows.mask.is_empty();
    let mut d_y = vec![E::default(); if has_mask { d_out.len() } else { 0 }];
    let mut parts = Vec::new();
    let mut rest = &mut d_y[..];
    for (part, d_out) in d_out.chunks(count * width).enumerate() {
        let d_y;
        (d_y, rest) = rest.split_at_mut(if has_mask { d_out.len() } else { 0 });
        parts.push((rows.first + part * count, d_out, d_y));
    }
    let sums = in_parts(parts, WORK * d_out.len(), |(first, d_out, d_y)| {
        let mut d_bias = vec![E::default(); width];
        isa.run(Backward { mask: rows.mask, first, d_out, d_y, d_bias: &mut d_bias });
        d_bias
    });
    (sum(&sums, width), has_mask.then_some(d_y))
}

struct Forward<'a, E> {
    rows: SumRows<'a, E>,
    /// The first row of the part.
    row: usize,
    out: &'a mut [E],
}

impl<E: Element> Task<E> for Forward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let SumRows { x, y, bias, mask, first } = self.rows;
        let width = bias.len();
        for (row, out) in (self.row..).zip(self.out.chunks_exact_mut(width)) {
            let y = &y[row * width..][..width];
            let mask = row_of_mask(mask, first + row, width);
            for at in (0..width).step_by(S::WIDTH) {
                let mut sum = load::<S>(y, at) + load(bias, at);
                if !mask.is_empty() {
                    sum = sum * load(mask, at);
                }
                if !x.is_empty() {
                    sum = sum + load(&x[row * width..][..width], at);
                }
                store(sum, out, at);
            }
        }
    }
}

struct Backward<'a, E> {
    mask: &'a [E],
    first: usize,
    d_out: &'a [E],
    /// Empty where there is no mask.
    d_y: &'a mut [E],
    d_bias: &'a mut [E],
}

impl<E: Element> Task<E> for Backward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let width = self.d_bias.len();
        if self.mask.is_empty() {
            for d in self.d_out.chunks_exact(width) {
                add::<S>(self.d_bias, d);
            }
            return;
        }
        let rows = self.d_y.chunks_exact_mut(width).zip(self.d_out.chunks_exact(width));
        for (row, (d_y, d)) in (self.first..).zip(rows) {
            let mask = row_of_mask(self.mask, row, width);
            for at in (0..width).step_by(S::WIDTH) {
                let masked = load::<S>(d, at) * load(mask, at);
                store(masked, d_y, at);
                store(load::<S>(self.d_bias, at) + masked, self.d_bias, at);
            }
        }
    }
}

/// The mask of a row; empty for none.
#[inline(always)]
fn row_of_mask<E>(mask: &[E], row: usize, width: usize) -> &[E] {
    if mask.is_empty() {
        return mask;
    }
    &mask[row * width % mask.len()..][..width]
}
