//! How large anything may be.

/// The largest number of classes, tokens, features or anything else that is counted: 16,777,216. Every index below
/// it is exact as an `f32`, and no product of two sizes and a few small numbers overflows a 64-bit integer. A larger
/// size is a typo, and reported as such before memory is asked for.
pub const MAX_SIZE: usize = 1 << 24;
