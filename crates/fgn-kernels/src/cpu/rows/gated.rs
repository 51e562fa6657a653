//! Gated linear units of rows: `silu(a) · b`, with `a` the first half of a row and `b` the second.

use crate::cpu::rows::lanes::{load, store};
use crate::cpu::rows::parts::{in_parts, rows_of_part, sum};
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// Rows to gate.
#[derive(Clone, Copy)]
pub(crate) struct GatedRows<'a, E> {
    /// `[N, 2 · M]`
    pub(crate) x: &'a [E],
    /// `M`
    pub(crate) width: usize,
    /// `[2 · M]`, added to each row first; empty for none.
    pub(crate) bias: &'a [E],
}

/// About how many multiply-adds a result costs.
const WORK: usize = 25;

/// The gated rows, `[N, M]`.
pub(crate) fn gated_forward<E: Element>(isa: Isa, rows: GatedRows<'_, E>) -> Vec<E> {
    let (width, count) = (rows.width, rows_of_part(2 * rows.width));
    let mut out = vec![E::default(); rows.x.len() / 2];
    let parts = out.chunks_mut(count * width).zip(rows.x.chunks(2 * count * width)).collect();
    in_parts(parts, WORK * rows.x.len() / 2, |(out, x)| {
        isa.run(Forward { rows: GatedRows { x, ..rows }, out });
    });
    out
}

/// The gradients of the rows and of the bias, given those of the gated rows.
pub(crate) fn gated_backward<E: Element>(
    isa: Isa,
    rows: GatedRows<'_, E>,
    d_out: &[E],
) -> (Vec<E>, Vec<E>) {
    let (width, count) = (rows.width, rows_of_part(2 * rows.width));
    let mut d_x = vec![E::default(); rows.x.len()];
    let size = 2 * count * width;
    let parts = d_x.chunks_mut(size).zip(rows.x.chunks(size)).zip(d_out.chunks(size / 2));
    let sums = in_parts(parts.collect(), WORK * rows.x.len(), |((d_x, x), d_out)| {
        let mut d_bias = vec![E::default(); rows.bias.len()];
        isa.run(Backward { rows: GatedRows { x, ..rows }, d_out, d_x, d_bias: &mut d_bias });
        d_bias
    });
    (d_x, sum(&sums, rows.bias.len()))
}

/// Both halves of a row at a vector, with their biases.
#[inline(always)]
fn halves<S: Simd>(rows: GatedRows<'_, S::Elem>, x: &[S::Elem], at: usize) -> [S; 2] {
    let (first, second) = x.split_at(rows.width);
    let halves = [load::<S>(first, at), load(second, at)];
    if rows.bias.is_empty() {
        return halves;
    }
    let (first, second) = rows.bias.split_at(rows.width);
    [halves[0] + load(first, at), halves[1] + load(second, at)]
}

struct Forward<'a, E> {
    rows: GatedRows<'a, E>,
    out: &'a mut [E],
}

impl<E: Element> Task<E> for Forward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let width = self.rows.width;
        let rows = self.rows.x.chunks_exact(2 * width);
        for (out, x) in self.out.chunks_exact_mut(width).zip(rows) {
            for at in (0..width).step_by(S::WIDTH) {
                let [a, b] = halves::<S>(self.rows, x, at);
                store(a * a.sigmoid() * b, out, at);
            }
        }
    }
}

struct Backward<'a, E> {
    rows: GatedRows<'a, E>,
    d_out: &'a [E],
    d_x: &'a mut [E],
    d_bias: &'a mut [E],
}

impl<E: Element> Task<E> for Backward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let width = self.rows.width;
        let rows = self.rows.x.chunks_exact(2 * width).zip(self.d_out.chunks_exact(width));
        let has_bias = !self.d_bias.is_empty();
        let (bias_a, bias_b) = self.d_bias.split_at_mut(if has_bias { width } else { 0 });
        for (d_x, (x, d)) in self.d_x.chunks_exact_mut(2 * width).zip(rows) {
            let (d_a, d_b) = d_x.split_at_mut(width);
            for at in (0..width).step_by(S::WIDTH) {
                let [a, b] = halves::<S>(self.rows, x, at);
                let (d, gate) = (load::<S>(d, at), a.sigmoid());
                // The slope of a σ(a) is σ + a σ (1 − σ).
                let slope = (a * gate).mul_add(S::one() - gate, gate);
                let (of_a, of_b) = (d * b * slope, d * a * gate);
                store(of_a, d_a, at);
                store(of_b, d_b, at);
                if has_bias {
                    store(load::<S>(bias_a, at) + of_a, bias_a, at);
                    store(load::<S>(bias_b, at) + of_b, bias_b, at);
                }
            }
        }
    }
}
