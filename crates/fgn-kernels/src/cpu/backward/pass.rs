//! The backward pass of a whole sequence.
//!
//! The batch is dealt out to groups of sequences, and a thread runs a group from the last step to the
//! first without waiting for another. It takes time in blocks: first it runs the block's steps backwards
//! (`step.rs`); then it adds the block's part of the weights' gradients, as products
//! over its rows while these are in cache. Groups and blocks are cut by the sizes alone, and the groups'
//! sums are added in their order, so the result does not depend on the number of threads.
//!
//! Large layers with few sequences are one group, of which threads share the units of every step, as in
//! the forward pass.

use std::ops::Range;
use std::sync::Arc;

use fgn_core::SequenceShape;
use rayon::prelude::*;

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::block::BackwardBlock;
use crate::cpu::backward::gradients::{Derivatives, Gradients, Wanted};
use crate::cpu::backward::input::BackwardInput;
use crate::cpu::backward::projection::{BackwardProjected, BackwardUnproject};
use crate::cpu::backward::run::BackwardRun;
use crate::cpu::backward::step::{BackwardHidden, BackwardSteps};
use crate::cpu::backward::weight_gradient::WeightGradient;
use crate::cpu::backward::whole_rows::BackwardWholeRows;
use crate::cpu::cell::context::CellContext;
use crate::cpu::cell::equations::Equations;
use crate::cpu::forward::output::Saved;
use crate::cpu::gemm::packing::{PackedBack, packed_for_each_thread};
use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::memory::rows::Steps;
use crate::cpu::threads::pool::{PARALLEL_WORK, map_parallel_with, with_team};
use crate::cpu::threads::team::Team;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// About how many rows of gradients a block has.
const BLOCK_ROWS: usize = 192;
/// About how many sequences a group has: enough to use the weights often in each step.
const GROUP_ROWS: usize = 24;
/// The most groups, and the most numbers that their sums of the weights' gradients may take together.
const MAX_GROUPS: usize = 16;
const MAX_GROUP_NUMBERS: usize = 16 << 20;

/// The gradient of the forward pass that returned `saved`, given the gradients `by` with respect to its results.
pub(crate) fn backward<E: Element>(
    isa: Isa,
    equations: &dyn Equations<E>,
    arguments: &Arguments<'_, E>,
    saved: &Saved<E>,
    by: Derivatives<'_, E>,
    wanted: Wanted,
) -> Gradients<E> {
    let &Arguments { shape, plan, .. } = arguments;
    let g = &Geometry::new(equations.spec(), shape, plan, isa.width::<E>());
    let pack = |team: &mut Team| PackedBack::new(g, arguments.weights, wanted.x, team);
    let zeros = &Buffer::zeroed(g.state_stride().max(shape.input.next_multiple_of(g.width)));

    let mut d = Gradients {
        x: wanted.x.then(|| vec![E::default(); arguments.x.len()]),
        weights: vec![E::default(); arguments.weights.len()],
        states: wanted.states.then(|| vec![E::default(); arguments.states.len()]),
    };
    let count = groups(shape.batch, arguments.weights.len());
    let work = g.work();
    // If the groups do not come out even, threads without one help the others.
    let helped = work >= PARALLEL_WORK && !count.is_multiple_of(rayon::current_num_threads());
    let pass = BackwardPass {
        isa,
        equations,
        g,
        arguments,
        saved,
        by,
        zeros,
        from_zero: arguments.begins_at_zero(),
        helped,
        d_x: d.x.as_mut().map(|x| Shared::of(x)),
        d_states: d.states.as_mut().map(|states| Shared::of(states)),
    };
    let groups = if g.shares_units::<E>() {
        vec![with_team(g.team(), |team| {
            pass.run_group(plan.schedule.members(0, 1), &pack(team), team)
        })]
    } else {
        let members: Vec<_> = (0..count).map(|n| plan.schedule.members(n, count)).collect();
        let packed = packed_for_each_thread::<E, _>(g, None, pack);
        let alone = |packed: &Arc<_>, members| pass.run_group(members, packed, &mut Team::alone());
        if helped {
            let packed = packed();
            members.into_par_iter().map(|members| alone(&packed, members)).collect()
        } else {
            map_parallel_with(members, work, packed, alone)
        }
    };
    WeightGradient::write(isa, &groups, g, &mut d.weights);
    d
}

