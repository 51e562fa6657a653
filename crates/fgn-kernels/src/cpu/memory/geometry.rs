//! Where things lie: the sizes of one run, padded to whole vectors.

use std::ops::Range;

use fgn_core::{Block, Layout, SequenceShape, Spec};

use crate::cpu::gemm::panels::RowGroup;
use crate::cpu::gemm::tile_size::MAX_ROWS;
use crate::cpu::threads::pool::PARALLEL_WORK;
use crate::run::plan::Plan;
use crate::simd::bf16::engine::Bf16Engine;

/// What fits into the L2 cache of a core beside the numbers at work.
const OWN_CACHE: usize = 1 << 20;
/// So many sequences make up for the reading of weights from beyond it.
const FEW_SEQUENCES: usize = 256;
/// A panel of both the input's and the recurrent weights may be so large: it is used for all sequences of a
/// thread while it stays in the L2 cache of a core.
const FUSED_BYTES: usize = 192 << 10;
/// So many sequences are enough to deal out among threads, where units could be as well.
const FEW_ALONE: usize = 8;
/// Below about this many multiply-adds a step, threads that meet after each lose more than they gain.
const MEETING_WORK: usize = 30_000;
/// About how many multiply-adds the equations of a gate take.
const STEP_WORK: usize = 16;

/// The sizes of a run for vectors of a certain width.
pub(crate) struct Geometry {
    pub(crate) shape: SequenceShape,
    /// The size of the hidden state: `P` with a projection, else `H`.
    pub(crate) output: usize,
    pub(crate) spec: &'static Spec,
    pub(crate) layout: Layout,
    /// Elements of a vector.
    pub(crate) width: usize,
    /// The hidden size, padded to whole vectors.
    pub(crate) padded: usize,
    /// The blocks that read the input, and those that read the hidden state.
    pub(crate) input_blocks: Vec<usize>,
    pub(crate) hidden_blocks: Vec<usize>,
    pub(crate) states: StateColumns,
    pub(crate) derivatives: DerivativeColumns,
    /// Whether the cell's equations wait for whole rows.
    pub(crate) whole_rows: bool,
    /// What multiplies, if operands of products are rounded to bf16.
    pub(crate) bf16: Option<Bf16Engine>,
}

/// What a row of states holds, each `padded` numbers wide: the cell's states, and behind them what some
/// options keep.
pub(crate) struct StateColumns {
    /// The hidden state as the recurrent weights see it: the first of the states, if nothing is dropped.
    pub(crate) recurrent_input: usize,
    /// The hidden state before its projection.
    pub(crate) unprojected: Option<usize>,
    /// The memory, normalised.
    pub(crate) normalized_memory: Option<usize>,
    count: usize,
}

/// What a row of gradients holds, each `padded` numbers wide: those with respect to the cell's pre-activations,
/// those with respect to its vectors, and behind them what some options need.
pub(crate) struct DerivativeColumns {
    /// With respect to gain and by bias of each block that is normalised; the first of each.
    pub(crate) norm: Option<[usize; 2]>,
    /// With respect to gain and by bias of the memory.
    pub(crate) norm_memory: Option<[usize; 2]>,
    /// With respect to the projected hidden state.
    pub(crate) projected: Option<usize>,
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
            recurrent_input: columns.take(plan.rules.drop_hidden(), 1).unwrap_or(0),
            unprojected: columns.take(plan.layer.projection.is_some(), 1),
            normalized_memory: columns.take(plan.layer.norm.memory, 1),
            count: columns.0,
        }
    }
}

impl DerivativeColumns {
    fn new(spec: &Spec, plan: &Plan) -> Self {
        let blocks = spec.blocks.len();
        let mut columns = Columns(blocks + spec.vectors.len());
        Self {
            norm: columns.take(plan.layer.norm.pre, 2 * blocks).map(|at| [at, at + blocks]),
            norm_memory: columns.take(plan.layer.norm.memory, 2).map(|at| [at, at + 1]),
            projected: columns.take(plan.layer.projection.is_some(), 1),
            count: columns.0,
        }
    }
}

impl Geometry {
    pub(crate) fn new(
        spec: &'static Spec,
        shape: SequenceShape,
        plan: &Plan,
        width: usize,
    ) -> Self {
        Self {
            shape,
            output: plan.layer.output(),
            spec,
            layout: Layout::of(spec, plan.layer),
            width,
            padded: shape.hidden.next_multiple_of(width),
            input_blocks: spec.indices(Block::reads_input),
            hidden_blocks: spec.indices(Block::reads_hidden),
            states: StateColumns::new(spec, plan),
            derivatives: DerivativeColumns::new(spec, plan),
            whole_rows: plan.takes_whole_rows(),
            bf16: plan.bf16,
        }
    }

