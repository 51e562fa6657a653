//! The forward pass of a whole sequence.
//!
//! The batch is dealt out to the threads, and a thread runs its sequences from the first step to the last
//! without waiting for another. It takes time in blocks: the input's part of the pre-activations of all
//! steps of a block is one product ahead; then follow the steps, one by one (`step.rs`).
//!
//! Where a thread would read more weights than its cache holds, for a few sequences alone, the units
//! are cut instead: each thread has a part of the units, and of the weights, for all sequences, and the
//! threads meet after each step. Who is done before takes of the units that others have not begun.

use std::ops::Range;
use std::sync::Arc;

use fgn_core::SequenceShape;

use crate::cpu::arguments::Arguments;
use crate::cpu::cell::context::CellContext;
use crate::cpu::cell::equations::Equations;
use crate::cpu::forward::block::ForwardBlock;
use crate::cpu::forward::input::ForwardInput;
use crate::cpu::forward::output::{Forward, Saved};
use crate::cpu::forward::projection::ForwardProjection;
use crate::cpu::forward::run::ForwardRun;
use crate::cpu::forward::step::ForwardSteps;
use crate::cpu::forward::telemetry::{CountGates, Counts, CountsShared};
use crate::cpu::forward::whole_rows::ForwardWholeRows;
use crate::cpu::gemm::packing::{PackCache, Packed, packed_for_each_thread};
use crate::cpu::memory::buffer::{Buffer, Shared, vec_filled_by};
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::memory::rows::Steps;
use crate::cpu::threads::claims::Claims;
use crate::cpu::threads::pool::{PARALLEL_WORK, map_parallel_with, with_team};
use crate::cpu::threads::team::Team;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// About how many rows the input's product of a block has: enough to use its weights often.
const BLOCK_ROWS: usize = 128;

/// Runs a cell over a sequence. The weights are packed once into `cache`, if there is one; with `save`, the result
/// holds what the backward pass needs.
pub(crate) fn forward<E: Element>(
    isa: Isa,
    equations: &dyn Equations<E>,
    arguments: &Arguments<'_, E>,
    cache: Option<&PackCache<E>>,
    save: bool,
) -> Forward<E> {
    let &Arguments { shape, plan, .. } = arguments;
    let SequenceShape { steps, batch, .. } = shape;
    let g = &Geometry::new(equations.spec(), shape, plan, isa.width::<E>());
    let zeros = &Buffer::zeroed(g.state_stride());
    let pack = |team: &mut Team| Packed::new(isa, g, arguments.weights, team);
    // Before any thread is taken: a caller that waits here for another run's threads must not hold threads itself.
    let packed = cache.map(|cache| cache.of(g, || with_team(g.team(), pack)));

    let mut last = vec![E::default(); arguments.states.len()];
    let mut saved = save.then(|| Saved {
        pre: Buffer::recycled(steps * batch * g.pre_stride()),
        states: Buffer::recycled((steps + 1) * batch * g.state_stride()),
        scales: Buffer::recycled(steps * batch * g.scales()),
    });
    let mut counts = plan.telemetry.then(|| Counts::new(g));
    let pass = ForwardPass {
        isa,
        equations,
        g,
        arguments,
        zeros,
        from_zero: arguments.begins_at_zero(),
        saved: saved.as_mut().map(|saved| {
            [&mut saved.pre, &mut saved.states, &mut saved.scales].map(Buffer::shared)
        }),
        gates: counts.as_mut().map(Counts::shared),
        last_states: Shared::of(&mut last),
    };

    let len = plan.output_shape(equations.spec(), shape).iter().product();
    let output = if plan.leaves_gaps() {
        let mut output = vec![E::default(); len];
        pass.run_all(Shared::of(&mut output), packed, pack);
        output
    } else {
        // SAFETY: each sequence's emitted outputs are written by the thread or the team that runs it.
        unsafe { vec_filled_by(len, |output| pass.run_all(output, packed, pack)) }
    };
    Forward { output, states: last, saved, counts }
}

/// What all threads of a pass share.
struct ForwardPass<'a, E: Element> {
    isa: Isa,
    equations: &'a dyn Equations<E>,
    g: &'a Geometry,
    arguments: &'a Arguments<'a, E>,
    /// A row of zeros, as wide as one of states.
    zeros: &'a [E],
    /// Whether the hidden states before the first step are zero.
    from_zero: bool,
    /// Pre-activations, states and scales of all steps, if a backward pass needs them.
    saved: Option<[Shared<E>; 3]>,
    gates: Option<CountsShared<'a>>,
    /// The final states, `[S, B, H]`.
    last_states: Shared<E>,
}

