//! What follows the cell of a residual block: a linear map, the residual connection, and a gated multi-layer perceptron
//! with its own.
//!
//! ```text
//! x₁ = x + (y W_oᵀ + b_o) · mask₁
//! x₂ = x₁ + (gated(norm(x₁) W_upᵀ + b_up) W_downᵀ + b_down) · mask₂
//! ```
//!
//! Everything is a function of rows. A thread takes so few of them at a time that all that is between `x` and `x₂` stays in
//! its cache. Nothing is saved: the backward pass computes it again, which is quicker than to read it from memory.

use crate::cpu::rows::gated::{GatedRows, gated_backward, gated_forward};
use crate::cpu::rows::norm::{NormRows, norm_backward, norm_forward};
use crate::cpu::rows::parts::{in_parts, sum};
use crate::cpu::rows::product::{Matrix, multiply};
use crate::cpu::rows::residual::{SumRows, sum_backward, sum_forward};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// The sizes of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockShape {
    /// `D`
    pub(crate) width: usize,
    /// `M`: the hidden units of the perceptron; 0 for none.
    pub(crate) hidden: usize,
    /// Whether the norm has a bias: a layer normalisation.
    pub(crate) is_centred: bool,
    pub(crate) epsilon: f64,
}

/// The arguments.
#[derive(Clone, Copy)]
pub(crate) struct BlockRows<'a, E> {
    pub(crate) shape: BlockShape,
    /// `[N, D]`: the residual stream.
    pub(crate) x: &'a [E],
    /// `[N, D]`: the outputs of the cell.
    pub(crate) y: &'a [E],
    /// All weights, one after the other: see [`BlockShape::sizes`].
    pub(crate) weights: &'a [E],
    /// `[R, D]` each, where row `n` has the mask `n % R`; empty for none.
    pub(crate) masks: [&'a [E]; 2],
}

/// The gradients of [`BlockRows`].
pub(crate) struct BlockGradients<E> {
    pub(crate) x: Vec<E>,
    pub(crate) y: Vec<E>,
    pub(crate) weights: Vec<E>,
}

/// About how many numbers the widest intermediate result of a part has.
const NUMBERS: usize = 1 << 15;

/// Into how many groups of parts the rows are divided at most, each with sums of its own for the gradient of the weights. It
/// does not depend on the number of threads, so neither do the sums.
const GROUPS: usize = 16;

impl BlockShape {
    /// The sizes of the weights: `W_o [D, D]`, `b_o [D]`; and with a perceptron the norm's weight `[D]` and bias `[D]` (or
    /// nothing), `W_up [2 M, D]`, `b_up [2 M]`, `W_down [D, M]`, `b_down [D]`.
    pub(crate) fn sizes(self) -> [usize; 8] {
        let Self { width, hidden, is_centred, .. } = self;
        let norm = if hidden > 0 { width } else { 0 };
        let bias = if is_centred { norm } else { 0 };
        let (up, down) = (2 * hidden * width, hidden * width);
        [width * width, width, norm, bias, up, 2 * hidden, down, norm]
    }

    /// The weights, each by itself.
    fn split<E>(self, mut weights: &[E]) -> [&[E]; 8] {
        self.sizes().map(|size| {
            let (own, rest) = weights.split_at(size);
            weights = rest;
            own
        })
    }

    /// The same of their gradients.
    fn split_mut<E>(self, mut weights: &mut [E]) -> [&mut [E]; 8] {
        self.sizes().map(|size| {
            let (own, rest) = std::mem::take(&mut weights).split_at_mut(size);
            weights = rest;
            own
        })
    }

    /// How many rows a part has.
    fn rows_of_part(self) -> usize {
        (NUMBERS / self.width.max(2 * self.hidden)).clamp(8, 1024)
    }

    /// How many rows a group has, whole parts.
    fn rows_of_group(self, rows: usize) -> usize {
        let part = self.rows_of_part();
        rows.div_ceil(part).div_ceil(GROUPS).max(1) * part
    }

