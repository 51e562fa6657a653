//! Which engine multiplies bf16 numbers, found and measured at run time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::simd::bf16::block::{BLOCK, DotBlock, DotEngine};
use crate::simd::bf16::emulated::{EmulatedAmx, EmulatedAvx512};
#[cfg(target_arch = "x86_64")]
use crate::simd::bf16::x86::{Amx, Avx512Bf16};
use crate::simd::isa::Isa;

// The environment variable that forces an engine.
const VARIABLE: &str = "FGN_BF16";

/// What multiplies bf16 numbers, with sums in `f32`. Holding one proves that the machine has it.
///
/// | name | is |
/// |---|---|
/// | `amx` | AMX-BF16: tiles of 16 x 16 sums |
/// | `avx512-bf16` | AVX512-BF16: vectors of 16 sums |
/// | `f32` | multiply-adds in `f32` of numbers rounded to bf16, on any machine: no faster than `f32` |
/// | `emulated-amx`, `emulated-avx512-bf16` | the exact arithmetic of the two, in scalar code, for tests |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bf16Engine(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    EmulatedAmx,
    EmulatedAvx512,
    F32,
}

/// The calling thread's permission to multiply blocks, until it is dropped.
pub(crate) struct Session(Bf16Engine);

/// Does the same with the engine of a kind, given as a type.
macro_rules! with_engine {
    ($kind:expr, $engine:ident => $value:expr, $other:expr) => {
        match $kind {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => {
                type $engine = Amx;
                $value
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                type $engine = Avx512Bf16;
                $value
            }
            Kind::EmulatedAmx => {
                type $engine = EmulatedAmx;
                $value
            }
            Kind::EmulatedAvx512 => {
                type $engine = EmulatedAvx512;
                $value
            }
            Kind::F32 => $other,
        }
    };
}

impl Bf16Engine {
    /// Multiply-adds in `f32` of rounded numbers, which every machine has.
    pub(crate) const F32: Self = Self(Kind::F32);

    /// The one that runs with [`Precision::Bf16`](crate::Precision::Bf16) use: what `FGN_BF16` asks for, else the one that
    /// is fastest in a measurement of a few milliseconds, which the process makes once.
    ///
    /// Engines add in different orders, so their results differ in the last bits. Set `FGN_BF16` where two processes
    /// must agree bit by bit.
    ///
    /// # Errors
    /// If `FGN_BF16` names none, or one that this machine does not have; and as [`Isa::active`].
    pub fn active() -> candle_core::Result<Self> {
        static ACTIVE: OnceLock<Result<Bf16Engine, String>> = OnceLock::new();
        let isa = Isa::active()?;
        let found = ACTIVE.get_or_init(|| match std::env::var(VARIABLE) {
            Ok(name) => Self::named(isa, &name),
            Err(_) => Ok(fastest(&Self::available(isa))),
        });
        found.clone().map_err(candle_core::Error::msg)
    }

