//! Where things lie: the sizes of one run, padded to whole registers.

use std::ops::Range;

use fgn_core::oracle::Shape;
use fgn_core::{Block, Layout, Spec};

use super::buffer::Shared;
use super::panels::RowGroup;
use super::plan::Plan;
use super::simd::Element;
use super::tile::MAX_ROWS;
use super::{PARALLEL_WORK, work};

/// What fits into a core's own cache beside the numbers at work.
const OWN_CACHE: usize = 1 << 20;
/// So many sequences make up for the reading of weights from beyond it.
const FEW_SEQUENCES: usize = 256;
/// A panel of both the input's and the recurrent weights may be so large: it is used for all sequences of a
/// thread while it stays in the core's own cache.
const FUSED_BYTES: usize = 192 << 10;
/// So many sequences are enough to deal out among threads, where units could be as well.
const FEW_ALONE: usize = 8;
/// Below about this many multiply-adds a step, threads that meet after each lose more than they gain.
const MEETING_WORK: usize = 30_000;
/// About how many multiply-adds the equations of a gate take.
const STEP_WORK: usize = 16;

/// The sizes of a run on registers of a certain width.
pub(super) struct Geometry {
    pub(super) shape: Shape,
    /// The size of the hidden state: `P` with a projection, else `H`.
    pub(super) output: usize,
    pub(super) spec: &'static Spec,
    pub(super) layout: Layout,
    /// Numbers in a register.
    pub(super) width: usize,
    /// The hidden size, rounded up to whole registers.
    pub(super) padded: usize,
    /// The blocks fed by the input, and those fed by the hidden state.
    pub(super) input_blocks: Vec<usize>,
    pub(super) hidden_blocks: Vec<usize>,
    pub(super) states: StateColumns,
    pub(super) derivatives: DerivativeColumns,
    /// Whether the cell's equations wait for whole rows.
    pub(super) whole_rows: bool,
}

/// What a row of states holds, each `padded` numbers wide: the cell's states, and behind them what some
/// options keep.
pub(super) struct StateColumns {
    /// The hidden state as the recurrent weights see it: the first of the states, if nothing is dropped.
    pub(super) fed: usize,
    /// The hidden state before its projection.
    pub(super) unprojected: Option<usize>,
    /// The memory, normalised.
    pub(super) seen: Option<usize>,
    count: usize,
}

/// What a row of derivatives holds, each `padded` numbers wide: those by the cell's pre-activations,
/// those by its vectors, and behind them what some options need.
pub(super) struct DerivativeColumns {
    /// By gain and by bias of each block that is normalised; the first of each.
    pub(super) norm: Option<[usize; 2]>,
    /// By gain and by bias of the memory.
    pub(super) norm_memory: Option<[usize; 2]>,
    /// By the projected hidden state.
    pub(super) projected: Option<usize>,
    count: usize,
}

/// Deals out columns.
struct Columns(usize);

impl Columns {
    fn take(&mut self, wanted: bool, count: usize) -> Option<usize> {
        let first = self.0;
        self.0 += if wanted { count } else { 0 };
        wanted.then_some(first)
    }
}

impl StateColumns {
    fn new(spec: &Spec, plan: &Plan) -> Self {
        let mut columns = Columns(spec.states.len());
        Self {
            fed: columns.take(plan.rules.drop_hidden(), 1).unwrap_or(0),
            unprojected: columns.take(plan.form.projection.is_some(), 1),
            seen: columns.take(plan.form.norm.memory, 1),
            count: columns.0,
        }
    }
}

impl DerivativeColumns {
    fn new(spec: &Spec, plan: &Plan) -> Self {
        let blocks = spec.blocks.len();
        let mut columns = Columns(blocks + spec.vectors.len());
        Self {
            norm: columns.take(plan.form.norm.pre, 2 * blocks).map(|at| [at, at + blocks]),
            norm_memory: columns.take(plan.form.norm.memory, 2).map(|at| [at, at + 1]),
            projected: columns.take(plan.form.projection.is_some(), 1),
            count: columns.0,
        }
    }
}

impl Geometry {
    pub(super) fn new(spec: &'static Spec, shape: Shape, plan: &Plan, width: usize) -> Self {
        Self {
            shape,
            output: plan.form.output(),
            spec,
            layout: Layout::of(spec, plan.form),
            width,
            padded: shape.hidden.next_multiple_of(width),
            input_blocks: spec.places(Block::reads_input),
            hidden_blocks: spec.places(Block::reads_hidden),
            states: StateColumns::new(spec, plan),
            derivatives: DerivativeColumns::new(spec, plan),
            whole_rows: plan.takes_whole_rows(),
        }
    }

    /// Registers that hold one block of one row.
    #[inline(always)]
    pub(super) fn vectors(&self) -> usize {
        self.padded / self.width
    }

    /// From one row of pre-activations to the next.
    #[inline(always)]
    pub(super) fn pre_stride(&self) -> usize {
        self.stride(self.spec.blocks.len())
    }

    /// From one row of states to the next.
    #[inline(always)]
    pub(super) fn state_stride(&self) -> usize {
        self.stride(self.states.count)
    }

    /// From one row of derivatives to the next.
    #[inline(always)]
    pub(super) fn d_pre_stride(&self) -> usize {
        self.stride(self.derivatives.count)
    }

    /// From one row of what normalisation multiplied by to the next.
    #[inline(always)]
    pub(super) fn scales(&self) -> usize {
        let any = self.derivatives.norm.is_some() || self.derivatives.norm_memory.is_some();
        if any { self.spec.blocks.len() + 1 } else { 0 }
    }

    /// Where blocks begin in a row of derivatives.
    pub(super) fn offsets(&self, blocks: &[usize]) -> Vec<usize> {
        blocks.iter().map(|block| block * self.padded).collect()
    }