    /// About the multiply-adds of so many rows.
    fn work(self, rows: usize) -> usize {
        rows * self.width * (self.width + 3 * self.hidden + 16)
    }
}

/// `x₂`, or `x₁` without a perceptron: `[N, D]`.
pub(crate) fn block_forward<E: Element>(isa: Isa, rows: BlockRows<'_, E>) -> Vec<E> {
    let width = rows.shape.width;
    let count = rows.shape.rows_of_part();
    let mut out = vec![E::default(); rows.x.len()];
    let parts = out.chunks_mut(count * width).enumerate().collect();
    in_parts(parts, rows.shape.work(rows.x.len() / width), |(part, out)| {
        let pass = Part::new(isa, rows, part * count, out.len() / width);
        match &pass.mlp {
            Some(mlp) => {
                let sums = pass.sums(&pass.first, &mlp.down, 7, 1);
                out.copy_from_slice(&sum_forward(isa, sums));
            }
            None => out.copy_from_slice(&pass.first),
        }
    });
    out
}

/// The gradients, given that of the result.
pub(crate) fn block_backward<E: Element>(
    isa: Isa,
    rows: BlockRows<'_, E>,
    d_out: &[E],
) -> BlockGradients<E> {
    let width = rows.shape.width;
    let (count, group) =
        (rows.shape.rows_of_part(), rows.shape.rows_of_group(rows.x.len() / width));
    let (mut d_x, mut d_y) = (vec![E::default(); d_out.len()], vec![E::default(); d_out.len()]);
    let (part, size) = (count * width, group * width);
    let groups = d_x.chunks_mut(size).zip(d_y.chunks_mut(size)).zip(d_out.chunks(size)).enumerate();
    let work = 3 * rows.shape.work(rows.x.len() / width);
    let sums = in_parts(groups.collect(), work, |(index, ((d_x, d_y), d_out))| {
        let mut d_weights = vec![E::default(); rows.weights.len()];
        let parts = d_x.chunks_mut(part).zip(d_y.chunks_mut(part)).zip(d_out.chunks(part));
        for (nth, ((d_x, d_y), d_out)) in parts.enumerate() {
            let first = index * group + nth * count;
            let pass = Part::new(isa, rows, first, d_out.len() / width);
            pass.backward(d_out, d_x, d_y, &mut d_weights);
        }
        d_weights
    });
    BlockGradients { x: d_x, y: d_y, weights: sum(&sums, rows.weights.len()) }
}

