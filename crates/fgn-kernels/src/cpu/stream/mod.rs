//! One time step of a few sequences, from weights packed once.
//!
//! A step of one sequence reads every weight once and uses it once: it takes as long as reading them
//! does. So they lie in the order in which they are read: for each slab of units ([`VECTORS`] registers
//! of them), for each block, its panel for the input and then its panel for the hidden state. A thread
//! has a range of slabs; it computes their pre-activations, applies the cell's equations, and meets the
//! others only at the end of the step. Steps take the slabs forwards and backwards in turn: what was
//! read last is still in the cache, and is read first.

mod format;
mod product;
mod rounded;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

use fgn_core::oracle::Shape;
use fgn_core::{AnyCell, At, Cell, CellVisitor};

use super::buffer::{Buffer, Shared};
use super::crew::Crew;
use super::geometry::{self, Geometry};
use super::isa::{Isa, Task};
use super::plan::Plan;
use super::simd::Simd;
use crate::Precision;
use format::{Bf16, F32, Format, Int8, VECTORS, prefetch};
use product::{Panels, Product};
use rounded::{Round, Rounded, TOGETHER};

/// The bytes of a cache line.
const LINE: usize = 64;

/// A layer's parameters as its steps read them.
pub(crate) struct Packed {
    pub(crate) cell: AnyCell,
    isa: Isa,
    /// Its width is a slab's: [`VECTORS`] registers.
    g: Geometry,
    weights: Weights,
    /// The sum of both biases, `[G, padded]`.
    bias: Buffer<f32>,
    /// The per-unit vectors, `[V, padded]`.
    vectors: Buffer<f32>,
}

/// The weights in the format that they are held in.
enum Weights {
    F32(Panels<F32>),
    Bf16(Panels<Bf16>),
    Int8(Panels<Int8>),
}

impl Packed {
    /// Of `parameters` packed as `fgn_core::Layout` says.
    pub(crate) fn new(
        cell: AnyCell,
        isa: Isa,
        [input, hidden]: [usize; 2],
        precision: Precision,
        parameters: &[f32],
    ) -> Self {
        let shape = Shape { steps: 1, batch: 1, input, hidden };
        let plan = Plan::plain(shape);
        let g = Geometry::new(cell.spec(), shape, &plan, VECTORS * isa.width::<f32>());
        let weights = match precision {
            Precision::F32 => Weights::F32(Panels::new(&g, parameters)),
            Precision::Bf16 => Weights::Bf16(Panels::new(&g, parameters)),
            Precision::Int8 => Weights::Int8(Panels::new(&g, parameters)),
        };
        let bias = geometry::bias(&g, parameters);
        let vectors = geometry::vectors(&g, parameters);
        Self { cell, isa, g, weights, bias, vectors }
    }

    /// The input's and the hidden state's size.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.g.shape.input, self.g.shape.hidden]
    }

    /// How many bytes a step reads.
    pub(crate) fn bytes(&self) -> usize {
        let weights = match &self.weights {
            Weights::F32(panels) => size_of_val(&*panels.data),
            Weights::Bf16(panels) => size_of_val(&*panels.data),
            Weights::Int8(panels) => size_of_val(&*panels.data) + size_of_val(&*panels.scales),
        };
        weights + size_of_val(&*self.bias) + size_of_val(&*self.vectors)
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
    /// The states after the last step and room for the next ones, in turn: `[S, B, padded]` each.
    states: [Buffer<f32>; 2],
    /// Which of the two is the last step's; also the direction in which the slabs are taken.
    now: usize,
    crew: Crew,
}

impl State {
    /// All states zero.
    pub(crate) fn new(packed: &Packed, batch: usize, threads: usize) -> io::Result<Self> {
        let g = &packed.g;
        let states = || Buffer::zeroed(g.spec.states.len() * batch * g.padded);
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

    /// One step of all sequences over `x: [B, I]`; gives the cell's `output: [B, H]`.
    pub(crate) fn step(&mut self, packed: &Packed, x: &[f32], output: &mut [f32]) {
        let input = packed.g.shape.input;
        let padded = self.x.chunks_mut(input.next_multiple_of(TOGETHER));
        for (to, from) in padded.zip(x.chunks(input)) {
            to[..input].copy_from_slice(from);
        }
        packed.cell.visit(Step { packed, state: self, output });
        self.now = 1 - self.now;
    }
}

struct Step<'a> {
    packed: &'a Packed,
    state: &'a mut State,
    output: &'a mut [f32],
}

