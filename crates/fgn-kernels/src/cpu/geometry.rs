//! Where things lie: the sizes of one run, padded to whole registers.

use std::ops::Range;

use fgn_core::oracle::Shape;
use fgn_core::{Block, Layout, Spec};

use super::PARALLEL_WORK;
use super::buffer::{Buffer, Shared};
use super::crew::Crew;
use super::panels::{Panels, RowGroup};
use super::simd::Element;
use super::tile::PANEL_VECTORS;

/// What fits into a core's own cache beside the numbers at work.
const OWN_CACHE: usize = 1 << 20;
/// So many sequences make up for the reading of weights from beyond it.
const FEW_SEQUENCES: usize = 256;
/// So many sequences are enough to deal out among threads, where units could be as well.
const FEW_ALONE: usize = 8;
/// About how many multiply-adds the equations of a gate take.
const STEP_WORK: usize = 16;

/// The sizes of a run on registers of a certain width.
pub(super) struct Geometry {
    pub(super) shape: Shape,
    pub(super) spec: &'static Spec,
    pub(super) layout: Layout,
    /// Numbers in a register.
    pub(super) width: usize,
    /// The hidden size, rounded up to whole registers.
    pub(super) padded: usize,
    /// The blocks fed by the input, and those fed by the hidden state.
    pub(super) input_blocks: Vec<usize>,
    pub(super) hidden_blocks: Vec<usize>,
}

impl Geometry {
    pub(super) fn new(spec: &'static Spec, shape: Shape, width: usize) -> Self {
        Self {
            shape,
            spec,
            layout: Layout::new(spec, shape.input, shape.hidden),
            width,
            padded: shape.hidden.next_multiple_of(width),
            input_blocks: spec.places(Block::reads_input),
            hidden_blocks: spec.places(Block::reads_hidden),
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
        self.stride(self.spec.states.len())
    }

    /// From one row of derivatives of pre-activations and vectors to the next.
    #[inline(always)]
    pub(super) fn d_pre_stride(&self) -> usize {
        self.stride(self.spec.blocks.len() + self.spec.vectors.len())
    }

    /// Whether threads had better share the units than the sequences: where the weights of a step exceed
    /// a core's own cache and there are few sequences to use them for, or where there is one alone. In a
    /// cell that no state feeds, units never need each other.
    pub(super) fn shares_units<E>(&self) -> bool {
        let Shape { steps, batch, input, hidden } = self.shape;
        let weights = self.hidden_blocks.len() * hidden * hidden;
        if weights == 0 {
            let work = self.input_blocks.len() * (input + STEP_WORK) * hidden;
            return batch < FEW_ALONE && steps * batch * work >= PARALLEL_WORK;
        }
        let large = weights * size_of::<E>() > OWN_CACHE && batch < FEW_SEQUENCES;
        batch * weights >= PARALLEL_WORK && (large || batch == 1)
    }

    /// The steps that threads which share the units take without meeting.
    pub(super) fn meetings(
        &self,
        times: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> {
        let together = if self.hidden_blocks.is_empty() { times.len().max(1) } else { 1 };
        let end = times.end;
        times.step_by(together).map(move |t| t..end.min(t + together))
    }

    /// The threads that share them.
    pub(super) fn crew(&self) -> Crew {
        let threads = rayon::current_num_threads().min(self.vectors());
        // Where no thread can be had, the caller does the work.
        Crew::new(threads).unwrap_or(Crew::alone())
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
    fn row_group(&self, place: usize, vector: usize) -> RowGroup {
        let unit = vector * self.width;
        let hidden = self.shape.hidden;
        RowGroup { first: place * hidden + unit, count: self.width.min(hidden - unit) }
    }
}

/// A layer's parameters laid out for the forward pass.
pub(super) struct Packed<E> {
    /// `weight_ih`: the blocks fed by the input, one after the other.
    pub(super) input: Panels<E>,
    /// `weight_hh`: one panel for each register of units, holding its blocks side by side.
    pub(super) hidden: Panels<E>,
    /// The sum of both biases, `[G, padded]`.
    pub(super) bias: Buffer<E>,
    /// The per-unit vectors, `[V, padded]`.
    pub(super) vectors: Buffer<E>,
}

impl<E: Element> Packed<E> {
    pub(super) fn new(g: &Geometry, parameters: &[E]) -> Self {
        let Shape { input, hidden, .. } = g.shape;
        let (inputs, hiddens, vectors) = (g.input_blocks.len(), g.hidden_blocks.len(), g.vectors());
        let by_block: Vec<_> =
            (0..inputs).flat_map(|p| (0..vectors).map(move |v| g.row_group(p, v))).collect();
        let by_unit: Vec<_> =
            (0..vectors).flat_map(|v| (0..hiddens).map(move |p| g.row_group(p, v))).collect();
        Self {
            input: Panels::transposed(
                g.tensor("weight_ih", parameters),
                input,
                &by_block,
                PANEL_VECTORS,
                g.width,
            ),
            hidden: Panels::transposed(
                g.tensor("weight_hh", parameters),
                hidden,
                &by_unit,
                hiddens.max(1),
                g.width,
            ),
            bias: self::bias(g, parameters),
            vectors: self::vectors(g, parameters),
        }
    }
}

/// The sum of both biases, `[G, padded]`.
pub(super) fn bias<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let mut bias = Buffer::zeroed(g.spec.blocks.len() * g.padded);
    for name in ["bias_ih", "bias_hh"] {
        let Some(slot) = g.layout.tensor(name) else {
            continue;
        };
        let rows = parameters[slot.range()].chunks(g.shape.hidden);
        for (&block, row) in slot.blocks.iter().zip(rows) {
            let sums = &mut bias[block * g.padded..][..g.shape.hidden];
            sums.iter_mut().zip(row).for_each(|(sum, &b)| *sum += b);
        }
    }
    bias
}

/// The per-unit vectors, `[V, padded]`.
pub(super) fn vectors<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let mut vectors = Buffer::zeroed(g.spec.vectors.len() * g.padded);
    for (v, name) in g.spec.vectors.iter().enumerate() {
        vectors[v * g.padded..][..g.shape.hidden].copy_from_slice(g.tensor(name, parameters));
    }
    vectors
}

/// A row of numbers for each of some steps and sequences, in memory that threads share. It may hold
/// fewer steps than there are: step `t` lies where step `t + capacity` will.
#[derive(Clone, Copy)]
pub(super) struct Steps<E> {
    data: Shared<E>,
    capacity: usize,
    first_row: usize,
    rows: usize,
    stride: usize,
}

impl<E: Element> Steps<E> {
    /// Rows `stride` numbers apart for the given sequences of the batch.
    pub(super) fn new(
        data: Shared<E>,
        capacity: usize,
        sequences: Range<usize>,
        stride: usize,
    ) -> Self {
        Self { data, capacity, first_row: sequences.start, rows: sequences.len(), stride }
    }

