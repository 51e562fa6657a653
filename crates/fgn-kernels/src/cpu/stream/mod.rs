//! One time step of a few sequences, from weights packed once.
//!
//! A step of one sequence reads every weight once and uses it once: it takes as long as reading them
//! does. So they lie in the order in which they are read: for each slab of units ([`VECTORS`] registers
//! of them), for each block, its panel for the input and then its panel for the hidden state. A thread
//! has a range of slabs; it computes their pre-activations, applies the cell's equations, and meets the
//! others only at the end of the step. Steps take the slabs forwards and backwards in turn: what was
//! read last is still in the cache, and is read first.

mod cells;
mod format;
mod product;
mod rounded;
mod step;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

use fgn_core::AnyCell;
use fgn_core::oracle::Shape;

use super::buffer::Buffer;
use super::crew::Crew;
use super::geometry::Geometry;
use super::isa::Isa;
use super::packed::{self, Units};
use super::plan::Plan;
use crate::Precision;
use format::{Bf16, F32, Format, Int8, VECTORS};
use product::{Feed, Panels};
use rounded::{Rounded, TOGETHER};

/// The bytes of a cache line.
const LINE: usize = 64;

/// A layer's parameters as its steps read them.
pub(crate) struct Packed {
    pub(crate) cell: AnyCell,
    isa: Isa,
    plan: Plan,
    /// Its width is a slab's: [`VECTORS`] registers.
    g: Geometry,
    weights: Weights,
    /// What pre-activations begin with, `[G, padded]`: the bias, or zero where it is added later.
    start: Buffer<f32>,
    /// What projected units begin with.
    zeros: Buffer<f32>,
    units: Units<f32>,
}

/// The weights in the format that they are held in.
enum Weights {
    F32(Matrices<F32>),
    Bf16(Matrices<Bf16>),
    Int8(Matrices<Int8>),
}

/// The panels of the pre-activations and of the projection, if there is one.
struct Matrices<F: Format> {
    pre: Panels<F>,
    projection: Option<Panels<F>>,
}

impl<F: Format> Matrices<F> {
    fn new(g: &Geometry, parameters: &[f32]) -> Self {
        let Shape { input, hidden, .. } = g.shape;
        let feed = |name, of: &[usize], depth: usize, block| {
            let place = of.iter().position(|&b| b == block)?;
            let rows = &g.tensor(name, parameters)[place * hidden * depth..][..hidden * depth];
            Some(Feed { rows, depth })
        };
        let blocks: Vec<_> = (0..g.spec.blocks.len())
            .map(|block| {
                [
                    feed("weight_ih", &g.input_blocks, input, block),
                    feed("weight_hh", &g.hidden_blocks, g.output, block),
                ]
            })
            .collect();
        let projection = g.states.unprojected.map(|_| {
            let feed = Feed { rows: g.tensor("weight_hr", parameters), depth: hidden };
            Panels::new(g.width, g.output, &[[Some(feed), None]])
        });
        Self { pre: Panels::new(g.width, hidden, &blocks), projection }
    }

    fn bytes(&self) -> usize {
        let of = |panels: &Panels<F>| size_of_val(&*panels.data) + size_of_val(&*panels.scales);
        of(&self.pre) + self.projection.as_ref().map_or(0, of)
    }
}

impl Packed {
    /// Of `parameters` packed as `fgn_core::Layout` says, for runs that do what `plan` says.
    pub(crate) fn new(
        cell: AnyCell,
        isa: Isa,
        plan: Plan,
        precision: Precision,
        parameters: &[f32],
    ) -> Self {
        let (input, hidden) = (plan.form.input, plan.form.hidden);
        let shape = Shape { steps: 1, batch: 1, input, hidden };
        let g = Geometry::new(cell.spec(), shape, &plan, VECTORS * isa.width::<f32>());
        let weights = match precision {
            Precision::F32 => Weights::F32(Matrices::new(&g, parameters)),
            Precision::Bf16 => Weights::Bf16(Matrices::new(&g, parameters)),
            Precision::Int8 => Weights::Int8(Matrices::new(&g, parameters)),
        };
        let units = Units::new(&g, parameters);
        let start = match units.norm {
            Some(_) => Buffer::zeroed(g.spec.blocks.len() * g.padded),
            None => packed::bias(&g, parameters),
        };
        let zeros = Buffer::zeroed(g.padded);
        Self { cell, isa, plan, g, weights, start, zeros, units }
    }

