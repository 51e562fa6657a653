//! Vectors of `f32` for AVX-512 and for AVX2 with FMA.
//!
//! Values of these types are created only inside [`Isa::run`](crate::simd::isa::Isa::run), whose `Isa` proves that the
//! machine has the instructions: that makes every intrinsic here sound to call.

#[macro_use]
mod macros;

pub(crate) mod avx2;
pub(crate) mod avx512;
mod tables;
