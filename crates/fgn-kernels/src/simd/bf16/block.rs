//! What an engine multiplies at once.

/// The most rows, and the most columns, of a block.
pub(crate) const BLOCK: usize = 32;

/// A block of sums in `f32`, and the matrices of bf16 numbers whose product is added to it.
pub(crate) struct DotBlock {
    /// The left matrix, row by row: `2 · pairs` numbers each.
    pub(crate) left: *const u16,
    /// From one of its rows to the next.
    pub(crate) left_stride: usize,
    /// The right matrix, two rows at a time: of each column the number of the first row, then that of the second.
    pub(crate) right: *const u16,
    /// From one pair of its rows to the next.
    pub(crate) right_stride: usize,
    /// Pairs of terms in a sum.
    pub(crate) pairs: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Rows of sums, [`BLOCK`] numbers apart.
    pub(crate) sums: *mut f32,
}

/// An instruction that multiplies pairs of bf16 numbers and adds to sums in `f32`.
pub(crate) trait DotEngine {
    /// Rows of the left matrix and of the sums are there up to a multiple of this.
    const ROWS: usize;
    /// Pairs that it takes at once: the number of pairs is a multiple of this.
    const PAIRS: usize;

    /// Adds the product of a block to its sums, each sum in the order of its terms.
    ///
    /// # Safety
    /// - The machine has the instruction, and the calling thread a [session](Self::begin).
    /// - The block's addresses are valid as far as its sizes say, rows rounded up to a multiple of `ROWS`.
    /// - `rows` and `columns` are at most [`BLOCK`], `pairs` is a multiple of `PAIRS`; on an engine that is no
    ///   emulation, `columns` is a multiple of 16.
    unsafe fn multiply_add(block: &DotBlock);

    /// Prepares the calling thread.
    ///
    /// # Safety
    /// The machine has the instruction.
    unsafe fn begin() {}

    /// Ends what [`begin`](Self::begin) began.
    ///
    /// # Safety
    /// As there.
    unsafe fn end() {}
}
