//! Which instruction set the kernels run on, found at run time.

use std::sync::OnceLock;

use super::simd::{Element, Simd};

/// The environment variable that forces an instruction set.
const VARIABLE: &str = "FGN_ISA";

/// An instruction set that this machine has: holding one proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

/// Work that is compiled once for each instruction set.
pub(crate) trait Task<E: Element> {
    /// Does it. Implementations are `#[inline(always)]`, as is all that they call on the way to an
    /// intrinsic: only then is it compiled for the instruction set at hand.
    fn run<S: Simd<Elem = E>>(self);
}

/// An instruction set at compile time.
pub(crate) trait Target: Copy {
    /// Whether it has a quick fused multiply-add.
    const FUSED: bool;
    /// How many registers kernels may plan with.
    const REGISTERS: usize;

    /// Asks for the cache line at any address, which need not be one of ours, to be brought near.
    #[inline(always)]
    fn prefetch<E>(_address: *const E) {}

    /// As [`prefetch`](Self::prefetch), to the nearest cache and for writing.
    #[inline(always)]
    fn prefetch_write<E>(_address: *mut E) {}

    /// Runs `task` as a function of its own, compiled for this instruction set.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn enter<S: Simd>(task: impl Task<S::Elem>);
}

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

/// To the second cache: what comes is more than the first one holds.
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

impl Isa {
    /// The one the kernels use: what `FGN_ISA` (`avx512`, `avx2`, `neon`, `portable`) asks for,
    /// else the widest that the machine has.
    ///
    /// # Errors
    /// If `FGN_ISA` names none, or one that this machine does not have.
    pub fn active() -> candle_core::Result<Self> {
        static ACTIVE: OnceLock<Result<Isa, String>> = OnceLock::new();
        let found = ACTIVE.get_or_init(|| match std::env::var(VARIABLE) {
            Ok(name) => Self::named(&name),
            Err(_) => Ok(Self::available()[0]),
        });
        found.clone().map_err(candle_core::Error::msg)
    }

    /// All that this machine has, the widest first. The last is `portable`, which every machine has.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            if avx2 && avx512 {
                all.push(Self(Kind::Avx512));
            }
            if avx2 {
                all.push(Self(Kind::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Self(Kind::Neon));
        all.push(Self(Kind::Portable));
        all
    }

    /// Its name, as `FGN_ISA` has it.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
            Kind::Portable => "portable",
        }
    }

    /// How many numbers of a type one of its registers holds.
    pub(crate) fn width<E: Element>(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => E::Avx512::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => E::Avx2::WIDTH,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => E::Neon::WIDTH,
            Kind::Portable => E::Portable::WIDTH,
        }
    }

    /// Runs `task` as compiled for this instruction set.
    pub(crate) fn run<E: Element>(self, task: impl Task<E>) {
        // SAFETY: an `Isa` exists only where `available` found the instruction set, and AVX2 with FMA
        // wherever it found AVX-512.
        unsafe {
            match self.0 {
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => <E::Avx512 as Simd>::Target::enter::<E::Avx512>(task),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2 => Avx2::enter::<E::Avx2>(task),
                #[cfg(target_arch = "aarch64")]
                Kind::Neon => Neon::enter::<E::Neon>(task),
                Kind::Portable => Portable::enter::<E::Portable>(task),
            }
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let all = Self::available();
        all.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|isa| isa.name()).collect();
            let names = names.join(", ");
            format!("{VARIABLE}={name}: this machine has {names}; unset it to use the first")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_what_the_machine_has() {
        let error = Isa::named("sse9").unwrap_err();
        assert!(error.contains("FGN_ISA=sse9") && error.contains("portable"), "{error}");
        for isa in Isa::available() {
            assert_eq!(Isa::named(isa.name()).unwrap(), isa);
        }
    }
}
