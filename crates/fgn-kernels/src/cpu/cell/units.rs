//! The parameters of single units: biases, per-unit vectors, and gains of normalisation.

use crate::cpu::memory::buffer::Buffer;
use crate::cpu::memory::geometry::Geometry;
use crate::simd::vector::Element;

/// What each unit has of its own.
pub(crate) struct Units<E> {
    /// The per-unit vectors, `[V, padded]`.
    pub(crate) vectors: Buffer<E>,
    /// Gain and bias of each block, `[G, padded]` each, if they are normalised.
    pub(crate) norm: Option<[Buffer<E>; 2]>,
    /// Gain and bias of the memory, if it is normalised.
    pub(crate) norm_memory: Option<[Buffer<E>; 2]>,
}

impl<E: Element> Units<E> {
    pub(crate) fn new(g: &Geometry, parameters: &[E]) -> Self {
        let padded = |name: &str| {
            let mut row = Buffer::zeroed(g.padded);
            row[..g.shape.hidden].copy_from_slice(g.tensor(name, parameters));
            row
        };
        Self {
            vectors: vectors(g, parameters),
            norm: g.derivatives.norm.map(|_| [gain(g, parameters), bias_sum(g, parameters)]),
            norm_memory: g
                .derivatives
                .norm_memory
                .map(|_| ["norm_memory", "norm_memory_bias"].map(padded)),
        }
    }
}

/// The gains of each block, `[G, padded]`: 1 for one that is not normalised.
fn gain<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let hidden = g.shape.hidden;
    let mut gain = Buffer::zeroed(g.spec.blocks.len() * g.padded);
    for block in 0..g.spec.blocks.len() {
        gain[block * g.padded..][..hidden].fill(E::from_f64(1.0));
    }
    if let Some(slot) = g.layout.tensor("norm_pre") {
        let rows = parameters[slot.range()].chunks(hidden);
        for (&block, row) in slot.blocks.iter().zip(rows) {
            gain[block * g.padded..][..hidden].copy_from_slice(row);
        }
    }
    gain
}

/// The sum of both biases, `[G, padded]`.
pub(crate) fn bias_sum<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let mut bias = Buffer::zeroed(g.spec.blocks.len() * g.padded);
    for name in ["bias_ih", "bias_hh"] {
        let Some(slot) = g.layout.tensor(name) else {
            continue;
        };
        let rows = parameters[slot.range()].chunks(g.shape.hidden);
        for (&block, row) in slot.blocks.iter().zip(rows) {
            let sums = &mut bias[block * g.padded..][..g.shape.hidden];
            sums.iter_mut().zip(row).for_each(|(sum, &b)| *sum += b);
        }
    }
    bias
}

/// The per-unit vectors, `[V, padded]`.
pub(crate) fn vectors<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let mut vectors = Buffer::zeroed(g.spec.vectors.len() * g.padded);
    for (v, name) in g.spec.vectors.iter().enumerate() {
        vectors[v * g.padded..][..g.shape.hidden].copy_from_slice(g.tensor(name, parameters));
    }
    vectors
}