    /// Whether threads had better share the units than the sequences: where the weights of a step exceed
    /// a core's own cache and there are few sequences to use them for, or where there is one alone. In a
    /// cell that no state feeds, units never need each other.
    pub(super) fn shares_units<E>(&self) -> bool {
        let Shape { steps, batch, input, hidden } = self.shape;
        let weights = self.hidden_blocks.len() * hidden * self.output;
        if weights == 0 {
            let work = self.input_blocks.len() * (input + STEP_WORK) * hidden;
            return batch < FEW_ALONE && steps * batch * work >= PARALLEL_WORK;
        }
        let large = weights * size_of::<E>() > OWN_CACHE && batch < FEW_SEQUENCES;
        let enough = batch * weights >= MEETING_WORK && work(self) >= PARALLEL_WORK;
        enough && (large || batch == 1)
    }

    /// Whether threads with sequences of their own had better lay out the weights once for all of them: where
    /// a core's own cache does not hold them. Smaller ones each lays out for itself, rather than to wait for
    /// another's and to fetch them from its cache.
    pub(super) fn packs_together<E>(&self) -> bool {
        let input = self.input_blocks.len() * self.shape.input;
        let weights = (input + self.hidden_blocks.len() * self.output) * self.shape.hidden;
        weights * size_of::<E>() > OWN_CACHE && work(self) >= PARALLEL_WORK
    }

    /// Whether the products by the input and by the hidden state are one, step by step: this spares passes
    /// over the pre-activations, but uses the input's weights for the sequences of a thread alone.
    pub(super) fn fuses_input<E>(&self) -> bool {
        // Threads that share the units have all sequences each.
        let parts = if self.shares_units::<E>() { 1 } else { rayon::current_num_threads() };
        let rows = self.shape.batch / parts;
        let depth = self.shape.input + self.output;
        !self.hidden_blocks.is_empty()
            && self.input_blocks.starts_with(&self.hidden_blocks)
            && rows >= MAX_ROWS
            && depth * self.hidden_blocks.len() * self.width * size_of::<E>() <= FUSED_BYTES
    }

    /// The steps that threads which share the units take without meeting.
    pub(super) fn meetings(
        &self,
        times: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> {
        let apart = self.hidden_blocks.is_empty() && !self.whole_rows;
        let together = if apart { times.len().max(1) } else { 1 };
        let end = times.end;
        times.step_by(together).map(move |t| t..end.min(t + together))
    }

    /// How many threads share them.
    pub(super) fn crew(&self) -> usize {
        rayon::current_num_threads().min(self.vectors())
    }

    /// Room for `count` blocks. Rows a multiple of 32 registers apart would crowd into a few sets of
    /// the cache: there one register more spreads them.
    #[inline(always)]
    fn stride(&self, count: usize) -> usize {
        let len = count * self.padded;
        if len.is_multiple_of(32 * self.width) { len + self.width } else { len }
    }

    /// The part of the packed parameters that holds a tensor; empty if the cell has none such.
    pub(super) fn tensor<'a, E>(&self, name: &str, parameters: &'a [E]) -> &'a [E] {
        self.layout.tensor(name).map_or(&[], |slot| &parameters[slot.range()])
    }

    /// The rows of one register of units in the block at `place` of a weight matrix.
    pub(super) fn row_group(&self, place: usize, vector: usize) -> RowGroup {
        let hidden = self.shape.hidden;
        self.rows(hidden, place * hidden, vector)
    }

    /// One register of `size` rows that begin at `first`.
    pub(super) fn rows(&self, size: usize, first: usize, vector: usize) -> RowGroup {
        let unit = vector * self.width;
        RowGroup { first: first + unit, count: self.width.min(size - unit) }
    }
}

/// A row of numbers for each of some steps and sequences, in memory that threads share. It may hold
/// fewer steps than there are: step `k` lies where step `k + capacity` will.
#[derive(Clone, Copy)]
pub(super) struct Steps<E> {
    data: Shared<E>,
    capacity: usize,
    rows: usize,
    stride: usize,
}

impl<E: Element> Steps<E> {
    /// `rows` rows a step, `stride` numbers apart.
    pub(super) fn new(data: Shared<E>, capacity: usize, rows: usize, stride: usize) -> Self {
        Self { data, capacity, rows, stride }
    }

    /// The rows of step `k`.
    ///
    /// # Safety
    /// The memory is alive.
    #[inline(always)]
    pub(super) unsafe fn at(self, k: usize) -> Rows<E> {
        let Self { data, capacity, rows, stride } = self;
        let slot = if k < capacity { k } else { k % capacity };
        // SAFETY: the slot is in range, so the place is.
        Rows { start: unsafe { data.at(slot * rows * stride) }, stride }
    }

    /// Where row `row` of step `k` begins.
    ///
    /// # Safety
    /// The memory is alive, and there is such a row.
    #[inline(always)]
    pub(super) unsafe fn row(self, k: usize, row: usize) -> *mut E {
        // SAFETY: the caller's promise.
        unsafe { self.at(k).row(row) }
    }

    /// From one row to the next.
    pub(super) fn stride(self) -> usize {
        self.stride
    }
}

/// One step's rows among [`Steps`].
#[derive(Clone, Copy)]
pub(super) struct Rows<E> {
    start: *mut E,
    stride: usize,
}

impl<E> Rows<E> {
    /// Where row `row` begins.
    ///
    /// # Safety
    /// The memory is alive, and there is such a row.
    #[inline(always)]
    pub(super) unsafe fn row(self, row: usize) -> *mut E {
        // SAFETY: the row is in range, so the place is.
        unsafe { self.start.add(row * self.stride) }
    }
}
