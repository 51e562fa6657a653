//! One step: what threads do, and where they meet.

use std::any::Any;
use std::ops::Range;

use fgn_core::{Cell, CellVisitor};

use crate::cpu::cell::context::Stage;
use crate::cpu::memory::buffer::{LINE, Shared};
use crate::cpu::stream::cells::{Normalise, ProjectedUnits, StreamCells};
use crate::cpu::stream::format::{Format, prefetch};
use crate::cpu::stream::parameters::{Matrices, StreamParameters, Weights};
use crate::cpu::stream::product::{StreamPanels, StreamProduct};
use crate::cpu::stream::rounded::{ROUNDED_TOGETHER, RoundedParts};
use crate::cpu::stream::rows::StreamRows;
use crate::cpu::stream::slabs::Slabs;
use crate::cpu::stream::state::StreamState;
use crate::cpu::threads::team::Team;
use crate::run::backend::Backend;

impl StreamState {
    /// One step of all sequences over `x: [B, I]`; gives the cell's `output: [B, H]`.
    pub(crate) fn step(&mut self, packed: &StreamParameters, x: &[f32], output: &mut [f32]) {
        let input = packed.g.shape.input;
        let padded = self.x.chunks_mut(input.next_multiple_of(ROUNDED_TOGETHER));
        for (to, from) in padded.zip(x.chunks(input)) {
            to[..input].copy_from_slice(from);
        }
        let step = Step { packed, state: self, output };
        match packed.cell.registered() {
            None => {
                packed.cell.visit(step);
            }
            // Weights are packed only for a cell that has kernels.
            Some(cell) => {
                if let Ok(StepFor(take)) = Backend::part(cell) {
                    take(step);
                }
            }
        }
        self.now = 1 - self.now;
    }
}

struct Step<'a> {
    packed: &'a StreamParameters,
    state: &'a mut StreamState,
    output: &'a mut [f32],
}

