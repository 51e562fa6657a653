//! SIMD: instruction sets found at run time, their vectors, and elementary functions on them.
//!
//! Knows numbers alone: no cell, no tensor shape, no thread.

pub(crate) mod bf16;
mod elements;
pub(crate) mod group;
pub(crate) mod isa;
pub(crate) mod math;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod number;
pub(crate) mod scalar;
pub(crate) mod target;
pub(crate) mod vector;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

#[cfg(test)]
mod tests;