/// What all groups of a pass share.
struct BackwardPass<'a, E: Element> {
    isa: Isa,
    equations: &'a dyn Equations<E>,
    g: &'a Geometry,
    arguments: &'a Arguments<'a, E>,
    saved: &'a Saved<E>,
    by: Derivatives<'a, E>,
    /// A row of zeros, as wide as one of states and as one of inputs.
    zeros: &'a [E],
    /// Whether the hidden states before the first step are zero.
    from_zero: bool,
    /// Whether threads without a group help the others.
    helped: bool,
    /// The gradients with respect to `x` and to the initial states, if wanted.
    d_x: Option<Shared<E>>,
    d_states: Option<Shared<E>>,
}

impl<E: Element> BackwardPass<'_, E> {
    /// Runs the sequences `members` from the last step to the first. Returns their part of the weights' gradients.
    fn run_group(
        &self,
        members: Vec<usize>,
        packed: &PackedBack<E>,
        team: &mut Team,
    ) -> WeightGradient<E> {
        let &Self { isa, equations, g, arguments, saved, zeros, from_zero, .. } = self;
        let plan = arguments.plan;
        let rows = members.len();
        // The longest sequence is the first.
        let steps = plan.schedule.len(members[0]);
        let block_steps = BLOCK_ROWS.div_ceil(rows).min(steps);
        // One step more than a block: its last step reads the first of the block done before it.
        let mut d_pre = Buffer::recycled((block_steps + 1) * rows * g.d_pre_stride());
        let mut d_prev = self.final_gradients(&members);
        let d_pre = Steps::new(d_pre.shared(), block_steps + 1, rows, g.d_pre_stride());
        let d_prev = Steps::new(d_prev.shared(), 1, rows, g.state_stride());
        let mut weights = WeightGradient::new(g);
        let context = CellContext {
            g,
            plan,
            units: &packed.units,
            plain: plan.is_plain(g.spec),
            activates: plan.activates(),
        };
        let run = &BackwardRun {
            equations,
            g,
            plan,
            members,
            saved,
            packed,
            zeros,
            d_output: self.by.output,
            d_pre,
            d_prev,
            context,
            from_zero,
        };
        let mut block = BackwardBlock::new(run);
        let mut end = steps;
        while end > 0 {
            let times = end.saturating_sub(block_steps)..end;
            end = times.start;
            run.clear_ended(&times);
            block.find_rows(times.clone());
            self.run_block(&block, &times, team);
            // SAFETY: `d_pre` is alive, and nobody writes it now.
            unsafe { weights.add(isa, arguments, run, times, team, self.helped) };
        }
        if let Some(d_states) = self.d_states {
            let parts = team.threads();
            team.run(&|part| isa.run(BackwardHidden { run, after: 0, part, parts }));
            run.write_states(d_states);
        }
        weights
    }

    /// The gradients with respect to the final states of `members`, as rows of states.
    fn final_gradients(&self, members: &[usize]) -> Buffer<E> {
        let g = self.g;
        let SequenceShape { batch, hidden, .. } = g.shape;
        let mut rows = Buffer::zeroed(members.len() * g.state_stride());
        for (s, of_state) in self.by.states.unwrap_or(&[]).chunks(batch * hidden).enumerate() {
            let size = if s == 0 { g.output } else { hidden };
            for (row, &b) in members.iter().enumerate() {
                rows[row * g.state_stride() + s * g.padded..][..size]
                    .copy_from_slice(&of_state[b * hidden..][..size]);
            }
        }
        rows
    }

    /// Runs the steps `times` backwards, one after the other, then the product for all their inputs.
    fn run_block(&self, block: &BackwardBlock<'_, E>, times: &Range<usize>, team: &mut Team) {
        let (isa, run, parts) = (self.isa, block.run, team.threads());
        let packed = run.packed;
        for times in self.g.meetings(times.clone()).rev() {
            if !run.plan.takes_whole_rows() {
                team.run(&|part| {
                    isa.run(BackwardSteps { block, times: times.clone(), part, parts });
                });
                continue;
            }
            let (rows, after) = (block.step(times.start), times.start + 1);
            team.run(&|part| isa.run(BackwardHidden { run, after, part, parts }));
            if let Some(panels) = &packed.projection {
                team.run(&|part| isa.run(BackwardProjected { rows, part, parts }));
                team.run(&|part| isa.run(BackwardUnproject { rows, panels, part, parts }));
            }
            team.run(&|part| isa.run(BackwardWholeRows { rows, part, parts }));
        }
        if let (Some(panels), Some(d_x)) = (&packed.input, self.d_x) {
            team.run(&|part| isa.run(BackwardInput { run, panels, d_x, times, part, parts }));
        }
    }
}

/// How many groups a batch is, for so many parameters.
fn groups(batch: usize, parameters: usize) -> usize {
    let most = (MAX_GROUP_NUMBERS / parameters).clamp(1, MAX_GROUPS);
    (batch / GROUP_ROWS).max(batch.min(2)).min(most)
}
