//! The backward pass of a whole sequence.
//!
//! The batch is cut into groups of sequences, and a thread runs a group from the last step to the first
//! without waiting for another. It takes time in blocks: first it runs the block's steps backwards, at
//! each the product that carries the derivatives of the pre-activations to the step before, then the
//! cell's gradient; then it adds the block's part of the weights' gradients, as products over its rows
//! while these are in cache. Groups and blocks are cut by the sizes alone, and the groups' sums are
//! added in their order, so the result does not depend on the number of threads.
//!
//! Large layers with few sequences are one group, of which threads share the units of every step, as in
//! the forward pass.

use std::ops::Range;

use fgn_core::oracle::Shape;
use fgn_core::{At, Cell, Step};
use rayon::prelude::*;

use super::Arguments;
use super::buffer::{Buffer, Shared};
use super::crew::Crew;
use super::forward::Saved;
use super::geometry::{self, Geometry, Rows, Steps};
use super::isa::{Isa, Task};
use super::pair::Pair;
use super::panels::Panels;
use super::simd::{Element, Simd};
use super::tile::{self, Product};
use super::weight_gradient::WeightGradient;
use crate::Emit;

/// About how many rows of derivatives a block has.
const BLOCK_ROWS: usize = 384;
/// About how many sequences a group has: enough to use the weights often in each step.
const GROUP_ROWS: usize = 24;
/// The most groups, and the most numbers that their sums of the weights' gradients may take together.
const MAX_GROUPS: usize = 16;
const MAX_GROUP_NUMBERS: usize = 16 << 20;

/// The loss's derivatives.
pub(crate) struct Gradients<E> {
    /// By `x`, `[T, B, I]`, if asked for.
    pub(crate) x: Option<Vec<E>>,
    /// By the packed parameters.
    pub(crate) weights: Vec<E>,
    /// By the initial states, `[S, B, H]`.
    pub(crate) states: Vec<E>,
}

/// The loss's derivatives by what the forward pass gave.
pub(crate) struct Derivatives<'a, E> {
    /// By the emitted outputs.
    pub(crate) output: &'a [E],
    /// By the final states `[S, B, H]`, if it depends on them.
    pub(crate) states: Option<&'a [E]>,
}

/// The gradient of [`forward`](super::forward::forward).
pub(crate) fn backward<E: Element, C: Cell>(
    isa: Isa,
    cell: C,
    arguments: &Arguments<'_, E>,
    emit: Emit,
    saved: &Saved<E>,
    Derivatives { output: d_output, states: d_final }: Derivatives<'_, E>,
    with_x: bool,
) -> Gradients<E> {
    let shape = arguments.shape;
    let Shape { steps, batch, input, hidden } = shape;
    let g = &Geometry::new(&C::SPEC, shape, isa.width::<E>());
    let weight_hh = g.tensor("weight_hh", arguments.weights);
    let weight_ih = g.tensor("weight_ih", arguments.weights);
    let hidden_panels = &Panels::straight(weight_hh, hidden, g.width);
    let input_panels = with_x.then(|| Panels::straight(weight_ih, input, g.width));
    let vectors = &geometry::vectors(g, arguments.weights);

    let mut d = Gradients {
        x: with_x.then(|| vec![E::default(); arguments.x.len()]),
        weights: vec![E::default(); arguments.weights.len()],
        states: vec![E::default(); arguments.states.len()],
    };
    let d_x = d.x.as_mut().map(|x| Shared::of(x));
    let d_states = Shared::of(&mut d.states);
    let group = |sequences: Range<usize>, crew: &mut Crew| {
        let rows = sequences.len();
        let block = BLOCK_ROWS.div_ceil(rows).min(steps);
        // One step more than a block: its last step reads the first of the block done before it.
        let mut d_pre = Buffer::recycled((block + 1) * rows * g.d_pre_stride());
        let mut d_prev = Buffer::zeroed(rows * g.state_stride());
        for (s, of_state) in d_final.unwrap_or(&[]).chunks(batch * hidden).enumerate() {
            for (row, b) in sequences.clone().enumerate() {
                d_prev[row * g.state_stride() + s * g.padded..][..hidden]
                    .copy_from_slice(&of_state[b * hidden..][..hidden]);
            }
        }
        let d_pre = Steps::new(d_pre.shared(), block + 1, sequences.clone(), g.d_pre_stride());
        let d_prev = Steps::new(d_prev.shared(), 1, sequences.clone(), g.state_stride());
        let mut weights = WeightGradient::new(g);
        let run = &Sequences {
            cell,
            g,
            sequences: sequences.clone(),
            emit,
            saved,
            hidden_panels,
            vectors,
            d_output,
            d_pre,
            d_prev,
        };
        let parts = crew.threads();
        let mut end = steps;
        while end > 0 {
            let times = end.saturating_sub(block)..end;
            end = times.start;
            for times in g.meetings(times.clone()).rev() {
                crew.run(&|part| isa.run(StepPart { run, times: times.clone(), part, parts }));
            }
            if let (Some(panels), Some(d_x)) = (&input_panels, d_x) {
                let times = &times;
                crew.run(&|part| isa.run(InputPart { run, panels, d_x, times, part, parts }));
            }
            // SAFETY: `d_pre` is alive, and nobody writes it now.
            unsafe { weights.add(isa, g, arguments, saved, d_pre, (times, sequences.clone())) };
        }
        crew.run(&|part| isa.run(HiddenPart { run, after: 0, part, parts }));
        run.write_states(d_states);
        weights
    };
    let groups = if g.shares_units::<E>() {
        vec![group(0..batch, &mut g.crew())]
    } else {
        let groups = groups(batch, arguments.weights.len()).into_par_iter();
        groups.map(|sequences| group(sequences, &mut Crew::alone())).collect()
    };
    WeightGradient::write(&groups, g, &mut d.weights);
    d
}