impl CellVisitor for Step<'_> {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self { packed, state, output } = self;
        let State { batch, x, rounded, pre, states, now, crew } = state;
        let [first, second] = states;
        let (prev, next) = if *now == 0 { (first, second) } else { (second, first) };
        let (prev, next) = (&**prev, next.shared());
        let (pre, output) = (pre.shared(), Shared::of(output));
        let (batch, backwards, threads) = (*batch, *now == 1, crew.threads());
        let rounded = rounded.parts();
        let left = [&**x, &prev[..batch * packed.g.padded]];
        crew.run(&move |part| {
            // Another thread wrote some of it: all misses at once take as long as one.
            left.iter().flat_map(|numbers| numbers.chunks(LINE / size_of::<f32>())).for_each(
                |line| {
                    prefetch(line.as_ptr());
                },
            );
            let slabs = part * packed.slabs() / threads..(part + 1) * packed.slabs() / threads;
            let own = Own { packed, batch, slabs, backwards, prev, pre };
            match &packed.weights {
                Weights::F32(panels) => own.multiply(panels, left, [&[]; 2]),
                Weights::Bf16(panels) => own.multiply(panels, left, [&[]; 2]),
                Weights::Int8(panels) => {
                    // SAFETY: nobody else does this part, and its memory outlives the step.
                    let (numbers, scales) = unsafe { rounded.of(part) };
                    let (numbers, scales) = own.round(left, numbers, scales);
                    own.multiply(panels, numbers, scales);
                }
            }
            packed.isa.run(Cells { own: &own, cell, next, output });
        });
    }
}

/// What one thread works on.
///
/// All raw accesses below rest on this: the memory outlives the step, is as large as its shape says,
/// and of `pre`, the next states and the output no other thread touches the units of `slabs`.
struct Own<'a> {
    packed: &'a Packed,
    batch: usize,
    slabs: Range<usize>,
    /// Whether the last slab comes first.
    backwards: bool,
    /// `[S, B, padded]`.
    prev: &'a [f32],
    /// `[B, G, padded]`.
    pre: Shared<f32>,
}

impl Own<'_> {
    /// Rounds the rows of the input and of the hidden state; gives both, and both rows' scales.
    fn round<'a>(
        &self,
        left: [&[f32]; 2],
        numbers: &'a mut [i16],
        scales: &'a mut [f32],
    ) -> ([&'a [i16]; 2], [&'a [f32]; 2]) {
        let Shape { input, hidden, .. } = self.packed.g.shape;
        let (x, h) = numbers.split_at_mut(left[0].len());
        let h = &mut h[..left[1].len()];
        let (x_scales, h_scales) = scales[..2 * self.batch].split_at_mut(self.batch);
        let isa = self.packed.isa;
        isa.run(Round { rows: left[0], depth: input, numbers: x, scales: x_scales });
        isa.run(Round { rows: left[1], depth: hidden, numbers: h, scales: h_scales });
        ([x, h], [x_scales, h_scales])
    }

    /// Computes the pre-activations from the rows of the input and of the hidden state, times their
    /// scales if the format has any.
    fn multiply<F: Format>(
        &self,
        panels: &Panels<F>,
        left: [&[F::Left]; 2],
        left_scales: [&[f32]; 2],
    ) {
        self.packed.isa.run(Product { own: self, panels, left, left_scales });
    }
}

/// The cell's equations.
struct Cells<'a, C> {
    own: &'a Own<'a>,
    cell: C,
    /// `[S, B, padded]`.
    next: Shared<f32>,
    /// `[B, H]`.
    output: Shared<f32>,
}

impl<C: Cell> Task<f32> for Cells<'_, C> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Own { packed, batch, prev, pre, ref slabs, .. } = *self.own;
        let g = &packed.g;
        let hidden = g.shape.hidden;
        let mut at = At::<S>::zero();
        for unit in (slabs.start * g.width..hidden.min(slabs.end * g.width)).step_by(S::WIDTH) {
            // SAFETY: the thread's own units; every row is `padded` numbers long, the output's `H`.
            unsafe {
                for (v, vector) in at.vectors.iter_mut().take(C::SPEC.vectors.len()).enumerate() {
                    *vector = S::load(packed.vectors.as_ptr().add(v * g.padded + unit));
                }
                for b in 0..batch {
                    for block in 0..C::SPEC.blocks.len() {
                        let place = (b * C::SPEC.blocks.len() + block) * g.padded + unit;
                        at.pre[block] = S::load(pre.at(place));
                    }
                    for s in 0..C::SPEC.states.len() {
                        let place = (s * batch + b) * g.padded + unit;
                        at.prev[s] = S::load(prev.as_ptr().add(place));
                    }
                    let step = self.cell.step(&at);
                    for s in 0..C::SPEC.states.len() {
                        step.next[s].store(self.next.at((s * batch + b) * g.padded + unit));
                    }
                    let output = self.output.at(b * hidden + unit);
                    step.output.store_first(output, S::WIDTH.min(hidden - unit));
                }
            }
        }
    }
}