    /// About how many multiply-adds a forward pass takes.
    pub(crate) fn work(&self) -> usize {
        let SequenceShape { steps, batch, input, hidden } = self.shape;
        steps * batch * self.spec.blocks.len() * hidden * (input + hidden)
    }

    /// Vectors that hold one block of one row.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.padded / self.width
    }

    /// From one row of pre-activations to the next.
    #[inline(always)]
    pub(crate) fn pre_stride(&self) -> usize {
        self.stride(self.spec.blocks.len())
    }

    /// From one row of states to the next.
    #[inline(always)]
    pub(crate) fn state_stride(&self) -> usize {
        self.stride(self.states.count)
    }

    /// From one row of gradients to the next.
    #[inline(always)]
    pub(crate) fn d_pre_stride(&self) -> usize {
        self.stride(self.derivatives.count)
    }

    /// From one row of what normalisation multiplied by to the next.
    #[inline(always)]
    pub(crate) fn scales(&self) -> usize {
        let any = self.derivatives.norm.is_some() || self.derivatives.norm_memory.is_some();
        if any { self.spec.blocks.len() + 1 } else { 0 }
    }

    /// Where blocks begin in a row of gradients.
    pub(crate) fn offsets(&self, blocks: &[usize]) -> Vec<usize> {
        blocks.iter().map(|block| block * self.padded).collect()
    }

    /// Whether threads had better share the units than the sequences: where the weights of a step exceed
    /// the L2 cache of a core and there are few sequences to use them for, or where there is one alone. In a
    /// cell that no state feeds, units never need each other.
    pub(crate) fn shares_units<E>(&self) -> bool {
        let SequenceShape { steps, batch, input, hidden } = self.shape;
        let weights = self.hidden_blocks.len() * hidden * self.output;
        if weights == 0 {
            let work = self.input_blocks.len() * (input + STEP_WORK) * hidden;
            return batch < FEW_ALONE && steps * batch * work >= PARALLEL_WORK;
        }
        let large = weights * size_of::<E>() > OWN_CACHE && batch < FEW_SEQUENCES;
        let enough = batch * weights >= MEETING_WORK && self.work() >= PARALLEL_WORK;
        enough && (large || batch == 1)
    }

    /// Whether threads with sequences of their own had better pack the weights once for all of them: where
    /// the L2 cache of a core does not hold them. Smaller ones each packs for itself, rather than to wait for
    /// another's and to fetch them from its cache.
    pub(crate) fn packs_together<E>(&self) -> bool {
        let input = self.input_blocks.len() * self.shape.input;
        let weights = (input + self.hidden_blocks.len() * self.output) * self.shape.hidden;
        weights * size_of::<E>() > OWN_CACHE && self.work() >= PARALLEL_WORK
    }

    /// Whether the products by the input and by the hidden state are one, step by step: this spares passes
    /// over the pre-activations, but uses the input's weights for the sequences of a thread alone.
    pub(crate) fn fuses_input<E>(&self) -> bool {
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
    pub(crate) fn meetings(
        &self,
        times: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> {
        let apart = self.hidden_blocks.is_empty() && !self.whole_rows;
        let together = if apart { times.len().max(1) } else { 1 };
        let end = times.end;
        times.step_by(together).map(move |t| t..end.min(t + together))
    }

    /// How many threads share them.
    pub(crate) fn team(&self) -> usize {
        rayon::current_num_threads().min(self.vectors())
    }

    /// Room for `count` blocks. Rows a multiple of 32 registers apart would crowd into a few sets of
    /// the cache: there one register more spreads them.
    #[inline(always)]
    fn stride(&self, count: usize) -> usize {
        let len = count * self.padded;
        if len.is_multiple_of(32 * self.width) { len + self.width } else { len }
    }

    /// The part of the flat parameters that holds a tensor; empty if the cell has none such.
    pub(crate) fn tensor<'a, E>(&self, name: &str, parameters: &'a [E]) -> &'a [E] {
        self.layout.tensor(name).map_or(&[], |slot| &parameters[slot.range()])
    }

    /// The rows of one vector of units in the block at `place` of a weight matrix.
    pub(crate) fn row_group(&self, place: usize, vector: usize) -> RowGroup {
        let hidden = self.shape.hidden;
        self.rows(hidden, place * hidden, vector)
    }

    /// One vector of `size` rows that begin at `first`.
    pub(crate) fn rows(&self, size: usize, first: usize, vector: usize) -> RowGroup {
        let unit = vector * self.width;
        RowGroup { first: first + unit, count: self.width.min(size - unit) }
    }
}
