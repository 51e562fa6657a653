//! The strategy by which a run goes through time.

use fgn_core::{SequenceShape, Spec};

use super::Number;
use super::gpu::Limits;
use super::sizes::{DEPTH, PAD, ROWS, UNITS};
use crate::run::plan::Plan;

/// A strategy for the loop over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// No state feeds a pre-activation: each thread takes its unit through all steps.
    Scan,
    /// Each block of threads keeps the recurrent weights of its units in shared memory through all steps,
    /// and the blocks synchronise once a step.
    Persistent { grid: [usize; 2], block_rows: usize },
    /// Each step is a cuBLAS product and a launch for the cell.
    Alternating,
}

impl Number {
    /// Bytes of a weight.
    pub(crate) fn narrow(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Bf16 => 2,
        }
    }

    /// Bytes of a state.
    pub(crate) fn wide(self) -> usize {
        self.narrow().max(4)
    }

    /// The most sequences of a group for which the persistent kernels are used; above, cuBLAS is assumed to be faster.
    fn most_rows(self) -> usize {
        if self == Self::Bf16 { 64 } else { 32 }
    }
}

impl Strategy {
    /// The strategy for a run, from its sizes, its options and the device.
    pub(crate) fn of(
        spec: &Spec,
        shape: SequenceShape,
        plan: &Plan,
        number: Number,
        limits: Limits,
    ) -> Self {
        let whole_rows = plan.layer.norm.pre || plan.layer.norm.memory;
        if whole_rows || plan.layer.projection.is_some() {
            return Self::Alternating;
        }
        if !spec.is_recurrent() {
            return Self::Scan;
        }
        let blocks = shape.hidden / UNITS;
        let even = if number == Number::Bf16 { 16 } else { UNITS };
        if !shape.hidden.is_multiple_of(even) || blocks > limits.processors {
            return Self::Alternating;
        }
        let groups = shape.batch.div_ceil(ROWS).min(limits.processors / blocks);
        let block_rows = shape.batch.div_ceil(groups);
        let hidden_blocks = super::source::Places::of(spec).hidden.len();
        let needed = shared_forward(number, hidden_blocks, shape.hidden, limits)
            .max(shared_backward(number, hidden_blocks, shape.hidden, limits));
        if needed > limits.shared || block_rows > number.most_rows() {
            return Self::Alternating;
        }
        Self::Persistent { grid: [blocks, shape.batch.div_ceil(block_rows)], block_rows }
    }
}

/// Bytes of shared memory of the persistent forward kernel.
pub(super) fn shared_forward(
    number: Number,
    hidden_blocks: usize,
    hidden: usize,
    limits: Limits,
) -> usize {
    shared(number, hidden_blocks * UNITS, hidden, limits.persistent_threads)
}

/// And of the backward one.
pub(super) fn shared_backward(
    number: Number,
    hidden_blocks: usize,
    hidden: usize,
    limits: Limits,
) -> usize {
    shared(number, UNITS, hidden_blocks * hidden, limits.persistent_threads)
}

/// As `kept` in `template/persistent.h` lays it out.
fn shared(number: Number, columns: usize, depth: usize, threads: usize) -> usize {
    let matrix_units = number == Number::Bf16;
    let parts = if matrix_units { threads / 32 } else { threads / (columns / 4 * (ROWS / 4)) };
    let weights = columns * (depth + PAD[usize::from(matrix_units)]);
    let staged = if matrix_units { 0 } else { ROWS * (DEPTH + 1) };
    parts * ROWS * columns * number.wide() + (weights + staged) * number.narrow()
}
