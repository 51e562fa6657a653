//! Root mean square normalisation and layer normalisation of rows.
//!
//! With `m` the mean of a row (0 for the root mean square) and `r = 1 / √(mean (x − m)² + ε)`, a row becomes
//! `(x − m) r w + b`. Nothing is saved for the backward pass: it reads `x` anyway, and computes `m` and `r` again.

use crate::cpu::rows::lanes::{load, ones, store, total};
use crate::cpu::rows::parts::{in_parts, rows_of_part, sum};
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// Rows to normalise.
#[derive(Clone, Copy)]
pub(crate) struct NormRows<'a, E> {
    /// `[N, D]`
    pub(crate) x: &'a [E],
    /// `[D]`
    pub(crate) weight: &'a [E],
    /// `[D]` of a layer normalisation; `None` for the root mean square.
    pub(crate) bias: Option<&'a [E]>,
    /// What is added to the mean square.
    pub(crate) epsilon: f64,
}

/// The gradients of [`NormRows`].
pub(crate) struct NormGradients<E> {
    pub(crate) x: Vec<E>,
    pub(crate) weight: Vec<E>,
    /// Zeros where there is no bias.
    pub(crate) bias: Vec<E>,
}

/// About how many multiply-adds a number costs.
const WORK: usize = 8;

/// The normalised rows.
pub(crate) fn norm_forward<E: Element>(isa: Isa, rows: NormRows<'_, E>) -> Vec<E> {
    let width = rows.weight.len();
    let size = rows_of_part(width) * width;
    let mut out = vec![E::default(); rows.x.len()];
    let parts = out.chunks_mut(size).zip(rows.x.chunks(size)).collect();
    in_parts(parts, WORK * rows.x.len(), |(out, x)| {
        isa.run(Forward { rows: NormRows { x, ..rows }, out });
    });
    out
}

/// The gradients, given those of the normalised rows.
pub(crate) fn norm_backward<E: Element>(
    isa: Isa,
    rows: NormRows<'_, E>,
    d_out: &[E],
) -> NormGradients<E> {
    let width = rows.weight.len();
    let size = rows_of_part(width) * width;
    let mut d_x = vec![E::default(); rows.x.len()];
    let parts = d_x.chunks_mut(size).zip(rows.x.chunks(size)).zip(d_out.chunks(size)).collect();
    let sums = in_parts(parts, 2 * WORK * rows.x.len(), |((d_x, x), d_out)| {
        let mut sums = vec![E::default(); 2 * width];
        isa.run(Backward { rows: NormRows { x, ..rows }, d_out, d_x, sums: &mut sums });
        sums
    });
    let mut weight = sum(&sums, 2 * width);
    let bias = weight.split_off(width);
    NormGradients { x: d_x, weight, bias }
}

struct Forward<'a, E> {
    rows: NormRows<'a, E>,
    out: &'a mut [E],
}

impl<E: Element> Task<E> for Forward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let NormRows { x, weight, bias, epsilon } = self.rows;
        let width = weight.len();
        for (out, x) in self.out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let [mean, scale] = statistics::<S>(x, bias.is_some(), epsilon).map(S::splat);
            for at in (0..width).step_by(S::WIDTH) {
                let normalised = (load::<S>(x, at) - mean) * scale;
                let start = match bias {
                    Some(bias) => load::<S>(bias, at),
                    None => S::zero(),
                };
                store(normalised.mul_add(load(weight, at), start), out, at);
            }
        }
    }
}

struct Backward<'a, E> {
    rows: NormRows<'a, E>,
    d_out: &'a [E],
    d_x: &'a mut [E],
    /// The part's gradients of the weight and the bias, `[2, D]`.
    sums: &'a mut [E],
}

impl<E: Element> Task<E> for Backward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let NormRows { x, weight, bias, epsilon } = self.rows;
        let width = weight.len();
        let is_centred = bias.is_some();
        let (d_weight, d_bias) = self.sums.split_at_mut(width);
        let rows = x.chunks_exact(width).zip(self.d_out.chunks_exact(width));
        for (d_x, (x, d)) in self.d_x.chunks_exact_mut(width).zip(rows) {
            let [mean, scale] = statistics::<S>(x, is_centred, epsilon).map(S::splat);
            let [mut plain, mut along] = [S::zero(); 2];
            for at in (0..width).step_by(S::WIDTH) {
                let gradient = load::<S>(d, at) * load(weight, at);
                plain = plain + gradient;
                along = gradient.mul_add((load::<S>(x, at) - mean) * scale, along);
            }
            let plain = if is_centred { total(plain) / width as f64 } else { 0.0 };
            let [plain, along] = [plain, total(along) / width as f64].map(S::splat);
            for at in (0..width).step_by(S::WIDTH) {
                let (d, normalised) = (load::<S>(d, at), (load::<S>(x, at) - mean) * scale);
                let gradient = d * load(weight, at) - plain;
                store((-normalised).mul_add(along, gradient) * scale, d_x, at);
                store(d.mul_add(normalised, load(d_weight, at)), d_weight, at);
                if is_centred {
                    store(load::<S>(d_bias, at) + d, d_bias, at);
                }
            }
        }
    }
}

/// What a row is shifted by, and what it is multiplied by then.
#[inline(always)]
fn statistics<S: Simd>(x: &[S::Elem], is_centred: bool, epsilon: f64) -> [f64; 2] {
    let width = x.len();
    let mut mean = 0.0;
    if is_centred {
        let mut sum = S::zero();
        for at in (0..width).step_by(S::WIDTH) {
            sum = sum + load(x, at);
        }
        mean = total(sum) / width as f64;
    }
    let (shift, whole) = (S::splat(mean), width - width % S::WIDTH);
    let mut squares = S::zero();
    for at in (0..whole).step_by(S::WIDTH) {
        let centred = load::<S>(x, at) - shift;
        squares = centred.mul_add(centred, squares);
    }
    if whole < width {
        let centred = (load::<S>(x, whole) - shift) * ones(width - whole);
        squares = centred.mul_add(centred, squares);
    }
    [mean, 1.0 / (total(squares) / width as f64 + epsilon).sqrt()]
}
