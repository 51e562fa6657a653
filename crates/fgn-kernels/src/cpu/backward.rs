//! The backward pass of a whole sequence.
//!
//! The batch is dealt out to groups of sequences, and a thread runs a group from the last step to the
//! first without waiting for another. It takes time in blocks: first it runs the block's steps backwards
//! ([`step`](super::backward_step)); then it adds the block's part of the weights' gradients, as products
//! over its rows while these are in cache. Groups and blocks are cut by the sizes alone, and the groups'
//! sums are added in their order, so the result does not depend on the number of threads.
//!
//! Large layers with few sequences are one group, of which threads share the units of every step, as in
//! the forward pass.

use std::ops::Range;
use std::sync::Arc;

use fgn_core::oracle::Shape;
use rayon::prelude::*;

use super::backward_rows::Block;
use super::backward_step::{HiddenPart, ProjectedPart, RowsPart, StepPart, UnprojectPart};
use super::buffer::{Buffer, Shared};
use super::crew::Crew;
use super::equations::Equations;
use super::forward::Saved;
use super::geometry::{Geometry, Steps};
use super::isa::{Isa, Task};
use super::packed::{self, PackedBack};
use super::panels::Panels;
use super::plan::Plan;
use super::pool;
use super::simd::{Element, Simd};
use super::tile::{self, Product};
use super::weight_gradient::WeightGradient;
use super::{Arguments, PARALLEL_WORK, work};

/// About how many rows of derivatives a block has.
const BLOCK_ROWS: usize = 192;
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
    /// By the initial states, `[S, B, H]`, if asked for.
    pub(crate) states: Option<Vec<E>>,
}

/// Which derivatives are asked for, beside those by the parameters.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) x: bool,
    pub(crate) states: bool,
}

/// The loss's derivatives by what the forward pass gave.
pub(crate) struct Derivatives<'a, E> {
    /// By the emitted outputs.
    pub(crate) output: &'a [E],
    /// By the final states `[S, B, H]`, if it depends on them.
    pub(crate) states: Option<&'a [E]>,
}

