//! The forward pass of a whole sequence.
//!
//! The batch is dealt out to the threads, and a thread runs its sequences from the first step to the last
//! without waiting for another. It takes time in blocks: the input's part of the pre-activations of all
//! steps of a block is one product ahead; then follow the steps, one by one
//! ([`step`](super::forward_step)).
//!
//! Where a thread would read more weights than its cache holds, for a few sequences alone, the units
//! are cut instead: each thread has a part of the units, and of the weights, for all sequences, and the
//! threads meet after each step. Who is done before takes of the units that others have not begun.

use std::ops::Range;
use std::sync::Arc;

use fgn_core::oracle::Shape;

use super::buffer::{Buffer, Shared, vec_filled_by};
use super::crew::{Claims, Crew};
use super::equations::Equations;
use super::forward_step::{ProjectionPart, RowsPart, StepPart, StepRows};
use super::gates::{CountPart, Counts};
use super::geometry::{Geometry, Steps};
use super::isa::{Isa, Task};
use super::packed::{self, LaidOut, Packed};
use super::plan::Plan;
use super::pool;
use super::simd::{Element, Simd};
use super::tile::{self, Product};
use super::{Arguments, PARALLEL_WORK, work};

/// About how many rows one block's input product has: enough to use its weights often.
const BLOCK_ROWS: usize = 128;

/// What the backward pass needs of the forward pass.
pub(crate) struct Saved<E> {
    /// `[T, B, G, padded]`: the pre-activations, normalised if they are to be, or squashed
    /// ([`Plan::squashes`]).
    pub(super) pre: Buffer<E>,
    /// `[T + 1, B, columns, padded]`: the states before each step, and at last the final ones, with what
    /// stands behind them (`StateColumns`).
    pub(super) states: Buffer<E>,
    /// `[T, B, G + 1]`: what normalisation multiplied each block and the memory by, if there is any.
    pub(super) scales: Buffer<E>,
}

/// What a run gives.
pub(crate) struct Forward<E> {
    /// The emitted outputs, see [`Plan::output_shape`].
    pub(crate) output: Vec<E>,
    /// The final states, `[S, B, H]`.
    pub(crate) states: Vec<E>,
    pub(crate) saved: Option<Saved<E>>,
    /// What the gates did, if asked for.
    pub(crate) counts: Option<Counts>,
}

/// Runs `cell` over a sequence, with the weights as they are `laid_out` already; with `save`, keeps what the
/// backward pass needs.
pub(crate) fn forward<E: Element>(
    isa: Isa,
    equations: &dyn Equations<E>,
    arguments: &Arguments<'_, E>,
    laid_out: Option<&LaidOut<E>>,
    save: bool,
) -> Forward<E> {
    let &Arguments { shape, plan, .. } = arguments;
    let Shape { steps, batch, .. } = shape;
    let g = &Geometry::new(equations.spec(), shape, plan, isa.width::<E>());
    let from_zero = arguments.begins_at_zero();
    let zeros = &Buffer::zeroed(g.state_stride());
    let lay_out = |crew: &mut Crew| Packed::new(isa, g, arguments.weights, crew);
    // Before any thread is taken, for who waits here for another run's threads must not have its own.
    let given = laid_out.map(|all| all.of(g, || pool::with_crew(g.crew(), lay_out)));

    let mut last = vec![E::default(); arguments.states.len()];
    let last_states = Shared::of(&mut last);
    let mut saved = save.then(|| Saved {
        pre: Buffer::recycled(steps * batch * g.pre_stride()),
        states: Buffer::recycled((steps + 1) * batch * g.state_stride()),
        scales: Buffer::recycled(steps * batch * g.scales()),
    });
    let shared = saved
        .as_mut()
        .map(|saved| [&mut saved.pre, &mut saved.states, &mut saved.scales].map(Buffer::shared));
    let mut counts = plan.telemetry.then(|| Counts::new(g));
    let gates = counts.as_mut().map(Counts::shared);

    let run = |output: Shared<E>, members: Vec<usize>, packed: &Packed<E>, crew: &mut Crew| {
        let rows = members.len();
        let block_steps = BLOCK_ROWS.div_ceil(rows).min(steps);
        // Where nothing is saved, a thread needs two steps' states and one block's pre-activations: one step's,
        // where its product makes them all.
        let at_once = packed.fused == g.input_blocks.len() && !plan.telemetry;
        let own_steps = [if at_once { 1 } else { block_steps }, 2, block_steps];
        let own_rows = if save { 0 } else { rows };
        let strides = [g.pre_stride(), g.state_stride(), g.scales()];
        let mut own: [_; 3] =
            std::array::from_fn(|n| Buffer::recycled(own_rows * own_steps[n] * strides[n]));
        let (memory, held, all, slots) = match shared {
            Some(shared) => (shared, [steps, steps + 1, steps], batch, members.clone()),
            None => (own.each_mut().map(Buffer::shared), own_steps, rows, (0..rows).collect()),
        };
        let [pre, states, scales] =
            std::array::from_fn(|n| Steps::new(memory[n], held[n], all, strides[n]));
        let run = &Run {
            equations,
            g,
            plan,
            packed,
            zeros,
            arguments,
            pre,
            states,
            scales,
            members,
            slots,
            output,
            last_states,
            plain: plan.is_plain(g.spec),
            squashes: save && plan.squashes(),
            from_zero,
            saves: save,
        };
        let parts = crew.threads();
        let mut claims = Claims::new(parts);
        run.begin();
        let mut block = Block { run, first: 0, active: 0, rows: Vec::new() };
        for first in (0..steps).step_by(block_steps) {
            let times = first..steps.min(first + block_steps);
            if run.active(first) == 0 {
                break;
            }
            block.find_rows(times.clone());
            let block = &block;
            crew.run(&|part| isa.run(InputPart { block, part, parts }));
            for times in g.meetings(times.clone()) {
                claims.reset();
                let (times, claims) = (&times, &claims);
                crew.run(&|part| {
                    isa.run(StepPart { block, times: times.clone(), part, parts, claims });
                });
                if plan.takes_whole_rows() {
                    let rows = block.step(times.start);
                    crew.run(&|part| isa.run(RowsPart { rows, part, parts }));
                    if let Some(panels) = &packed.projection {
                        crew.run(&|part| isa.run(ProjectionPart { rows, panels, part, parts }));
                    }
                }
            }
            if let Some(counts) = gates {
                let times = &times;
                crew.run(&|part| isa.run(CountPart { block, counts, times, part, parts }));
            }
        }
        run.end();
    };
    let run_all = |output: Shared<E>| {
        if g.shares_units::<E>() {
            return pool::with_crew(g.crew(), |crew| {
                let packed = given.unwrap_or_else(|| Arc::new(lay_out(crew)));
                run(output, plan.schedule.members(0, 1), &packed, crew);
            });
        }
        let work = work(g);
        let threads = rayon::current_num_threads().min(work / PARALLEL_WORK + 1).min(shape.batch);
        let members = (0..threads).map(|n| plan.schedule.members(n, threads)).collect();
        let packed = packed::for_each_thread::<E, _>(g, given, lay_out);
        pool::map_with(members, work, packed, |packed, members| {
            run(output, members, packed, &mut Crew::alone());
        });
    };
    let len = plan.output_shape(equations.spec(), shape).iter().product();
    let output = if plan.leaves_gaps() {
        let mut output = vec![E::default(); len];
        run_all(Shared::of(&mut output));
        output
    } else {
        // SAFETY: each sequence's emitted outputs are written by the thread or the crew that runs it.
        unsafe { vec_filled_by(len, run_all) }
    };
    Forward { output, states: last, saved, counts }
}

