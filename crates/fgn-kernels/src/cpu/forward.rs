//! The forward pass of a whole sequence.
//!
//! The batch is cut into one range of sequences a thread, and a thread runs its sequences from the
//! first step to the last without waiting for another. It takes time in blocks: the input's part of
//! the pre-activations of all steps of a block is one product ahead; then, step by step, a tile of
//! sequences and units adds the recurrent product, and the cell's equations are applied to it while it
//! is in the nearest cache.
//!
//! Where a thread would read more weights than its cache holds, for a few sequences alone, the units
//! are cut instead: each thread has a part of the units, and of the weights, for all sequences, and the
//! threads meet after each step.

use std::marker::PhantomData;
use std::ops::Range;

use fgn_core::oracle::Shape;
use fgn_core::{At, Cell};
use rayon::prelude::*;

use super::buffer::{Buffer, Shared, vec_filled_by};
use super::crew::Crew;
use super::geometry::{Geometry, Packed, Rows, Steps};
use super::isa::{Isa, Task};
use super::pair::Pair;
use super::simd::{Element, Simd};
use super::tile::{self, Product};
use super::{Arguments, sequences_per_thread};
use crate::Emit;

/// About how many rows one block's input product has: enough to use its weights often.
const BLOCK_ROWS: usize = 256;

/// What the backward pass needs of the forward pass.
pub(crate) struct Saved<E> {
    /// `[T, B, G, padded]`: the pre-activations.
    pub(super) pre: Buffer<E>,
    /// `[T + 1, B, S, padded]`: the states before each step, and at last the final ones.
    pub(super) states: Buffer<E>,
}

/// What a run gives.
pub(crate) struct Forward<E> {
    /// The emitted outputs, `[T, B, H]` or `[B, H]`.
    pub(crate) output: Vec<E>,
    /// The final states, `[S, B, H]`.
    pub(crate) states: Vec<E>,
    pub(crate) saved: Option<Saved<E>>,
}

/// Runs `cell` over a sequence; with `save`, keeps what the backward pass needs.
pub(crate) fn forward<E: Element, C: Cell>(
    isa: Isa,
    cell: C,
    arguments: &Arguments<'_, E>,
    emit: Emit,
    save: bool,
) -> Forward<E> {
    let shape = arguments.shape;
    let Shape { steps, batch, hidden, .. } = shape;
    let g = &Geometry::new(&C::SPEC, shape, isa.width::<E>());
    let packed = &Packed::new(g, arguments.weights);

    let mut last = vec![E::default(); arguments.states.len()];
    let last_states = Shared::of(&mut last);
    let mut saved = save.then(|| Saved {
        pre: Buffer::recycled(steps * batch * g.pre_stride()),
        states: Buffer::recycled((steps + 1) * batch * g.state_stride()),
    });
    let shared = saved.as_mut().map(|saved| (saved.pre.shared(), saved.states.shared()));

    let run = |output: Shared<E>, sequences: Range<usize>, crew: &mut Crew| {
        let block = BLOCK_ROWS.div_ceil(sequences.len()).min(steps);
        // Where nothing is saved, a thread needs one block of pre-activations and two steps' states.
        let own_rows = if save { 0 } else { sequences.len() };
        let mut own_pre = Buffer::recycled(block * own_rows * g.pre_stride());
        let mut own_states = Buffer::recycled(2 * own_rows * g.state_stride());
        let (pre, states) = match shared {
            Some((pre, states)) => (
                Steps::new(pre, steps, 0..batch, g.pre_stride()),
                Steps::new(states, steps + 1, 0..batch, g.state_stride()),
            ),
            None => (
                Steps::new(own_pre.shared(), block, sequences.clone(), g.pre_stride()),
                Steps::new(own_states.shared(), 2, sequences.clone(), g.state_stride()),
            ),
        };
        let run = &Sequences {
            cell,
            g,
            packed,
            arguments,
            sequences,
            pre,
            states,
            output,
            last_states,
            emit,
        };
        let parts = crew.threads();
        run.begin();
        for first in (0..steps).step_by(block) {
            let times = first..steps.min(first + block);
            crew.run(&|part| isa.run(InputPart { run, times: times.clone(), part, parts }));
            for times in g.meetings(times) {
                crew.run(&|part| isa.run(StepPart { run, times: times.clone(), part, parts }));
            }
        }
        run.end();
    };
    // SAFETY: each sequence's emitted outputs are written by the thread or the crew that runs it.
    let output = unsafe {
        vec_filled_by(emit.steps(steps) * batch * hidden, |output| {
            if g.shares_units::<E>() {
                run(output, 0..batch, &mut g.crew());
            } else {
                sequences_per_thread(shape, g)
                    .into_par_iter()
                    .for_each(|sequences| run(output, sequences, &mut Crew::alone()));
            }
        })
    };
    Forward { output, states: last, saved }
}