    /// The rows of step `t`.
    ///
    /// # Safety
    /// The memory is alive.
    #[inline(always)]
    pub(super) unsafe fn at(self, t: usize) -> Rows<E> {
        let Self { data, capacity, first_row, rows, stride } = self;
        let slot = if t < capacity { t } else { t % capacity };
        // SAFETY: the slot is in range, so the place is.
        Rows { start: unsafe { data.at(slot * rows * stride) }, first_row, stride }
    }

    /// Where the row of sequence `b` at step `t` begins.
    ///
    /// # Safety
    /// The memory is alive, and `b` is among the sequences that it was made for.
    #[inline(always)]
    pub(super) unsafe fn row(self, t: usize, b: usize) -> *mut E {
        // SAFETY: the caller's promise.
        unsafe { self.at(t).row(b) }
    }

    /// From one sequence's row to the next one's.
    pub(super) fn stride(self) -> usize {
        self.stride
    }
}

/// One step's rows among [`Steps`].
#[derive(Clone, Copy)]
pub(super) struct Rows<E> {
    start: *mut E,
    first_row: usize,
    stride: usize,
}

impl<E> Rows<E> {
    /// Where the row of sequence `b` begins.
    ///
    /// # Safety
    /// The memory is alive, and `b` is among the sequences that it was made for.
    #[inline(always)]
    pub(super) unsafe fn row(self, b: usize) -> *mut E {
        // SAFETY: the row is in range, so the place is.
        unsafe { self.start.add((b - self.first_row) * self.stride) }
    }
}