/// The sequences that a thread, or a crew of them, runs.
///
/// All raw accesses of the forward pass rest on this: `pre`, `states`, `scales`, `output` and `last_states`
/// outlive the run, are as large as their shapes say, and nobody else touches rows of `members`. Of
/// these, each thread of a crew writes the columns of the units that it took or all columns of its own rows; it
/// reads others only of what was done before the last meeting.
pub(super) struct Run<'a, E: Element> {
    pub(super) equations: &'a dyn Equations<E>,
    pub(super) g: &'a Geometry,
    pub(super) plan: &'a Plan,
    pub(super) packed: &'a Packed<E>,
    /// A row of zeros, as wide as one of states.
    pub(super) zeros: &'a [E],
    arguments: &'a Arguments<'a, E>,
    /// The sequences, the longest first, and where the rows of each lie in `pre`, `states` and `scales`.
    members: Vec<usize>,
    slots: Vec<usize>,
    pre: Steps<E>,
    states: Steps<E>,
    scales: Steps<E>,
    /// The emitted outputs, and the final states `[S, B, H]`.
    output: Shared<E>,
    last_states: Shared<E>,
    /// Whether the plan is plain.
    pub(super) plain: bool,
    /// Whether blocks are kept as they were squashed.
    pub(super) squashes: bool,
    /// Whether the hidden states before the first step are zero.
    pub(super) from_zero: bool,
    /// Whether all steps are kept.
    pub(super) saves: bool,
}

impl<E: Element> Run<'_, E> {
    /// How many of the sequences have a step `k`: the first ones.
    #[inline(always)]
    pub(super) fn active(&self, k: usize) -> usize {
        self.plan.schedule.active(&self.members, k)
    }

    /// Takes over the initial states.
    fn begin(&self) {
        let Shape { batch, hidden, .. } = self.g.shape;
        let padded = self.g.padded;
        for (&b, &slot) in self.members.iter().zip(&self.slots) {
            for s in 0..self.g.spec.states.len() {
                let from = &self.arguments.states[(s * batch + b) * hidden..][..hidden];
                // SAFETY: a row holds each state's `padded >= hidden` numbers.
                unsafe {
                    let to = self.states.row(0, slot).add(s * padded);
                    from.as_ptr().copy_to_nonoverlapping(to, hidden);
                    to.add(hidden).write_bytes(0, padded - hidden);
                }
            }
            if self.plan.rules.drop_hidden() {
                for unit in 0..self.g.output {
                    let h = self.arguments.states[b * hidden + unit].to_f64();
                    let fed = h * self.plan.rules.fed_unit(0, b, unit);
                    // SAFETY: as above.
                    unsafe {
                        let to = self.states.row(0, slot).add(self.g.states.fed * padded + unit);
                        to.write(E::from_f64(fed));
                    }
                }
            }
        }
    }

    /// Hands over the final states.
    fn end(&self) {
        let Shape { batch, hidden, .. } = self.g.shape;
        for (&b, &slot) in self.members.iter().zip(&self.slots) {
            for s in 0..self.g.spec.states.len() {
                let size = if s == 0 { self.g.output } else { hidden };
                // SAFETY: as at the start; there is room for `[S, B, H]`.
                unsafe {
                    let from = self.states.row(self.plan.schedule.len(b), slot);
                    let to = self.last_states.at((s * batch + b) * hidden);
                    from.add(s * self.g.padded).copy_to_nonoverlapping(to, size);
                }
            }
        }
    }
}