    /// All that this machine has beside kernels for `isa`; the last is `f32`, which every machine has. The instructions
    /// need the vectors of AVX-512 around them.
    pub fn available(isa: Isa) -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if isa.width::<f32>() == 16 {
            if Amx::is_available() {
                all.push(Self(Kind::Amx));
            }
            if Avx512Bf16::is_available() {
                all.push(Self(Kind::Avx512));
            }
        }
        let _ = isa;
        all.push(Self::F32);
        all
    }

    /// The emulations of instructions, for tests on machines without them.
    pub fn emulated() -> [Self; 2] {
        [Self(Kind::EmulatedAmx), Self(Kind::EmulatedAvx512)]
    }

    /// Its name, as `FGN_BF16` has it.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => "amx",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512-bf16",
            Kind::EmulatedAmx => "emulated-amx",
            Kind::EmulatedAvx512 => "emulated-avx512-bf16",
            Kind::F32 => "f32",
        }
    }

    /// Whether the machine multiplies bf16 numbers faster than `f32`.
    pub fn is_native(self) -> bool {
        !matches!(self.0, Kind::EmulatedAmx | Kind::EmulatedAvx512 | Kind::F32)
    }

    /// Whether it multiplies blocks of pairs, instead of tiles in `f32`.
    pub(crate) fn multiplies_pairs(self) -> bool {
        self.0 != Kind::F32
    }

    /// Blocks have rows up to a multiple of this, see [`DotEngine::ROWS`].
    pub(crate) fn rows(self) -> usize {
        with_engine!(self.0, E => E::ROWS, 1)
    }

    /// Sums have terms up to a multiple of this: two for each of [`DotEngine::PAIRS`].
    pub(crate) fn terms(self) -> usize {
        with_engine!(self.0, E => 2 * E::PAIRS, 1)
    }

    /// Prepares the calling thread to multiply blocks.
    pub(crate) fn session(self) -> Session {
        // SAFETY: an engine exists only where the machine has it.
        with_engine!(self.0, E => unsafe { E::begin() }, ());
        Session(self)
    }

    fn named(isa: Isa, name: &str) -> Result<Self, String> {
        let all = Self::available(isa);
        let known = all.iter().copied().chain(Self::emulated());
        known.into_iter().find(|engine| engine.name() == name).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|engine| engine.name()).collect();
            let (names, isa) = (names.join(", "), isa.name());
            format!(
                "{VARIABLE}={name}: with {isa} this machine has {names}; unset it to use the fastest"
            )
        })
    }
}

impl Session {
    /// Adds the product of a block to its sums. Does nothing for an engine without blocks.
    ///
    /// # Safety
    /// The block is as [`DotEngine::multiply_add`] wants it.
    pub(crate) unsafe fn multiply_add(&self, block: &DotBlock) {
        // SAFETY: the caller's promise; an engine exists only where the machine has it.
        with_engine!(self.0.0, E => unsafe { E::multiply_add(block) }, ());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: an engine exists only where the machine has it.
        with_engine!(self.0.0, E => unsafe { E::end() }, ());
    }
}

/// The one of those that multiply blocks which takes the shortest time for one; the last of all, if none does.
fn fastest(engines: &[Bf16Engine]) -> Bf16Engine {
    let native = engines.iter().copied().filter(|engine| engine.is_native());
    let native: Vec<_> = native.collect();
    match native[..] {
        [] => Bf16Engine::F32,
        [one] => one,
        _ => native.into_iter().min_by_key(|&engine| time(engine)).unwrap_or(Bf16Engine::F32),
    }
}

/// The shortest of some times for a few blocks.
fn time(engine: Bf16Engine) -> Duration {
    const TRIES: usize = 20;
    const BLOCKS: usize = 20;
    (0..TRIES)
        .map(|_| {
            let begin = Instant::now();
            multiply_blocks(engine, BLOCKS);
            begin.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// Multiplies `blocks` blocks that stay in the L1 and L2 caches. Gives the number of multiply-adds.
pub(crate) fn multiply_blocks(engine: Bf16Engine, blocks: usize) -> usize {
    const PAIRS: usize = 256;
    if !engine.multiplies_pairs() {
        return 0;
    }
    // Ones, as bf16.
    let left = vec![0x3f80_u16; BLOCK * 2 * PAIRS];
    let right = vec![0x3f80_u16; PAIRS * 2 * BLOCK];
    let mut sums = vec![0.0_f32; BLOCK * BLOCK];
    let session = engine.session();
    for _ in 0..blocks {
        let block = DotBlock {
            left: left.as_ptr(),
            left_stride: 2 * PAIRS,
            right: right.as_ptr(),
            right_stride: 2 * BLOCK,
            pairs: PAIRS,
            rows: BLOCK,
            columns: BLOCK,
            sums: std::hint::black_box(sums.as_mut_ptr()),
        };
        // SAFETY: the block is as large as an engine takes, and so are the matrices.
        unsafe { session.multiply_add(&block) };
    }
    std::hint::black_box(&sums);
    blocks * BLOCK * BLOCK * 2 * PAIRS
}