/// The groups of a batch, for so many parameters.
fn groups(batch: usize, parameters: usize) -> Vec<Range<usize>> {
    let most = (MAX_GROUP_NUMBERS / parameters).clamp(1, MAX_GROUPS);
    let groups = (batch / GROUP_ROWS).max(batch.min(2)).min(most);
    (0..groups).map(|n| n * batch / groups..(n + 1) * batch / groups).collect()
}

/// A group's sequences.
///
/// All raw accesses below rest on this: `d_pre` and `d_prev`, and the derivatives by inputs and initial
/// states, outlive the run, are as large as their shapes say, and nobody else touches rows of
/// `sequences`. Of these, each thread of a crew writes its own columns; it reads others only of a step
/// that is done.
struct Sequences<'a, E: Element, C> {
    cell: C,
    g: &'a Geometry,
    sequences: Range<usize>,
    emit: Emit,
    saved: &'a Saved<E>,
    hidden_panels: &'a Panels<E>,
    vectors: &'a [E],
    d_output: &'a [E],
    d_pre: Steps<E>,
    d_prev: Steps<E>,
}

/// What a step sends back to a part of the hidden state before it.
struct HiddenPart<'a, R> {
    run: &'a R,
    after: usize,
    part: usize,
    parts: usize,
}

impl<E: Element, C: Cell> Task<E> for HiddenPart<'_, Sequences<'_, E, C>> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, after, part, parts } = self;
        if C::SPEC.is_recurrent() && after < run.g.shape.steps {
            let product = HiddenProduct::new(run, after);
            // The weights read last are still in the cache: the next step begins with them.
            let panels = run.hidden_panels.part(part, parts, after % 2 == 1);
            let (rows, columns) = (run.sequences.len(), tile::side_by_side::<S>());
            let offsets = offsets(run.g, &run.g.hidden_blocks);
            tile::multiply::<S>(rows, &offsets, panels, &columns, &product);
        }
    }
}

/// Some steps of a part of the units, the last one first; one alone, where units need each other's
/// derivatives. At each, what the step after it sends back, and the cell's gradient.
struct StepPart<'a, R> {
    run: &'a R,
    times: Range<usize>,
    part: usize,
    parts: usize,
}