/// The gradient of [`forward`](super::forward::forward).
pub(crate) fn backward<E: Element>(
    isa: Isa,
    equations: &dyn Equations<E>,
    arguments: &Arguments<'_, E>,
    saved: &Saved<E>,
    Derivatives { output: d_output, states: d_final }: Derivatives<'_, E>,
    wanted: Wanted,
) -> Gradients<E> {
    let &Arguments { shape, plan, .. } = arguments;
    let Shape { batch, hidden, .. } = shape;
    let g = &Geometry::new(equations.spec(), shape, plan, isa.width::<E>());
    let lay_out = |crew: &mut Crew| PackedBack::new(g, arguments.weights, wanted.x, crew);
    let zeros = &Buffer::zeroed(g.state_stride().max(shape.input.next_multiple_of(g.width)));

    let mut d = Gradients {
        x: wanted.x.then(|| vec![E::default(); arguments.x.len()]),
        weights: vec![E::default(); arguments.weights.len()],
        states: wanted.states.then(|| vec![E::default(); arguments.states.len()]),
    };
    let d_x = d.x.as_mut().map(|x| Shared::of(x));
    let count = groups(batch, arguments.weights.len());
    let work = work(g);
    // Where the groups do not come out even, threads without one help the others.
    let helped = work >= PARALLEL_WORK && !count.is_multiple_of(rayon::current_num_threads());
    let d_states = d.states.as_mut().map(|states| Shared::of(states));
    let from_zero = arguments.begins_at_zero();
    let group = |members: Vec<usize>, packed: &PackedBack<E>, crew: &mut Crew| {
        let rows = members.len();
        // The longest sequence is the first.
        let steps = plan.schedule.len(members[0]);
        let block_steps = BLOCK_ROWS.div_ceil(rows).min(steps);
        // One step more than a block: its last step reads the first of the block done before it.
        let mut d_pre = Buffer::recycled((block_steps + 1) * rows * g.d_pre_stride());
        let mut d_prev = Buffer::zeroed(rows * g.state_stride());
        for (s, of_state) in d_final.unwrap_or(&[]).chunks(batch * hidden).enumerate() {
            let size = if s == 0 { g.output } else { hidden };
            for (row, &b) in members.iter().enumerate() {
                d_prev[row * g.state_stride() + s * g.padded..][..size]
                    .copy_from_slice(&of_state[b * hidden..][..size]);
            }
        }
        let d_pre = Steps::new(d_pre.shared(), block_steps + 1, rows, g.d_pre_stride());
        let d_prev = Steps::new(d_prev.shared(), 1, rows, g.state_stride());
        let mut weights = WeightGradient::new(g);
        let run = &Run {
            equations,
            g,
            plan,
            members,
            saved,
            packed,
            zeros,
            d_output,
            d_pre,
            d_prev,
            plain: plan.is_plain(g.spec),
            squashes: plan.squashes(),
            from_zero,
        };
        let mut block = Block::new(run);
        let parts = crew.threads();
        let mut end = steps;
        while end > 0 {
            let times = end.saturating_sub(block_steps)..end;
            end = times.start;
            run.clear_ended(&times);
            block.find_rows(times.clone());
            let block = &block;
            for times in g.meetings(times.clone()).rev() {
                if !plan.takes_whole_rows() {
                    crew.run(&|part| {
                        isa.run(StepPart { block, times: times.clone(), part, parts });
                    });
                    continue;
                }
                let (rows, after) = (block.step(times.start), times.start + 1);
                crew.run(&|part| isa.run(HiddenPart { run, after, part, parts }));
                if let Some(panels) = &packed.projection {
                    crew.run(&|part| isa.run(ProjectedPart { rows, part, parts }));
                    crew.run(&|part| isa.run(UnprojectPart { rows, panels, part, parts }));
                }
                crew.run(&|part| isa.run(RowsPart { rows, part, parts }));
            }
            if let (Some(panels), Some(d_x)) = (&packed.input, d_x) {
                let times = &times;
                crew.run(&|part| isa.run(InputPart { run, panels, d_x, times, part, parts }));
            }
            // SAFETY: `d_pre` is alive, and nobody writes it now.
            unsafe { weights.add(isa, arguments, run, times, crew, helped) };
        }
        if let Some(d_states) = d_states {
            crew.run(&|part| isa.run(HiddenPart { run, after: 0, part, parts }));
            run.write_states(d_states);
        }
        weights
    };
    let groups = if g.shares_units::<E>() {
        vec![pool::with_crew(g.crew(), |crew| {
            group(plan.schedule.members(0, 1), &lay_out(crew), crew)
        })]
    } else {
        let members: Vec<_> = (0..count).map(|n| plan.schedule.members(n, count)).collect();
        let packed = packed::for_each_thread::<E, _>(g, None, lay_out);
        let alone = |packed: &Arc<_>, members| group(members, packed, &mut Crew::alone());
        if helped {
            let packed = packed();
            members.into_par_iter().map(|members| alone(&packed, members)).collect()
        } else {
            pool::map_with(members, work, packed, alone)
        }
    };
    WeightGradient::write(isa, &groups, g, &mut d.weights);
    d
}

/// How many groups a batch is, for so many parameters.
fn groups(batch: usize, parameters: usize) -> usize {
    let most = (MAX_GROUP_NUMBERS / parameters).clamp(1, MAX_GROUPS);
    (batch / GROUP_ROWS).max(batch.min(2)).min(most)
}

/// A group's sequences.
///
/// All raw accesses of the backward pass rest on this: `d_pre` and `d_prev`, and the derivatives by inputs
/// and initial states, outlive the run, are as large as their shapes say, and nobody else touches rows of
/// `members`. Of these, each thread of a crew writes its own columns, or all columns of its own rows; it
/// reads others only of what was done before the last meeting.
pub(super) struct Run<'a, E: Element> {
    pub(super) equations: &'a dyn Equations<E>,
    pub(super) g: &'a Geometry,
    pub(super) plan: &'a Plan,
    /// The sequences, the longest first. Their rows of derivatives lie in this order.
    pub(super) members: Vec<usize>,
    pub(super) saved: &'a Saved<E>,
    pub(super) packed: &'a PackedBack<E>,
    /// A row of zeros, as wide as one of states and as one of inputs.
    pub(super) zeros: &'a [E],
    pub(super) d_output: &'a [E],
    pub(super) d_pre: Steps<E>,
    pub(super) d_prev: Steps<E>,
    /// Whether the plan is plain.
    pub(super) plain: bool,
    /// Whether blocks were kept as they were squashed.
    pub(super) squashes: bool,
    /// Whether the hidden states before the first step are zero.
    pub(super) from_zero: bool,
}

