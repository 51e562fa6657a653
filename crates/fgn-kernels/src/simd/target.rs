//! The instruction sets at compile time.

use crate::simd::vector::{Simd, Target, Task};

/// AVX-512, with its instructions for bytes, words and double words.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// AVX2 with FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// NEON, which every AArch64 machine has.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// What every machine has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[cfg(target_arch = "x86_64")]
impl Target for Avx512 {
    const FUSED: bool = true;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn prefetch<E>(address: *const E) {
        prefetch(address);
    }

    #[inline(always)]
    fn prefetch_write<E>(address: *mut E) {
        prefetch_write(address);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    #[inline(never)]
    unsafe fn enter<S: Simd>(task: impl Task<S::Elem>) {
        task.run::<S>();
    }
}

#[cfg(target_arch = "x86_64")]
impl Target for Avx2 {
    const FUSED: bool = true;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn prefetch<E>(address: *const E) {
        prefetch(address);
    }

    #[inline(always)]
    fn prefetch_write<E>(address: *mut E) {
        prefetch_write(address);
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline(never)]
    unsafe fn enter<S: Simd>(task: impl Task<S::Elem>) {
        task.run::<S>();
    }
}

#[cfg(target_arch = "aarch64")]
impl Target for Neon {
    const FUSED: bool = true;
    const REGISTERS: usize = 32;

    #[inline(never)]
    unsafe fn enter<S: Simd>(task: impl Task<S::Elem>) {
        task.run::<S>();
    }
}

impl Target for Portable {
    const FUSED: bool = false;
    const REGISTERS: usize = 16;

    #[inline(never)]
    unsafe fn enter<S: Simd>(task: impl Task<S::Elem>) {
        task.run::<S>();
    }
}

/// To the L2 cache: what comes is more than L1 holds.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch<E>(address: *const E) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    // SAFETY: every x86-64 has the instruction, which reads nothing and never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_write<E>(address: *mut E) {
    use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
    // SAFETY: every x86-64 takes the instruction, which changes nothing and never faults.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(address.cast_const().cast()) };
}
