//! What a product reads and writes.

/// What a product reads, where its result goes, and what becomes of it.
///
/// # Safety
/// `left` gives an address valid for reading as far as the product's offsets and the panels' depth
/// say; `start` and `out` give addresses valid for reading and writing, until the product ends, at
/// each panel's `place` and there at each of the product's columns a register (of the panels' last one, as
/// much as it has).
pub(crate) unsafe trait Product<E> {
    /// A row, from which its addresses follow.
    type Row: Copy;
    /// The rows in their order, at least as many as are multiplied.
    fn rows(&self) -> impl Iterator<Item = Self::Row>;
    /// Where a row of the left matrix begins.
    fn left(&self, row: Self::Row) -> *const E;
    /// So many numbers come before these: few, for they are not cut.
    #[inline(always)]
    fn before(&self) -> usize {
        0
    }
    /// Where they lie.
    #[inline(always)]
    fn left_before(&self, _: Self::Row) -> *const E {
        std::ptr::null()
    }
    /// Where the numbers lie that a row's sums begin with.
    fn start(&self, row: Self::Row) -> *const E;
    /// Where a row's sums go.
    fn out(&self, row: Self::Row) -> *mut E;
    /// Offset from both of the panel that starts at vector column `vector`.
    fn place(&self, vector: usize) -> usize;
    /// Is called before the sums of `count` rows, from `first` on, are computed for the panel at `place`.
    #[inline(always)]
    fn approach(&self, _first: usize, _count: usize, _place: usize) {}
    /// Is called when `count` more rows, from `first` on, are done for the panel at `place`.
    #[inline(always)]
    fn finished(&self, _first: usize, _count: usize, _place: usize) {}
}