/// Some steps in a row of all sequences of a run.
pub(super) struct Block<'a, E: Element> {
    run: &'a Run<'a, E>,
    first: usize,
    /// The sequences that run at the first step; some may have ended at a later one.
    active: usize,
    /// For each step, a row of each of these.
    rows: Vec<Row<E>>,
}

/// Where the numbers of one sequence lie at one step: found once, read for each tile.
#[derive(Clone, Copy)]
pub(super) struct Row<E> {
    /// The sequence.
    pub(super) b: usize,
    pub(super) x: *const E,
    /// Its pre-activations.
    pub(super) pre: *mut E,
    /// The states before the step, and after it.
    pub(super) prev: *const E,
    pub(super) next: *mut E,
    /// What normalisation multiplied by.
    pub(super) scales: *mut E,
    /// What it emits; null, if nothing.
    pub(super) emitted: *mut E,
}

// SAFETY: what is behind a run's addresses is shared as [`Run`] says.
unsafe impl<E: Element> Sync for Row<E> {}

impl<'a, E: Element> Block<'a, E> {
    /// Finds the rows of the steps `times`.
    fn find_rows(&mut self, times: Range<usize>) {
        let Run { g, plan, arguments, zeros, .. } = *self.run;
        let run = self.run;
        (self.first, self.active) = (times.start, run.active(times.start));
        self.rows.clear();
        let emitted_row = plan.emitted_row(g.spec, g.shape.hidden);
        for k in times {
            // SAFETY: each has a row for each sequence, at the step and after it.
            let (pre, scales) = unsafe { (run.pre.at(k), run.scales.at(k)) };
            // SAFETY: as above.
            let (prev, next) = unsafe { (run.states.at(k), run.states.at(k + 1)) };
            for (&b, &slot) in run.members.iter().zip(&run.slots).take(self.active) {
                let place = plan.schedule.place(k, b);
                let resets = plan.schedule.resets(k, b);
                // SAFETY: as above.
                self.rows.push(unsafe {
                    Row {
                        b,
                        x: arguments.x[place * g.shape.input..].as_ptr(),
                        pre: pre.row(slot),
                        prev: if resets { zeros.as_ptr() } else { prev.row(slot) },
                        next: next.row(slot),
                        scales: scales.row(slot),
                        emitted: match plan.emitted(k, b, emitted_row) {
                            Some(place) => run.output.at(place),
                            None => std::ptr::null_mut(),
                        },
                    }
                });
            }
        }
    }

    /// The rows of step `k`: of the sequences that still run.
    #[inline(always)]
    pub(super) fn step(&self, k: usize) -> StepRows<'_, E> {
        let first = (k - self.first) * self.active;
        StepRows { run: self.run, k, rows: &self.rows[first..][..self.run.active(k)] }
    }
}

/// The input's part of the pre-activations, for the steps of a block and a part of the weights.
struct InputPart<'a, E: Element> {
    block: &'a Block<'a, E>,
    part: usize,
    parts: usize,
}

impl<E: Element> Task<E> for InputPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block: Block { run, rows, .. }, part, parts } = self;
        let panels = run.packed.input.part(part, parts, false);
        let product = InputProduct { run, rows };
        tile::multiply::<S>(rows.len(), &[0], panels, &tile::side_by_side::<S>(), &product);
    }
}

/// The product that an [`InputPart`] is.
struct InputProduct<'a, E: Element> {
    run: &'a Run<'a, E>,
    rows: &'a [Row<E>],
}

// SAFETY: a row of the input is as long as the panels are deep. The start and the task's own rows of
// pre-activations have `padded` numbers for each block, and blocks fed by the input come first.
unsafe impl<'a, E: Element> Product<E> for InputProduct<'a, E> {
    type Row = &'a Row<E>;

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.rows.iter()
    }

    #[inline(always)]
    fn left(&self, row: Self::Row) -> *const E {
        row.x
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.run.packed.start.as_ptr()
    }

    #[inline(always)]
    fn out(&self, row: Self::Row) -> *mut E {
        row.pre
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        self.run.packed.fused * self.run.g.padded + vector * self.run.g.width
    }
}
