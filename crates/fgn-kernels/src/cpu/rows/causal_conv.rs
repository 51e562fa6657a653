//! Depthwise causal convolutions over time.
//!
//! Step `t` of a sequence reads the inputs of the steps `t − K + 1 ..= t`: those before the first step are the state.
//! In one sequence of inputs, state first, they are the indices `t ..= t + K − 1`, and tap `k` reads the index `t + k`.

use crate::cpu::rows::lanes::{add, add_products};
use crate::cpu::rows::parts::{in_parts, rows_of_part, sum};
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// What is convolved.
#[derive(Clone, Copy)]
pub(crate) struct ConvRows<'a, E> {
    /// `T`, `B` and `D`.
    pub(crate) shape: [usize; 3],
    /// `[T, B, D]`
    pub(crate) x: &'a [E],
    /// `[K + 1, D]`: the taps from the oldest input to the present one, then the bias.
    pub(crate) taps: &'a [E],
    /// `[K − 1, B, D]`: the inputs before the first step.
    pub(crate) state: &'a [E],
    /// `[T, B]`: how many inputs each step reads, from the present one back, 1 to `K`; empty if all read `K`.
    pub(crate) reach: &'a [u32],
}

/// The gradients of [`ConvRows`].
pub(crate) struct ConvGradients<E> {
    pub(crate) x: Vec<E>,
    pub(crate) taps: Vec<E>,
    pub(crate) state: Vec<E>,
}

/// The convolution, `[T, B, D]`.
pub(crate) fn conv_forward<E: Element>(isa: Isa, rows: ConvRows<'_, E>) -> Vec<E> {
    let [_, _, width] = rows.shape;
    let count = rows_of_part(width);
    let mut out = vec![E::default(); rows.x.len()];
    let parts = out.chunks_mut(count * width).enumerate().collect();
    in_parts(parts, rows.work(), |(part, out)| {
        isa.run(Forward { rows, first: part * count, out });
    });
    out
}

/// The gradients, given that of the convolution.
pub(crate) fn conv_backward<E: Element>(
    isa: Isa,
    rows: ConvRows<'_, E>,
    d_out: &[E],
) -> ConvGradients<E> {
    let [_, batch, width] = rows.shape;
    let count = rows_of_part(width);
    let before = rows.state.len() / width;
    let mut d_x = vec![E::default(); rows.x.len()];
    let parts = d_x.chunks_mut(count * width).enumerate().collect();
    let sums = in_parts(parts, 2 * rows.work(), |(part, d_x)| {
        let mut d_taps = vec![E::default(); rows.taps.len()];
        isa.run(Inputs { rows, first: before + part * count, d_out, d_inputs: d_x });
        isa.run(Taps {
            rows,
            first: part * count,
            d_out,
            count: d_x.len() / width,
            d_taps: &mut d_taps,
        });
        d_taps
    });
    let mut d_state = vec![E::default(); rows.state.len()];
    if batch > 0 {
        isa.run(Inputs { rows, first: 0, d_out, d_inputs: &mut d_state });
    }
    ConvGradients { x: d_x, taps: sum(&sums, rows.taps.len()), state: d_state }
}

impl<E> ConvRows<'_, E> {
    /// `K`
    fn size(&self) -> usize {
        self.taps.len() / self.shape[2] - 1
    }

    fn work(&self) -> usize {
        self.x.len() * (self.size() + 2)
    }

    /// The first tap that row `t · B + b` reads through.
    #[inline(always)]
    fn first_tap(&self, row: usize) -> usize {
        match self.reach.get(row) {
            Some(&reach) => self.size() - reach as usize,
            None => 0,
        }
    }

    #[inline(always)]
    fn tap(&self, k: usize) -> &[E] {
        let width = self.shape[2];
        &self.taps[k * width..][..width]
    }

    /// The input of that row, where the rows of the state come first.
    #[inline(always)]
    fn input(&self, row: usize) -> &[E] {
        let width = self.shape[2];
        let before = self.state.len() / width;
        match row.checked_sub(before) {
            Some(row) => &self.x[row * width..][..width],
            None => &self.state[row * width..][..width],
        }
    }
}

struct Forward<'a, E> {
    rows: ConvRows<'a, E>,
    /// The index of the first row of the part.
    first: usize,
    out: &'a mut [E],
}

impl<E: Element> Task<E> for Forward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let rows = self.rows;
        let [_, batch, width] = rows.shape;
        let size = rows.size();
        for (row, out) in (self.first..).zip(self.out.chunks_exact_mut(width)) {
            out.copy_from_slice(rows.tap(size));
            for k in rows.first_tap(row)..size {
                add_products::<S>(out, rows.tap(k), rows.input(row + k * batch));
            }
        }
    }
}

/// The gradients of inputs, where the rows of the state come first.
struct Inputs<'a, E> {
    rows: ConvRows<'a, E>,
    first: usize,
    d_out: &'a [E],
    /// Zeros.
    d_inputs: &'a mut [E],
}

impl<E: Element> Task<E> for Inputs<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let rows = self.rows;
        let [steps, batch, width] = rows.shape;
        for (input, d_input) in (self.first..).zip(self.d_inputs.chunks_exact_mut(width)) {
            for k in 0..rows.size() {
                let Some(row) = input.checked_sub(k * batch) else { break };
                if row < steps * batch && k >= rows.first_tap(row) {
                    add_products::<S>(d_input, rows.tap(k), &self.d_out[row * width..][..width]);
                }
            }
        }
    }
}

/// The gradients of the taps and the bias, of some rows.
struct Taps<'a, E> {
    rows: ConvRows<'a, E>,
    first: usize,
    count: usize,
    d_out: &'a [E],
    d_taps: &'a mut [E],
}

impl<E: Element> Task<E> for Taps<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let rows = self.rows;
        let [_, batch, width] = rows.shape;
        let (d_taps, d_bias) = self.d_taps.split_at_mut(rows.size() * width);
        for row in self.first..self.first + self.count {
            let d = &self.d_out[row * width..][..width];
            add::<S>(d_bias, d);
            for k in rows.first_tap(row)..rows.size() {
                let d_tap = &mut d_taps[k * width..][..width];
                add_products::<S>(d_tap, d, rows.input(row + k * batch));
            }
        }
    }
}
