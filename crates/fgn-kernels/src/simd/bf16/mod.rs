//! bf16 with sums in `f32`: the number format, and the engines that multiply pairs of such numbers.
//!
//! An engine multiplies one block; what is rounded, packed and stored around it is the same for all
//! (`cpu/gemm/pairs.rs`). Beside each instruction stands an emulation of its exact arithmetic: with it the packing, the
//! tails and the passes are tested on machines that have no such instruction.

pub(crate) mod block;
pub(crate) mod emulated;
pub(crate) mod engine;
pub(crate) mod number;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;
