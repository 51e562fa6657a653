//! The gradients of a layer's parameters: products over rows of time and batch, column by column.

use std::ops::Range;

use rayon::prelude::*;

use super::Arguments;
use super::buffer::{Buffer, Shared};
use super::forward::Saved;
use super::geometry::{Geometry, Steps};
use super::isa::{Isa, Task};
use super::simd::{Element, Simd};
use super::tile::{self, PANEL_VECTORS, Strip, Strips};

/// The sums so far.
pub(super) struct WeightGradient<E> {
    parts: Vec<Part>,
    /// Those of each part, one after the other: `[depth of the feed, vectors]`.
    sums: Buffer<E>,
}

/// A few registers of one block's units, against all that the block is fed by.
struct Part {
    /// The tensor that the part belongs to, and its block's place in that tensor's rows.
    tensor: &'static str,
    place: usize,
    /// The first unit, and how many registers of them.
    unit: usize,
    vectors: usize,
    /// Where these lie in a row of derivatives.
    column: usize,
    feed: Feed,
    /// Where its sums lie.
    range: Range<usize>,
}

/// What the derivatives of a part's pre-activations are multiplied by.
#[derive(Clone, Copy, PartialEq)]
enum Feed {
    Input,
    Hidden,
    One,
}

impl<E: Element> WeightGradient<E> {
    pub(super) fn new(g: &Geometry) -> Self {
        let mut parts = Vec::new();
        let mut len = 0;
        for slot in g.layout.tensors() {
            let (feed, depth) = match slot.name {
                "weight_ih" => (Feed::Input, g.shape.input),
                "weight_hh" => (Feed::Hidden, g.shape.hidden),
                _ => (Feed::One, 1),
            };
            let vector = g.spec.vectors.iter().position(|name| *name == slot.name);
            let of_vector = vector.map(|v| g.spec.blocks.len() + v);
            for (place, &block) in slot.blocks.iter().chain(&of_vector).enumerate() {
                for (first, vectors) in tile::parts(g.vectors(), PANEL_VECTORS) {
                    let unit = first * g.width;
                    let range = len..len + depth * vectors * g.width;
                    len = range.end;
                    parts.push(Part {
                        tensor: slot.name,
                        place,
                        unit,
                        vectors,
                        column: block * g.padded + unit,
                        feed,
                        range,
                    });
                }
            }
        }
        let mut sums = Buffer::recycled(len);
        sums.fill(E::default());
        Self { parts, sums }
    }

    /// Adds what some sequences contribute in the steps of `block`, given the derivatives of their
    /// pre-activations. Threads that have nothing else to do take some of the columns.
    ///
    /// # Safety
    /// `d_pre` holds the rows of the sequences for the steps of `block`, and nobody writes them.
    pub(super) unsafe fn add(
        &mut self,
        isa: Isa,
        g: &Geometry,
        arguments: &Arguments<'_, E>,
        saved: &Saved<E>,
        d_pre: Steps<E>,
        (block, sequences): (Range<usize>, Range<usize>),
    ) {
        let batch = g.shape.batch;
        let first = sequences.start;
        let one = E::from_f64(1.0);
        let strips = |left: &dyn Fn(usize) -> *const E| -> Vec<Strip<E>> {
            let strip = |t| {
                // SAFETY: the caller's promise.
                let right = unsafe { d_pre.row(t, first) };
                Strip { left: left(t), right }
            };
            block.clone().map(strip).collect()
        };
        let input = strips(&|t| arguments.x[(t * batch + first) * g.shape.input..].as_ptr());
        let hidden = strips(&|t| saved.states[(t * batch + first) * g.state_stride()..].as_ptr());
        let ones = strips(&|_| &raw const one);
        let rows = |strips, stride_left, depth| Rows {
            strips: Strips {
                strips,
                first: 0,
                count: sequences.len(),
                stride_left,
                stride_right: d_pre.stride(),
            },
            depth,
        };
        let feeds = [
            rows(&input[..], g.shape.input, g.shape.input),
            rows(&hidden[..], g.state_stride(), g.shape.hidden),
            rows(&ones[..], 0, 1),
        ];
        let mut rest = &mut self.sums[..];
        let parts = self.parts.iter().map(|part| {
            let (sums, others) = std::mem::take(&mut rest).split_at_mut(part.range.len());
            rest = others;
            AddPart { part, rows: &feeds[part.feed as usize], sums }
        });
        parts.collect::<Vec<_>>().into_par_iter().for_each(|part| isa.run(part));
    }

    /// Writes the gradient of the packed parameters: the sums of all groups, added in their order.
    pub(super) fn write(groups: &[Self], g: &Geometry, parameters: &mut [E]) {
        let Some((first, others)) = groups.split_first() else { return };
        let parameters = Shared::of(parameters);
        first.parts.par_iter().for_each(|part| {
            let Some(slot) = g.layout.tensor(part.tensor) else { return };
            let mut sums = first.sums[part.range.clone()].to_vec();
            for group in others {
                let of_group = &group.sums[part.range.clone()];
                sums.iter_mut().zip(of_group).for_each(|(sum, &more)| *sum += more);
            }
            let stride = part.vectors * g.width;
            let depth = sums.len() / stride;
            let units = stride.min(g.shape.hidden - part.unit);
            let first_row = part.place * g.shape.hidden + part.unit;
            for u in 0..units {
                for (k, row) in sums.chunks(stride).enumerate() {
                    let place = slot.offset + (first_row + u) * depth + k;
                    // SAFETY: the rows of a tensor are dealt among its parts.
                    unsafe { parameters.at(place).write(row[u]) };
                }
            }
        });
    }
}

/// The rows that a feed gives, `depth` numbers each, beside their derivatives.
struct Rows<'a, E> {
    strips: Strips<'a, E>,
    depth: usize,
}

struct AddPart<'a, E> {
    part: &'a Part,
    rows: &'a Rows<'a, E>,
    sums: &'a mut [E],
}

impl<E: Element> Task<E> for AddPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { part, rows, sums } = self;
        let offsets: Vec<usize> = (0..rows.depth).collect();
        let columns = (part.column, part.vectors);
        // SAFETY: each row has `depth` numbers, and as many derivatives as reach past the part's
        // columns.
        unsafe {
            tile::multiply_transposed::<S>(rows.strips, &offsets, columns, sums);
        }
    }
}
