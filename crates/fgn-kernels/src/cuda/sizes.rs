//! Sizes of the persistent kernels, which Rust plans with and the printed source is compiled with.

/// Units of a block of threads, and sequences that it multiplies at once.
pub(super) const UNITS: usize = 8;
pub(super) const ROWS: usize = 16;
/// Elements of a row that are staged in shared memory at once.
pub(super) const DEPTH: usize = 128;
/// Elements of padding after each row of weights, against bank conflicts: with sums in threads, and with matrix units
/// (`bf16`).
pub(super) const PAD: [usize; 2] = [1, 8];