impl<E: Element> Run<'_, E> {
    /// How many of the sequences have a step `k`: the first ones.
    #[inline(always)]
    pub(super) fn active(&self, k: usize) -> usize {
        self.plan.schedule.active(&self.members, k)
    }

    /// Sequences that end within a block leave no derivatives in its later steps.
    fn clear_ended(&self, times: &Range<usize>) {
        let all = self.active(times.start);
        for k in times.clone() {
            for row in self.active(k)..all {
                // SAFETY: the group's own row.
                unsafe { self.d_pre.row(k, row).write_bytes(0, self.d_pre.stride()) };
            }
        }
    }

    /// Hands over the derivatives by the initial states.
    fn write_states(&self, d_states: Shared<E>) {
        let Shape { batch, hidden, .. } = self.g.shape;
        for (row, &b) in self.members.iter().enumerate() {
            if self.plan.schedule.resets(0, b) {
                continue;
            }
            for s in 0..self.g.spec.states.len() {
                let size = if s == 0 { self.g.output } else { hidden };
                // SAFETY: the group's own rows, `d_states` being `[S, B, H]`.
                unsafe {
                    let from = self.d_prev.row(0, row).add(s * self.g.padded);
                    let to = d_states.at((s * batch + b) * hidden);
                    from.copy_to_nonoverlapping(to, size);
                    if s == 0 && self.plan.rules.drop_hidden() {
                        let fed = self.d_prev.row(0, row).add(self.g.states.fed * self.g.padded);
                        for unit in 0..size {
                            let mask = self.plan.rules.fed_unit(0, b, unit);
                            let fed = (*fed.add(unit)).to_f64() * mask;
                            *to.add(unit) += E::from_f64(fed);
                        }
                    }
                }
            }
        }
    }
}

/// The derivatives by a part of the inputs, for the steps of a block.
struct InputPart<'a, E: Element> {
    run: &'a Run<'a, E>,
    panels: &'a Panels<E>,
    d_x: Shared<E>,
    times: &'a Range<usize>,
    part: usize,
    parts: usize,
}

impl<E: Element> Task<E> for InputPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { run, panels, d_x, times, part, parts } = self;
        let active = run.active(times.start);
        let product = InputProduct { run, d_x, first: times.start, active };
        let rows = active * times.len();
        let (offsets, columns) = (run.g.offsets(&run.g.input_blocks), tile::side_by_side::<S>());
        let panels = panels.part(part, parts, false);
        tile::multiply::<S>(rows, &offsets, panels, &columns, &product);
    }
}

/// The product that an [`InputPart`] is.
struct InputProduct<'a, E: Element> {
    run: &'a Run<'a, E>,
    d_x: Shared<E>,
    first: usize,
    /// The sequences that run at the first step; some may have ended at a later one.
    active: usize,
}

// SAFETY: a row of `d_pre` has `padded >= hidden` numbers for each block, and the panels `hidden` rows
// for each block that the input feeds; `d_x` is `[T, B, I]`, and `zeros` as wide as one of its rows.
unsafe impl<E: Element> Product<E> for InputProduct<'_, E> {
    /// The step, and the place among the members.
    type Row = (usize, usize);

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        (self.first..).flat_map(|k| (0..self.active).map(move |row| (k, row)))
    }

    #[inline(always)]
    fn left(&self, (k, row): Self::Row) -> *const E {
        // SAFETY: the group's own row.
        unsafe { self.run.d_pre.row(k, row) }
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.run.zeros.as_ptr()
    }

    #[inline(always)]
    fn out(&self, (k, row): Self::Row) -> *mut E {
        let place = self.run.plan.schedule.place(k, self.run.members[row]);
        // SAFETY: `d_x` is `[T, B, I]`, and the row is the group's own.
        unsafe { self.d_x.at(place * self.run.g.shape.input) }
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * self.run.g.width
    }
}
