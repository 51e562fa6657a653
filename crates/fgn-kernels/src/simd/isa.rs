//! Which instruction set the kernels run on, found at run time.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::simd::target::Avx2;
#[cfg(target_arch = "aarch64")]
use crate::simd::target::Neon;
use crate::simd::target::Portable;
use crate::simd::vector::{Element, Simd, Target, Task};

// The environment variable that forces an instruction set.
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

    /// How many numbers of a type one of its vectors holds.
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
