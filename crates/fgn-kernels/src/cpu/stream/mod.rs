//! One time step of a few sequences, from weights packed once.
//!
//! A step of one sequence reads every weight once and uses it once: it takes as long as reading them
//! does. So they lie in the order in which they are read: for each slab of units ([`VECTORS`] registers
//! of them), for each block, its panel for the input and then its panel for the hidden state. A thread
//! has a range of slabs; it computes their pre-activations, applies the cell's equations, and meets the
//! others only at the end of the step. Steps take the slabs forwards and backwards in turn: what was
//! read last is still in the cache, and is read first.

mod crew;
mod format;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

use fgn_core::oracle::Shape;
use fgn_core::{AnyCell, At, Cell, CellVisitor};

use super::buffer::{Buffer, Shared};
use super::geometry::{self, Geometry};
use super::isa::{Isa, Task};
use super::simd::Simd;
use crate::Precision;
use crew::Crew;
use format::{Bf16, F32, Format, Int8, ROWS, VECTORS};

/// The bytes of a cache line.
const LINE: usize = 64;
/// How many bytes ahead of their use weights are asked for: a few hundred nanoseconds.
const AHEAD: usize = 4096;

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

/// The panels of all slabs, one after the other.
struct Panels<F: Format> {
    data: Buffer<F::Stored>,
    /// The scales of the input's and of the hidden state's weights, `[2, G, padded]`; empty if the
    /// format has none.
    scales: Buffer<f32>,
    /// For each block the depth of its panel for the input and of the one for the hidden state,
    /// rounded up to [`ROWS`]; zero where it has none.
    depths: Vec<[usize; 2]>,
    /// From one slab to the next.
    slab: usize,
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
        let g = Geometry::new(cell.spec(), shape, VECTORS * isa.width::<f32>());
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

impl<F: Format> Panels<F> {
    fn new(g: &Geometry, parameters: &[f32]) -> Self {
        let Shape { input, hidden, .. } = g.shape;
        let blocks = g.spec.blocks.len();
        let parts =
            [("weight_ih", input, &g.input_blocks), ("weight_hh", hidden, &g.hidden_blocks)];
        let mut depths = vec![[0; 2]; blocks];
        for (part, (_, depth, of)) in parts.into_iter().enumerate() {
            of.iter().for_each(|&block| depths[block][part] = depth.next_multiple_of(ROWS));
        }
        let slab = depths.as_flattened().iter().sum::<usize>() * g.width;
        let mut data = Buffer::zeroed(slab * g.vectors());
        let mut scales = Buffer::zeroed(if F::SCALED { 2 * blocks * g.padded } else { 0 });
        for unit in 0..hidden {
            let mut panel = unit / g.width * slab;
            for (block, depths) in depths.iter().enumerate() {
                for (part, (name, depth, of)) in parts.into_iter().enumerate() {
                    let Some(place) = of.iter().position(|&b| b == block) else {
                        continue;
                    };
                    let row =
                        &g.tensor(name, parameters)[(place * hidden + unit) * depth..][..depth];
                    let scale = F::scale(row);
                    if F::SCALED {
                        scales[(part * blocks + block) * g.padded + unit] = scale;
                    }
                    for (k, &weight) in row.iter().enumerate() {
                        let place = F::place(k, unit % g.width, g.width);
                        data[panel + place] = F::store(weight, scale);
                    }
                    panel += depths[part] * g.width;
                }
            }
        }
        Self { data, scales, depths, slab }
    }
}

/// Some sequences in the middle of their streams.
pub(crate) struct State {
    batch: usize,
    /// `[B, depth]`, each row filled up with zeros.
    x: Buffer<f32>,
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
        Ok(Self {
            batch,
            x: Buffer::zeroed(batch * g.shape.input.next_multiple_of(ROWS)),
            pre: Buffer::zeroed(batch * g.spec.blocks.len() * g.padded),
            states: [states(), states()],
            now: 0,
            crew: Crew::new(threads.min(packed.slabs()))?,
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
        let padded = self.x.chunks_mut(input.next_multiple_of(ROWS));
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
        let State { batch, x, pre, states, now, crew } = state;
        let [first, second] = states;
        let (prev, next) = if *now == 0 { (first, second) } else { (second, first) };
        let (prev, next) = (&**prev, next.shared());
        let (pre, output) = (pre.shared(), Shared::of(output));
        let (batch, backwards, threads) = (*batch, *now == 1, crew.threads());
        let left = [&**x, &prev[..batch * packed.g.padded]];
        crew.run(&move |part| {
            // Another thread wrote some of it: all misses at once take as long as one.
            left.iter().flat_map(|numbers| numbers.chunks(LINE / 4)).for_each(|line| {
                prefetch(line.as_ptr());
            });
            let slabs = part * packed.slabs() / threads..(part + 1) * packed.slabs() / threads;
            let own = Own { packed, batch, slabs, prev, pre };
            match &packed.weights {
                Weights::F32(panels) => {
                    packed.isa.run(Product { own: &own, panels, left, backwards })
                }
                Weights::Bf16(panels) => {
                    packed.isa.run(Product { own: &own, panels, left, backwards })
                }
                Weights::Int8(panels) => {
                    packed.isa.run(Product { own: &own, panels, left, backwards })
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
    /// `[S, B, padded]`.
    prev: &'a [f32],
    /// `[B, G, padded]`.
    pre: Shared<f32>,
}

/// The pre-activations.
struct Product<'a, F: Format> {
    own: &'a Own<'a>,
    panels: &'a Panels<F>,
    /// The input and the hidden state, each row as long as panels are deep or longer.
    left: [&'a [f32]; 2],
    backwards: bool,
}

impl<F: Format> Task<f32> for Product<'_, F> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Range { start, end } = self.own.slabs;
        for n in start..end {
            let slab = if self.backwards { start + end - 1 - n } else { n };
            let mut panel = slab * self.panels.slab;
            for block in 0..self.panels.depths.len() {
                let mut row = 0;
                while row < self.own.batch {
                    row += match self.own.batch - row {
                        1 => self.tile::<S, 1, 4>(row, block, slab, panel),
                        2 | 3 => self.tile::<S, 2, 2>(row, block, slab, panel),
                        _ => self.tile::<S, 4, 1>(row, block, slab, panel),
                    };
                }
                panel += self.panels.depths[block].iter().sum::<usize>() * VECTORS * S::WIDTH;
            }
        }
    }
}

impl<F: Format> Product<'_, F> {
    /// One block of one slab for `R` sequences from `row` on; gives `R`. The sums over every row of a
    /// panel are `C` chains of additions, so that one need not wait for another.
    #[inline(always)]
    fn tile<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        &self,
        row: usize,
        block: usize,
        slab: usize,
        mut panel: usize,
    ) -> usize {
        let Packed { g, bias, .. } = self.own.packed;
        let unit = slab * VECTORS * S::WIDTH;
        let load = |from: &[f32], place: usize| {
            let from = &from[place..][..VECTORS * S::WIDTH];
            // SAFETY: the slice is as long.
            [0, 1].map(|v| unsafe { S::load(from.as_ptr().add(v * S::WIDTH)) })
        };
        let mut pre = [load(bias, block * g.padded + unit); R];
        for part in 0..2 {
            let depth = self.panels.depths[block][part];
            if depth == 0 {
                continue;
            }
            let len = depth * VECTORS * S::WIDTH;
            let stride = self.left[part].len() / self.own.batch;
            let left = &self.left[part][row * stride..];
            // SAFETY: each of `R` rows of the left matrix is as long as the panel is deep.
            let sums = unsafe {
                sums::<S, F, R, C>(left.as_ptr(), stride, &self.panels.data[panel..][..len], depth)
            };
            panel += len;
            for r in 0..R {
                for v in 0..VECTORS {
                    pre[r][v] = if F::SCALED {
                        let scales = (part * self.panels.depths.len() + block) * g.padded + unit;
                        sums[r][v].mul_add(load(&self.panels.scales, scales)[v], pre[r][v])
                    } else {
                        pre[r][v] + sums[r][v]
                    };
                }
            }
        }
        for r in 0..R {
            for v in 0..VECTORS {
                let place =
                    ((row + r) * g.spec.blocks.len() + block) * g.padded + unit + v * S::WIDTH;
                // SAFETY: the thread's own units.
                unsafe { pre[r][v].store(self.own.pre.at(place)) };
            }
        }
        R
    }
}

/// `R` rows of the left matrix, `stride` numbers apart, times a panel.
///
/// # Safety
/// From `left` on there are `R` such rows, each `depth` long.
#[inline(always)]
unsafe fn sums<S: Simd<Elem = f32>, F: Format, const R: usize, const C: usize>(
    left: *const f32,
    stride: usize,
    panel: &[F::Stored],
    depth: usize,
) -> [[S; VECTORS]; R] {
    let mut sums = [[[S::zero(); VECTORS]; R]; C];
    for k in (0..depth).step_by(ROWS) {
        // SAFETY: a panel has `depth` rows, a multiple of `ROWS`; the caller speaks for the left ones.
        unsafe {
            let rows = panel.as_ptr().add(k * VECTORS * S::WIDTH);
            for line in (0..ROWS * VECTORS * S::WIDTH * size_of::<F::Stored>()).step_by(LINE) {
                prefetch(rows.cast::<u8>().wrapping_add(AHEAD + line));
            }
            let weights = F::load::<S>(rows);
            for d in 0..ROWS {
                for r in 0..R {
                    let number = S::broadcast(*left.add(r * stride + k + d));
                    for v in 0..VECTORS {
                        let sum = &mut sums[d % C][r][v];
                        *sum = number.mul_add(weights[d][v], *sum);
                    }
                }
            }
        }
    }
    let mut chains = C;
    while chains > 1 {
        chains /= 2;
        for c in 0..chains {
            for r in 0..R {
                for v in 0..VECTORS {
                    sums[c][r][v] = sums[c][r][v] + sums[c + chains][r][v];
                }
            }
        }
    }
    sums[0]
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
        let Own { packed, batch, prev, pre, ref slabs } = *self.own;
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

/// Asks for the cache line at an address, which need not be one of the program's.
#[inline(always)]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every such machine has the instruction, and it neither reads nor writes.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