/// Some rows, and what is computed of them.
struct Part<'a, E> {
    isa: Isa,
    shape: BlockShape,
    /// The index of the first row.
    row: usize,
    weights: [&'a [E]; 8],
    masks: [&'a [E]; 2],
    /// The outputs of the cell.
    y: &'a [E],
    /// `x₁`
    first: Vec<E>,
    mlp: Option<MlpPart<E>>,
}

/// What the perceptron computes.
struct MlpPart<E> {
    normalised: Vec<E>,
    /// Before the gate, without the bias: `[n, 2 M]`.
    up: Vec<E>,
    /// `[n, M]`
    gated: Vec<E>,
    /// Without the bias: `[n, D]`.
    down: Vec<E>,
}

impl<'a, E: Element> Part<'a, E> {
    fn new(isa: Isa, rows: BlockRows<'a, E>, row: usize, count: usize) -> Self {
        let BlockRows { shape, x, y, weights, masks } = rows;
        let width = shape.width;
        let [x, y] = [x, y].map(|all| &all[row * width..][..count * width]);
        let weights = shape.split(weights);
        let mut part = Self { isa, shape, row, weights, masks, y, first: Vec::new(), mlp: None };
        let projected = product(Matrix::new(y, width), Matrix::new(weights[0], width).transposed());
        part.first = sum_forward(isa, part.sums(x, &projected, 1, 0));
        if shape.hidden > 0 {
            part.mlp = Some(part.perceptron());
        }
        part
    }

    fn perceptron(&self) -> MlpPart<E> {
        let BlockShape { width, hidden, .. } = self.shape;
        let normalised = norm_forward(self.isa, self.norm());
        let by = Matrix::new(self.weights[4], width).transposed();
        let up = product(Matrix::new(&normalised, width), by);
        let gated = gated_forward(self.isa, self.gate(&up));
        let by = Matrix::new(self.weights[6], hidden).transposed();
        let down = product(Matrix::new(&gated, hidden), by);
        MlpPart { normalised, up, gated, down }
    }

    /// A residual connection with the bias and the mask of those indices.
    fn sums<'s>(&'s self, x: &'s [E], y: &'s [E], bias: usize, mask: usize) -> SumRows<'s, E> {
        SumRows { x, y, bias: self.weights[bias], mask: self.masks[mask], first: self.row }
    }

    fn norm(&self) -> NormRows<'_, E> {
        let bias = self.shape.is_centred.then_some(self.weights[3]);
        NormRows { x: &self.first, weight: self.weights[2], bias, epsilon: self.shape.epsilon }
    }

    fn gate<'s>(&'s self, up: &'s [E]) -> GatedRows<'s, E> {
        GatedRows { x: up, width: self.shape.hidden, bias: self.weights[5] }
    }

    /// Writes the gradients of the rows, and adds those of the weights.
    fn backward(&self, d_out: &[E], d_x: &mut [E], d_y: &mut [E], d_weights: &mut [E]) {
        let width = self.shape.width;
        let [d_out_weight, d_out_bias, mlp @ ..] = self.shape.split_mut(d_weights);
        d_x.copy_from_slice(d_out);
        if let Some(part) = &self.mlp {
            self.mlp_backward(part, d_out, d_x, mlp);
        }
        let (d_bias, masked) = sum_backward(self.isa, self.sums(&[], &[], 1, 0), d_x);
        let d_projected = masked.as_deref().unwrap_or(d_x);
        add(d_out_bias, &d_bias);
        let d_projected = Matrix::new(d_projected, width);
        multiply(d_out_weight, d_projected.transposed(), Matrix::new(self.y, width), true);
        multiply(d_y, d_projected, Matrix::new(self.weights[0], width), false);
    }

    /// Adds the gradients of `x₁` and of the weights.
    fn mlp_backward(
        &self,
        part: &MlpPart<E>,
        d_out: &[E],
        d_first: &mut [E],
        d_weights: [&mut [E]; 6],
    ) {
        let BlockShape { width, hidden, .. } = self.shape;
        let [d_norm, d_norm_bias, d_up_weight, d_up_bias, d_down_weight, d_down_bias] = d_weights;
        let (d_bias, masked) = sum_backward(self.isa, self.sums(&[], &[], 7, 1), d_out);
        add(d_down_bias, &d_bias);
        let d_down = Matrix::new(masked.as_deref().unwrap_or(d_out), width);
        multiply(d_down_weight, d_down.transposed(), Matrix::new(&part.gated, hidden), true);
        let d_gated = product(d_down, Matrix::new(self.weights[6], hidden));
        let (d_up, d_bias) = gated_backward(self.isa, self.gate(&part.up), &d_gated);
        add(d_up_bias, &d_bias);
        let d_up = Matrix::new(&d_up, 2 * hidden);
        multiply(d_up_weight, d_up.transposed(), Matrix::new(&part.normalised, width), true);
        let d_normalised = product(d_up, Matrix::new(self.weights[4], width));
        let d = norm_backward(self.isa, self.norm(), &d_normalised);
        add(d_norm, &d.weight);
        if self.shape.is_centred {
            add(d_norm_bias, &d.bias);
        }
        add(d_first, &d.x);
    }
}

fn product<E: Element>(left: Matrix<'_, E>, right: Matrix<'_, E>) -> Vec<E> {
    let mut out = vec![E::default(); left.rows() * right.columns()];
    multiply(&mut out, left, right, false);
    out
}

fn add<E: Element>(to: &mut [E], from: &[E]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
}