/// The sequences that a thread, or a crew of them, runs.
///
/// All raw accesses below rest on this: `pre`, `states`, `output` and `last_states` outlive the run, are as large as
/// their shapes say, and nobody else touches rows of `sequences`. Of these, each thread of a crew writes
/// the columns of its own units; it reads others only of steps before.
struct Sequences<'a, E: Element, C> {
    cell: C,
    g: &'a Geometry,
    packed: &'a Packed<E>,
    arguments: &'a Arguments<'a, E>,
    sequences: Range<usize>,
    pre: Steps<E>,
    states: Steps<E>,
    /// The emitted outputs, and the final states `[S, B, H]`.
    output: Shared<E>,
    last_states: Shared<E>,
    emit: Emit,
}

impl<E: Element, C: Cell> Sequences<'_, E, C> {
    /// Takes over the initial states.
    fn begin(&self) {
        let Shape { batch, hidden, .. } = self.g.shape;
        let padded = self.g.padded;
        for b in self.sequences.clone() {
            for s in 0..C::SPEC.states.len() {
                let from = &self.arguments.states[(s * batch + b) * hidden..][..hidden];
                // SAFETY: a row holds each state's `padded >= hidden` numbers.
                unsafe {
                    let to = self.states.row(0, b).add(s * padded);
                    from.as_ptr().copy_to_nonoverlapping(to, hidden);
                    to.add(hidden).write_bytes(0, padded - hidden);
                }
            }
        }
    }

    /// Hands over the final states.
    fn end(&self) {
        let Shape { steps, batch, hidden, .. } = self.g.shape;
        for b in self.sequences.clone() {
            for s in 0..C::SPEC.states.len() {
                // SAFETY: as at the start; there is room for `[S, B, H]`.
                unsafe {
                    let from = self.states.row(steps, b).add(s * self.g.padded);
                    let to = self.last_states.at((s * batch + b) * hidden);
                    from.copy_to_nonoverlapping(to, hidden);
                }
            }
        }
    }
}

/// The input's part of the pre-activations, for the steps of a block and a part of the weights.
struct InputPart<'a, R> {
    run: &'a R,
    times: Range<usize>,
    part: usize,
    parts: usize,
}

impl<E: Element, C: Cell> Task<E> for InputPart<'_, Sequences<'_, E, C>> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, times, part, parts } = self;
        let rows = times.len() * run.sequences.len();
        let panels = run.packed.input.part(part, parts, false);
        let product = InputProduct { run, first: times.start };
        tile::multiply::<S>(rows, &[0], panels, &tile::side_by_side::<S>(), &product);
    }
}

/// Some steps of a part of the units; one alone, where units need each other's states.
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
        let vectors = run.g.vectors();
        let units = part * vectors / parts..(part + 1) * vectors / parts;
        let rows = run.sequences.len();
        for t in times {
            // SAFETY: the task's own rows, which outlive it.
            let step = unsafe {
                StepProduct::<S, _> {
                    run,
                    t,
                    pre: run.pre.at(t),
                    prev: run.states.at(t),
                    next: run.states.at(t + 1),
                    of: PhantomData,
                }
            };
            step.start_hidden_blocks(&units);
            if C::SPEC.is_recurrent() {
                let columns: Vec<_> =
                    run.g.hidden_blocks.iter().map(|block| block * run.g.padded).collect();
                // The weights read last are still in the cache: the next step begins with them.
                let panels = run.packed.hidden.part(part, parts, t % 2 == 1);
                tile::multiply::<S>(rows, &[0], panels, &columns, &step);
            } else {
                // Not in a closure, which might be compiled for another instruction set.
                for unit in units.clone() {
                    step.apply(0, rows, unit);
                }
            }
        }
    }
}

/// The product that an [`InputPart`] is.
struct InputProduct<'a, R> {
    run: &'a R,
    first: usize,
}

impl<E: Element, C: Cell> InputProduct<'_, Sequences<'_, E, C>> {
    /// The step and sequence of a row.
    #[inline(always)]
    fn place(&self, row: usize) -> (usize, usize) {
        let rows = self.run.sequences.len();
        (self.first + row / rows, self.run.sequences.start + row % rows)
    }
}

