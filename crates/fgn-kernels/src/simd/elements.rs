//! The vector type of each number type on each instruction set.

#[cfg(target_arch = "aarch64")]
use crate::simd::neon::F32x4;
use crate::simd::scalar::Array;
#[cfg(target_arch = "x86_64")]
use crate::simd::target::Avx2;
#[cfg(target_arch = "aarch64")]
use crate::simd::target::Neon;
use crate::simd::target::Portable;
use crate::simd::vector::Element;
#[cfg(target_arch = "x86_64")]
use crate::simd::x86::avx2::F32x8;
#[cfg(target_arch = "x86_64")]
use crate::simd::x86::avx512::F32x16;

impl Element for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = F32x16;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = F32x8;
    #[cfg(target_arch = "aarch64")]
    type Neon = F32x4;
    type Portable = Array<f32, 4, Portable>;
}

impl Element for f64 {
    #[cfg(target_arch = "x86_64")]
    // The same code as for AVX2: for checks rather than for speed, and quick to build.
    type Avx512 = Array<f64, 4, Avx2>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = Array<f64, 4, Avx2>;
    #[cfg(target_arch = "aarch64")]
    type Neon = Array<f64, 2, Neon>;
    type Portable = Array<f64, 2, Portable>;
}