impl<E: Element> ForwardPass<'_, E> {
    /// Runs all sequences: a team that shares the units, or a range of sequences for each thread.
    fn run_all(
        &self,
        output: Shared<E>,
        packed: Option<Arc<Packed<E>>>,
        pack: impl Fn(&mut Team) -> Packed<E> + Send + Sync,
    ) {
        let (g, schedule) = (self.g, &self.arguments.plan.schedule);
        if g.shares_units::<E>() {
            return with_team(g.team(), |team| {
                let packed = packed.unwrap_or_else(|| Arc::new(pack(team)));
                self.run_members(output, schedule.members(0, 1), &packed, team);
            });
        }
        let work = g.work();
        let threads = rayon::current_num_threads().min(work / PARALLEL_WORK + 1).min(g.shape.batch);
        let members = (0..threads).map(|n| schedule.members(n, threads)).collect();
        let packed = packed_for_each_thread::<E, _>(g, packed, pack);
        map_parallel_with(members, work, packed, |packed, members| {
            self.run_members(output, members, packed, &mut Team::alone());
        });
    }

    /// Runs the sequences `members` from the first step to the last.
    fn run_members(
        &self,
        output: Shared<E>,
        members: Vec<usize>,
        packed: &Packed<E>,
        team: &mut Team,
    ) {
        let &Self { equations, g, arguments, zeros, from_zero, saved, last_states, .. } = self;
        let (plan, save) = (arguments.plan, saved.is_some());
        let SequenceShape { steps, batch, .. } = g.shape;
        let rows = members.len();
        let block_steps = BLOCK_ROWS.div_ceil(rows).min(steps);
        // If nothing is saved, a thread needs two steps' states and one block's pre-activations: one step's, if its
        // product computes all of them.
        let at_once = packed.fused == g.input_blocks.len() && !plan.telemetry;
        let own_steps = [if at_once { 1 } else { block_steps }, 2, block_steps];
        let own_rows = if save { 0 } else { rows };
        let strides = [g.pre_stride(), g.state_stride(), g.scales()];
        let mut own: [_; 3] =
            std::array::from_fn(|n| Buffer::recycled(own_rows * own_steps[n] * strides[n]));
        let (memory, held, all, slots) = match saved {
            Some(saved) => (saved, [steps, steps + 1, steps], batch, members.clone()),
            None => (own.each_mut().map(Buffer::shared), own_steps, rows, (0..rows).collect()),
        };
        let [pre, states, scales] =
            std::array::from_fn(|n| Steps::new(memory[n], held[n], all, strides[n]));
        let context = CellContext {
            g,
            plan,
            units: &packed.units,
            plain: plan.is_plain(g.spec),
            activates: save && plan.activates(),
        };
        let run = &ForwardRun {
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
            context,
            from_zero,
            saves: save,
        };
        let mut claims = Claims::new(team.threads());
        run.begin();
        let mut block = ForwardBlock::new(run);
        for first in (0..steps).step_by(block_steps) {
            let times = first..steps.min(first + block_steps);
            if run.active(first) == 0 {
                break;
            }
            block.find_rows(times.clone());
            self.run_block(&block, &times, &mut claims, team);
        }
        run.end();
    }

    /// Runs the steps `times`: the product of all their inputs, then one step after the other.
    fn run_block(
        &self,
        block: &ForwardBlock<'_, E>,
        times: &Range<usize>,
        claims: &mut Claims,
        team: &mut Team,
    ) {
        let (isa, parts) = (self.isa, team.threads());
        team.run(&|part| isa.run(ForwardInput { block, part, parts }));
        for times in self.g.meetings(times.clone()) {
            claims.reset();
            let (times, claims) = (&times, &*claims);
            team.run(&|part| {
                isa.run(ForwardSteps { block, times: times.clone(), part, parts, claims });
            });
            if self.arguments.plan.takes_whole_rows() {
                let rows = block.step(times.start);
                team.run(&|part| isa.run(ForwardWholeRows { rows, part, parts }));
                if let Some(panels) = &block.run.packed.projection {
                    team.run(&|part| isa.run(ForwardProjection { rows, panels, part, parts }));
                }
            }
        }
        if let Some(counts) = self.gates {
            team.run(&|part| isa.run(CountGates { block, counts, times, part, parts }));
        }
    }
}