// SAFETY: a row of the input is as long as the panels are deep. The bias and the task's own rows of
// pre-activations have `padded` numbers for each block, and blocks fed by the input come first.
unsafe impl<E: Element, C: Cell> Product<E> for InputProduct<'_, Sequences<'_, E, C>> {
    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        let (t, b) = self.place(row);
        let Shape { batch, input, .. } = self.run.g.shape;
        self.run.arguments.x[(t * batch + b) * input..].as_ptr()
    }

    #[inline(always)]
    fn start(&self, _: usize, vector: usize) -> *const E {
        self.run.packed.bias[vector * self.run.g.width..].as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        let (t, b) = self.place(row);
        // SAFETY: the row is the task's own.
        unsafe { self.run.pre.row(t, b).add(vector * self.run.g.width) }
    }

    #[inline(always)]
    fn finished(&self, _: usize, _: usize, _: usize) {}
}

/// One step: the recurrent product, added to the pre-activations, and the cell's equations.
struct StepProduct<'a, S: Simd, R> {
    run: &'a R,
    t: usize,
    pre: Rows<S::Elem>,
    /// The states before the step, and after it.
    prev: Rows<S::Elem>,
    next: Rows<S::Elem>,
    of: PhantomData<S>,
}

impl<S: Simd<Elem = E>, E: Element, C: Cell> StepProduct<'_, S, Sequences<'_, E, C>> {
    /// Blocks that the input does not feed begin with their bias.
    #[inline(always)]
    fn start_hidden_blocks(&self, units: &Range<usize>) {
        let g = self.run.g;
        for (block, of) in C::SPEC.blocks.iter().enumerate() {
            if of.reads_input() {
                continue;
            }
            let place = block * g.padded + units.start * S::WIDTH;
            let bias = &self.run.packed.bias[place..][..units.len() * S::WIDTH];
            for b in self.run.sequences.clone() {
                // SAFETY: the row is the task's own, with `padded` numbers for each block.
                unsafe {
                    let to = self.pre.row(b).add(place);
                    bias.as_ptr().copy_to_nonoverlapping(to, bias.len());
                }
            }
        }
    }

    /// The cell's equations for one register of units of some rows.
    #[inline(always)]
    fn apply(&self, first: usize, count: usize, unit: usize) {
        let Self { run, t, .. } = *self;
        let g = run.g;
        let Shape { steps, batch, hidden, .. } = g.shape;
        let place = unit * S::WIDTH;
        let mut at = At::<Pair<S>>::zero();
        let end = first + count;
        // SAFETY: the task's own rows, each with `padded` numbers for every block and state.
        unsafe {
            for (v, vector) in at.vectors.iter_mut().take(C::SPEC.vectors.len()).enumerate() {
                *vector =
                    Pair::both(S::load(run.packed.vectors.as_ptr().add(v * g.padded + place)));
            }
            for row in (first..end).step_by(2) {
                // The last of an odd number of rows is its own partner.
                let pair = [row, (row + 1).min(end - 1)].map(|row| run.sequences.start + row);
                let pre = pair.map(|b| self.pre.row(b).add(place));
                let prev = pair.map(|b| self.prev.row(b).add(place));
                let next = pair.map(|b| self.next.row(b).add(place));
                for block in 0..C::SPEC.blocks.len() {
                    at.pre[block] =
                        Pair::load(pre.map(|row| row.add(block * g.padded).cast_const()));
                }
                for s in 0..C::SPEC.states.len() {
                    at.prev[s] = Pair::load(prev.map(|row| row.add(s * g.padded).cast_const()));
                }
                let step = run.cell.step(&at);
                for s in 0..C::SPEC.states.len() {
                    step.next[s].store(next.map(|row| row.add(s * g.padded)));
                }
                if let Some(emitted) = run.emit.place(t, steps) {
                    let to = pair.map(|b| run.output.at((emitted * batch + b) * hidden + place));
                    step.output.store_first(to, S::WIDTH.min(hidden - place));
                }
            }
        }
    }
}

// SAFETY: a row of the hidden state has `padded >= hidden` numbers, and the panels are `hidden` deep.
// The pre-activations are the task's own, with `padded` numbers for each block.
unsafe impl<S, E, C> Product<E> for StepProduct<'_, S, Sequences<'_, E, C>>
where
    S: Simd<Elem = E>,
    E: Element,
    C: Cell,
{
    #[inline(always)]
    fn left(&self, row: usize) -> *const E {
        // SAFETY: the row is the task's own.
        unsafe { self.prev.row(self.run.sequences.start + row) }
    }

    #[inline(always)]
    fn start(&self, row: usize, vector: usize) -> *const E {
        self.out(row, vector)
    }

    #[inline(always)]
    fn out(&self, row: usize, vector: usize) -> *mut E {
        let unit = vector / self.run.g.hidden_blocks.len();
        // SAFETY: the row is the task's own.
        unsafe { self.pre.row(self.run.sequences.start + row).add(unit * S::WIDTH) }
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, vector: usize) {
        self.apply(first, count, vector / self.run.g.hidden_blocks.len());
    }
}