impl<E: Element, C: Cell> Task<E> for StepPart<'_, Sequences<'_, E, C>> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, times, part, parts } = self;
        let vectors = run.hidden_panels.part_vectors(part, parts);
        for t in times.rev() {
            HiddenPart { run, after: t + 1, part, parts }.run::<S>();
            run.apply::<S>(t, vectors.start * S::WIDTH..vectors.end * S::WIDTH);
        }
    }
}

/// The derivatives by a part of the inputs, for the steps of a block.
struct InputPart<'a, E, R> {
    run: &'a R,
    panels: &'a Panels<E>,
    d_x: Shared<E>,
    times: &'a Range<usize>,
    part: usize,
    parts: usize,
}

impl<E: Element, C: Cell> Task<E> for InputPart<'_, E, Sequences<'_, E, C>> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, panels, d_x, times, part, parts } = self;
        let zero = [E::default(); ZERO_LEN];
        let product = InputProduct { run, d_x, first: times.start, zero: &zero };
        let (g, rows) = (run.g, run.sequences.len() * times.len());
        let (offsets, columns) = (offsets(g, &g.input_blocks), tile::side_by_side::<S>());
        let panels = panels.part(part, parts, false);
        tile::multiply::<S>(rows, &offsets, panels, &columns, &product);
    }
}

/// Where blocks begin in a row of derivatives.
fn offsets(g: &Geometry, blocks: &[usize]) -> Vec<usize> {
    blocks.iter().map(|block| block * g.padded).collect()
}

impl<E: Element, C: Cell> Sequences<'_, E, C> {
    /// The cell's gradient at step `t`: from the derivatives by its states after the step to those by
    /// its pre-activations and by its states before it. `places` are whole registers of units.
    #[inline(always)]
    fn apply<S: Simd<Elem = E>>(&self, t: usize, places: Range<usize>) {
        let g = self.g;
        let Shape { steps, batch, hidden, .. } = g.shape;
        let (spec, padded) = (C::SPEC, g.padded);
        // SAFETY: the task's own rows, which outlive it.
        let (d_prev, d_pre) = unsafe { (self.d_prev.at(0), self.d_pre.at(t)) };
        for b in self.sequences.clone() {
            for place in places.clone().step_by(2 * S::WIDTH) {
                // The last of an odd number of registers is its own partner.
                let pair = [place, (place + S::WIDTH).min(places.end - S::WIDTH)];
                let mut at = At::<Pair<S>>::zero();
                let mut d_step = Step { output: at.prev[0], next: at.prev };
                // SAFETY: the task's own rows, with `padded` numbers for each block, state and
                // vector.
                unsafe {
                    let pre = &self.saved.pre[(t * batch + b) * g.pre_stride()..];
                    for block in 0..spec.blocks.len() {
                        at.pre[block] =
                            Pair::load(pair.map(|p| pre[block * padded + p..].as_ptr()));
                    }
                    let states = &self.saved.states[(t * batch + b) * g.state_stride()..];
                    let d_prev = pair.map(|p| d_prev.row(b).add(p));
                    for s in 0..spec.states.len() {
                        at.prev[s] = Pair::load(pair.map(|p| states[s * padded + p..].as_ptr()));
                        d_step.next[s] = Pair::load(d_prev.map(|d| d.add(s * padded).cast_const()));
                    }
                    for v in 0..spec.vectors.len() {
                        let vector = &self.vectors[v * padded..];
                        at.vectors[v] = Pair::load(pair.map(|p| vector[p..].as_ptr()));
                    }
                    if let Some(step) = self.emit.place(t, steps) {
                        let from = &self.d_output[(step * batch + b) * hidden..];
                        let counts = pair.map(|p| S::WIDTH.min(hidden - p));
                        d_step.output = Pair::load_first(pair.map(|p| from[p..].as_ptr()), counts);
                    }

                    let by = self.cell.grad(&at, &d_step);
                    let d_pre = pair.map(|p| d_pre.row(b).add(p));
                    for block in 0..spec.blocks.len() {
                        by.pre[block].store(d_pre.map(|d| d.add(block * padded)));
                    }
                    for v in 0..spec.vectors.len() {
                        let place = (spec.blocks.len() + v) * padded;
                        by.vectors[v].store(d_pre.map(|d| d.add(place)));
                    }
                    for s in 0..spec.states.len() {
                        by.prev[s].store(d_prev.map(|d| d.add(s * padded)));
                    }
                }
            }
        }
    }

    /// Hands over the derivatives by the initial states.
    fn write_states(&self, d_states: Shared<E>) {
        let Shape { batch, hidden, .. } = self.g.shape;
        for s in 0..C::SPEC.states.len() {
            for b in self.sequences.clone() {
                // SAFETY: the task's own rows, `d_states` being `[S, B, H]`.
                unsafe {
                    let from = self.d_prev.row(0, b).add(s * self.g.padded);
                    let to = d_states.at((s * batch + b) * hidden);
                    from.copy_to_nonoverlapping(to, hidden);
                }
            }
        }
    }
}

