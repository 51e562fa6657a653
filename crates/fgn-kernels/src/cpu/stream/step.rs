//! One step: what threads do, and where they meet.

use std::ops::Range;

use fgn_core::{Cell, CellVisitor};

use super::cells::{Cells, Normalise, ProjectedUnits};
use super::format::{Format, prefetch};
use super::product::{Panels, Product};
use super::rounded::{Parts, TOGETHER};
use super::{LINE, Matrices, Packed, State, Weights};
use crate::cpu::buffer::Shared;
use crate::cpu::crew::Crew;
use crate::cpu::equations::Stage;

impl State {
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
        let isa = self.packed.isa;
        self.with(&|run, rows, units, stage| {
            isa.run(Cells { cell, run, rows, units, stage });
        });
    }
}

impl Step<'_> {
    /// Takes the step, with a cell's equations.
    fn with(self, equations: &Equations<'_>) {
        let Self { packed, state, output } = self;
        let State { batch, x, rounded, pre, apart, states, now, crew } = state;
        let [first, second] = states;
        let (prev, next) = if *now == 0 { (first, second) } else { (second, first) };
        let run = Run {
            packed,
            equations,
            batch: *batch,
            backwards: *now == 1,
            left: [x, &prev[..*batch * packed.g.padded]],
            rounded: rounded.parts(),
            prev,
            next: next.shared(),
            pre: pre.shared(),
            unprojected: apart.unprojected.shared(),
            projected: apart.projected.shared(),
            memory: apart.memory.shared(),
            output: Shared::of(output),
        };
        match &packed.weights {
            Weights::F32(matrices) => run.run(crew, matrices),
            Weights::Bf16(matrices) => run.run(crew, matrices),
            Weights::Int8(matrices) => run.run(crew, matrices),
        }
    }
}

/// A cell's equations for some rows and some units of each, whole registers but for the last: all that is
/// compiled for every cell.
type Equations<'a> = dyn Fn(&Run<'_>, Range<usize>, Range<usize>, Stage) + Sync + 'a;

/// What the threads of a step share.
///
/// All raw accesses of a step rest on this: the memory outlives it and is as large as its shape says.
/// Between two meetings, a thread writes only the units of its slabs, or all units of its rows, and reads
/// others only of what was done before.
pub(super) struct Run<'a> {
    pub(super) packed: &'a Packed,
    equations: &'a Equations<'a>,
    pub(super) batch: usize,
    /// Whether the last slab comes first.
    backwards: bool,
    /// The rows of the input and of the hidden state, each filled up with zeros.
    left: [&'a [f32]; 2],
    rounded: Parts,
    /// The states, `[S, B, padded]`.
    pub(super) prev: &'a [f32],
    pub(super) next: Shared<f32>,
    /// `[B, G, padded]`.
    pub(super) pre: Shared<f32>,
    /// The hidden state before its projection and the memory before its normalisation, `[B, padded]`, and
    /// the projected hidden state, in whole slabs.
    pub(super) unprojected: Shared<f32>,
    pub(super) projected: Shared<f32>,
    pub(super) memory: Shared<f32>,
    /// `[B, P]`, or `[B, H]`.
    pub(super) output: Shared<f32>,
}

impl Run<'_> {
    fn run<F: Format>(&self, crew: &mut Crew, matrices: &Matrices<F>) {
        let Self { packed, batch, .. } = *self;
        let (g, threads) = (&packed.g, crew.threads());
        let whole_rows = packed.plan.takes_whole_rows();
        crew.run(&|part| {
            // Another thread wrote some of it: all misses at once take as long as one.
            let lines = self.left.iter().flat_map(|rows| rows.chunks(LINE / size_of::<f32>()));
            lines.for_each(|line| prefetch(line.as_ptr()));
            let slabs = Slabs::new(packed.slabs(), part, threads, self.backwards);
            let depths = [g.shape.input, g.output];
            self.multiply(
                part,
                &slabs,
                &matrices.pre,
                (&packed.start, self.left, depths),
                self.pre,
            );
            if !whole_rows {
                let units = slabs.units(g.width, g.shape.hidden);
                (self.equations)(self, 0..batch, units, Stage::Whole);
            }
        });
        if !whole_rows {
            return;
        }
        crew.run(&|part| {
            let rows = part * batch / threads..(part + 1) * batch / threads;
            self.whole_rows(rows);
        });
        let Some(panels) = &matrices.projection else { return };
        crew.run(&|part| {
            let slabs = Slabs::new(g.output.div_ceil(g.width), part, threads, self.backwards);
            // SAFETY: `[B, padded]`, and nobody writes it now.
            let left = unsafe {
                std::slice::from_raw_parts(self.unprojected.at(0).cast_const(), batch * g.padded)
            };
            let rows = (&packed.zeros[..], [left, &[]], [g.shape.hidden, 0]);
            self.multiply(part, &slabs, panels, rows, self.projected);
            let units = slabs.units(g.width, g.output);
            packed.isa.run(ProjectedUnits { run: self, stride: panels.padded, units });
        });
    }

    /// The equations for whole rows, with the normalisations that need them.
    fn whole_rows(&self, rows: Range<usize>) {
        let g = &self.packed.g;
        let (hidden, blocks) = (g.shape.hidden, g.spec.blocks.len());
        let cells = |stage| (self.equations)(self, rows.clone(), 0..hidden, stage);
        let normalise = |rows: &Shared<f32>, row| {
            // SAFETY: a row of the thread's own.
            let row = unsafe { rows.at(row * g.padded) };
            self.packed.isa.run(Normalise { row, count: hidden });
        };
        if g.derivatives.norm.is_some() {
            for row in rows.start * blocks..rows.end * blocks {
                if g.spec.blocks[row % blocks].is_normalised() {
                    normalise(&self.pre, row);
                }
            }
        }
        if g.states.seen.is_none() {
            return cells(Stage::Whole);
        }
        cells(Stage::Memory);
        rows.clone().for_each(|row| normalise(&self.memory, row));
        cells(Stage::Seen);
    }

    /// The product of rows of the given depths with a thread's slabs.
    fn multiply<F: Format>(
        &self,
        part: usize,
        slabs: &Slabs,
        panels: &Panels<F>,
        (start, left, depths): (&[f32], [&[f32]; 2], [usize; 2]),
        out: Shared<f32>,
    ) {
        let (batch, isa) = (self.batch, self.packed.isa);
        // SAFETY: nobody else does this part, and its memory outlives the step.
        let own = unsafe { self.rounded.of(part) };
        let (left, left_scales) = F::left(isa, batch, left, depths, own);
        isa.run(Product { slabs, batch, panels, start, left, left_scales, out });
    }
}

/// A thread's range of slabs.
pub(super) struct Slabs {
    range: Range<usize>,
    /// Whether the last one comes first.
    backwards: bool,
}

impl Slabs {
    /// One of some nearly equal parts of so many slabs.
    fn new(count: usize, part: usize, parts: usize, backwards: bool) -> Self {
        Self { range: part * count / parts..(part + 1) * count / parts, backwards }
    }

    /// In their order.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let Range { start, end } = self.range;
        let backwards = self.backwards;
        (start..end).map(move |n| if backwards { start + end - 1 - n } else { n })
    }

    /// Their units, of so many in all.
    fn units(&self, width: usize, units: usize) -> Range<usize> {
        self.range.start * width..units.min(self.range.end * width)
    }
}