/// Takes steps of a registered cell.
pub(crate) struct StepFor(Box<dyn Fn(Step<'_>) + Send + Sync>);

impl StepFor {
    /// The part of a [`Backend`] for `cell`.
    pub(crate) fn part<C: Cell>(cell: C) -> Box<dyn Any + Send + Sync> {
        Box::new(Self(Box::new(move |step: Step<'_>| step.visit(cell))))
    }
}

impl CellVisitor for Step<'_> {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let isa = self.packed.isa;
        self.with(&|run, rows, units, stage| {
            isa.run(StreamCells { cell, run, rows, units, stage });
        });
    }
}

impl Step<'_> {
    /// Takes the step, with a cell's equations.
    fn with(self, equations: &StreamEquations<'_>) {
        let Self { packed, state, output } = self;
        let StreamState { batch, x, rounded, pre, apart, states, now, team } = state;
        let [first, second] = states;
        let (prev, next) = if *now == 0 { (first, second) } else { (second, first) };
        let rows = StreamRows {
            packed,
            batch: *batch,
            prev,
            next: next.shared(),
            pre: pre.shared(),
            unprojected: apart.unprojected.shared(),
            projected: apart.projected.shared(),
            memory: apart.memory.shared(),
            output: Shared::of(output),
        };
        let run = StreamStep {
            rows,
            equations,
            backwards: *now == 1,
            left: [x, &prev[..*batch * packed.g.padded]],
            rounded: rounded.parts(),
        };
        match &packed.weights {
            Weights::F32(matrices) => run.run(team, matrices),
            Weights::Bf16(matrices) => run.run(team, matrices),
            Weights::Int8(matrices) => run.run(team, matrices),
        }
    }
}

/// A cell's equations for some rows and some units of each, whole vectors but for the last: all that is
/// compiled for every cell.
type StreamEquations<'a> = dyn Fn(&StreamRows<'_>, Range<usize>, Range<usize>, Stage) + Sync + 'a;

/// A step under way: the rows, and what else its threads share.
struct StreamStep<'a> {
    rows: StreamRows<'a>,
    equations: &'a StreamEquations<'a>,
    /// Whether the last slab comes first.
    backwards: bool,
    /// The rows of the input and of the hidden state, each padded with zeros.
    left: [&'a [f32]; 2],
    rounded: RoundedParts,
}

impl StreamStep<'_> {
    fn run<F: Format>(&self, team: &mut Team, matrices: &Matrices<F>) {
        let StreamRows { packed, batch, .. } = self.rows;
        let (g, threads) = (&packed.g, team.threads());
        let whole_rows = packed.plan.takes_whole_rows();
        team.run(&|part| {
            // Another thread wrote some of it: all misses at once take as long as one.
            let lines = self.left.iter().flat_map(|rows| rows.chunks(LINE / size_of::<f32>()));
            lines.for_each(|line| prefetch(line.as_ptr()));
            let slabs = Slabs::new(packed.slabs(), part, threads, self.backwards);
            let depths = [g.shape.input, g.output];
            let rows = (&packed.start[..], self.left, depths);
            self.multiply(part, &slabs, &matrices.pre, rows, self.rows.pre);
            self.multiply(part, &slabs, &matrices.thresholds, rows, self.rows.pre);
            if !whole_rows {
                let units = slabs.units(g.width, g.shape.hidden);
                (self.equations)(&self.rows, 0..batch, units, Stage::Whole);
            }
        });
        if !whole_rows {
            return;
        }
        team.run(&|part| {
            let rows = part * batch / threads..(part + 1) * batch / threads;
            self.whole_rows(rows);
        });
        let Some(panels) = &matrices.projection else { return };
        team.run(&|part| {
            let slabs = Slabs::new(g.output.div_ceil(g.width), part, threads, self.backwards);
            // SAFETY: `[B, padded]`, and nobody writes it now.
            let left = unsafe {
                std::slice::from_raw_parts(
                    self.rows.unprojected.at(0).cast_const(),
                    batch * g.padded,
                )
            };
            let rows = (&packed.zeros[..], [left, &[]], [g.shape.hidden, 0]);
            self.multiply(part, &slabs, panels, rows, self.rows.projected);
            let units = slabs.units(g.width, g.output);
            packed.isa.run(ProjectedUnits { run: &self.rows, stride: panels.padded, units });
        });
    }

    /// The equations for whole rows, with the normalisations that need them.
    fn whole_rows(&self, rows: Range<usize>) {
        let g = &self.rows.packed.g;
        let (hidden, blocks) = (g.shape.hidden, g.spec.blocks.len());
        let cells = |stage| (self.equations)(&self.rows, rows.clone(), 0..hidden, stage);
        let normalise = |rows: &Shared<f32>, row| {
            // SAFETY: a row of the thread's own.
            let row = unsafe { rows.at(row * g.padded) };
            self.rows.packed.isa.run(Normalise { row, count: hidden });
        };
        if g.derivatives.norm.is_some() {
            for row in rows.start * blocks..rows.end * blocks {
                if g.spec.blocks[row % blocks].is_normalized() {
                    normalise(&self.rows.pre, row);
                }
            }
        }
        if g.states.normalized_memory.is_none() {
            return cells(Stage::Whole);
        }
        cells(Stage::Memory);
        rows.clone().for_each(|row| normalise(&self.rows.memory, row));
        cells(Stage::NormalizedMemory);
    }

    /// The product of rows of the given depths with a thread's slabs.
    fn multiply<F: Format>(
        &self,
        part: usize,
        slabs: &Slabs,
        panels: &StreamPanels<F>,
        (start, left, depths): (&[f32], [&[f32]; 2], [usize; 2]),
        out: Shared<f32>,
    ) {
        if panels.is_empty() {
            return;
        }
        let (batch, isa) = (self.rows.batch, self.rows.packed.isa);
        // SAFETY: nobody else does this part, and its memory outlives the step.
        let own = unsafe { self.rounded.of(part) };
        let (left, left_scales) = F::left(isa, batch, left, depths, own);
        isa.run(StreamProduct { slabs, batch, panels, start, left, left_scales, out });
    }
}