/// What the pre-activations of step `t` send to the hidden state before it, added to what came there
/// without a product.
struct HiddenProduct<'a, E: Element, C> {
    run: &'a Sequences<'a, E, C>,
    d_pre: Rows<E>,
    d_prev: Rows<E>,
}

impl<'a, E: Element, C: Cell> HiddenProduct<'a, E, C> {
    #[inline(always)]
    fn new(run: &'a Sequences<'a, E, C>, t: usize) -> Self {
        // SAFETY: the task's own rows, which outlive it.
        unsafe { Self { run, d_pre: run.d_pre.at(t), d_prev: run.d_prev.at(0) } }
    }
}

// SAFETY: a row of `d_pre` has `padded >= hidden` numbers for each block, and the panels `hidden` rows
// for each recurrent block. A row of `d_prev` has `padded` numbers for the hidden state.
unsafe impl<E: Element, C: Cell> Product<E> for HiddenProduct<'_, E, C> {
    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        // SAFETY: the task's own row.
        unsafe { self.d_pre.row(self.run.sequences.start + row) }
    }

    #[inline(always)]
    fn start(&self, row: usize, vector: usize) -> *const E {
        self.out(row, vector)
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        let b = self.run.sequences.start + row;
        // SAFETY: the task's own row.
        unsafe { self.d_prev.row(b).add(vector * self.run.g.width) }
    }

    #[inline(always)]
    fn finished(&self, _: usize, _: usize, _: usize) {}
}

/// The derivatives by the input, for all steps of a block.
struct InputProduct<'a, E, R> {
    run: &'a R,
    d_x: Shared<E>,
    first: usize,
    zero: &'a [E; ZERO_LEN],
}

/// Zeros for a panel's width of sums to begin with, on any instruction set.
const ZERO_LEN: usize = 16 * tile::PANEL_VECTORS;

impl<E: Element, C: Cell> InputProduct<'_, E, Sequences<'_, E, C>> {
    /// The step and sequence of a row.
    #[inline(always)]
    fn place(&self, row: usize) -> (usize, usize) {
        let rows = self.run.sequences.len();
        (self.first + row / rows, self.run.sequences.start + row % rows)
    }
}

// SAFETY: as for `HiddenProduct`, with `d_x` being `[T, B, I]`, and `zero` as wide as a panel.
unsafe impl<E: Element, C: Cell> Product<E> for InputProduct<'_, E, Sequences<'_, E, C>> {
    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        let (t, b) = self.place(row);
        // SAFETY: the task's own row.
        unsafe { self.run.d_pre.row(t, b) }
    }

    #[inline(always)]
    fn start(&self, _: usize, _: usize) -> *const E {
        self.zero.as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        let (t, b) = self.place(row);
        let Shape { batch, input, .. } = self.run.g.shape;
        // SAFETY: `d_x` is `[T, B, I]`, and the row is the task's own.
        unsafe { self.d_x.at((t * batch + b) * input + vector * self.run.g.width) }
    }

    #[inline(always)]
    fn finished(&self, _: usize, _: usize, _: usize) {}
}