    /// The sizes of the input, of the states and of the output.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.g.shape.input, self.g.shape.hidden, self.g.output]
    }

    /// How many bytes a step reads.
    pub(crate) fn bytes(&self) -> usize {
        let weights = match &self.weights {
            Weights::F32(matrices) => matrices.bytes(),
            Weights::Bf16(matrices) => matrices.bytes(),
            Weights::Int8(matrices) => matrices.bytes(),
        };
        let Units { vectors, norm, norm_memory } = &self.units;
        let gains = norm.iter().chain(norm_memory).flatten();
        let units: usize = gains.chain([&self.start, vectors]).map(|row| size_of_val(&**row)).sum();
        weights + units
    }

    fn slabs(&self) -> usize {
        self.g.vectors()
    }
}

/// Some sequences in the middle of their streams.
pub(crate) struct State {
    batch: usize,
    /// `[B, depth]`, each row filled up with zeros.
    x: Buffer<f32>,
    /// Of both the input and the hidden state, if the weights' format needs it.
    rounded: Rounded,
    /// `[B, G, padded]`.
    pre: Buffer<f32>,
    apart: Apart,
    /// The states after the last step and room for the next ones, in turn: `[S, B, padded]` each.
    states: [Buffer<f32>; 2],
    /// Which of the two is the last step's; also the direction in which the slabs are taken.
    now: usize,
    crew: Crew,
}

/// What is kept of a step beside the states, `[B, padded]` each, if there is such: the hidden state before
/// and after its projection, and the normalised memory.
struct Apart {
    unprojected: Buffer<f32>,
    projected: Buffer<f32>,
    memory: Buffer<f32>,
}

impl State {
    /// All states zero.
    pub(crate) fn new(packed: &Packed, batch: usize, threads: usize) -> io::Result<Self> {
        let g = &packed.g;
        let states = || Buffer::zeroed(g.spec.states.len() * batch * g.padded);
        let rows = |wanted| Buffer::zeroed(if wanted { batch * g.padded } else { 0 });
        let crew = Crew::new(threads.min(packed.slabs()))?;
        let x = Buffer::zeroed(batch * g.shape.input.next_multiple_of(TOGETHER));
        let rounded = match packed.weights {
            Weights::Int8(_) => [x.len() + batch * g.padded, 2 * batch],
            _ => [0; 2],
        };
        Ok(Self {
            batch,
            x,
            rounded: Rounded::new(crew.threads(), rounded[0], rounded[1]),
            pre: Buffer::zeroed(batch * g.spec.blocks.len() * g.padded),
            apart: Apart {
                unprojected: rows(g.states.unprojected.is_some()),
                projected: rows(g.states.unprojected.is_some()),
                memory: rows(g.states.seen.is_some()),
            },
            states: [states(), states()],
            now: 0,
            crew,
        })
    }

    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// The last step's states of `sequences`, `[S, sequences, H]`.
    pub(crate) fn states(&self, packed: &Packed, sequences: Range<usize>) -> Vec<f32> {
        let now = &self.states[self.now];
        self.rows(packed, sequences).flat_map(|row| &now[row]).copied().collect()
    }

    /// Sets the states of `sequences` to `to: [S, sequences, H]`.
    pub(crate) fn set_states(&mut self, packed: &Packed, sequences: Range<usize>, to: &[f32]) {
        let rows = self.rows(packed, sequences);
        let now = &mut self.states[self.now];
        for (row, to) in rows.zip(to.chunks(packed.g.shape.hidden)) {
            now[row].copy_from_slice(to);
        }
    }

    /// Sets the states of `sequences` to zero.
    pub(crate) fn reset(&mut self, packed: &Packed, sequences: Range<usize>) {
        let rows = self.rows(packed, sequences);
        let now = &mut self.states[self.now];
        rows.for_each(|row| now[row].fill(0.0));
    }

    /// Where the states of `sequences` lie, first those of all sequences for the first state.
    fn rows(
        &self,
        packed: &Packed,
        sequences: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let (batch, g) = (self.batch, &packed.g);
        let (states, hidden, padded) = (g.spec.states.len(), g.shape.hidden, g.padded);
        (0..states).flat_map(move |s| {
            sequences.clone().map(move |b| {
                let first = (s * batch + b) * padded;
                first..first + hidden
            })
        })
    }
}
