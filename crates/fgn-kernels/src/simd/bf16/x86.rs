//! The instructions of x86-64.

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid, __cpuid_count, __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};
use std::sync::OnceLock;

use crate::simd::bf16::block::{BLOCK, DotBlock, DotEngine};

/// AVX512-BF16: `VDPBF16PS` on vectors of 16 sums.
pub(crate) struct Avx512Bf16;

/// AMX-BF16: `TDPBF16PS` on tiles of 16 x 16 sums, four of which are a block.
pub(crate) struct Amx;

/// Numbers in a vector, and the side of a tile.
const WIDTH: usize = 16;

impl Avx512Bf16 {
    /// Whether the machine has it.
    pub(crate) fn is_available() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
    }
}

/// Rows whose sums stay in registers together.
const ROWS: usize = 8;

impl DotEngine for Avx512Bf16 {
    const ROWS: usize = 1;
    const PAIRS: usize = 1;

    unsafe fn multiply_add(block: &DotBlock) {
        for first in (0..block.rows).step_by(ROWS) {
            let rows = ROWS.min(block.rows - first);
            for column in (0..block.columns).step_by(2 * WIDTH) {
                let both = block.columns - column >= 2 * WIDTH;
                // SAFETY: the caller's promise: the machine has the instructions, and rows and columns are there.
                unsafe {
                    match (rows, both) {
                        (1, false) => sums::<1, 1>(block, first, column),
                        (2, false) => sums::<2, 1>(block, first, column),
                        (3, false) => sums::<3, 1>(block, first, column),
                        (4, false) => sums::<4, 1>(block, first, column),
                        (5, false) => sums::<5, 1>(block, first, column),
                        (6, false) => sums::<6, 1>(block, first, column),
                        (7, false) => sums::<7, 1>(block, first, column),
                        (_, false) => sums::<8, 1>(block, first, column),
                        (1, true) => sums::<1, 2>(block, first, column),
                        (2, true) => sums::<2, 2>(block, first, column),
                        (3, true) => sums::<3, 2>(block, first, column),
                        (4, true) => sums::<4, 2>(block, first, column),
                        (5, true) => sums::<5, 2>(block, first, column),
                        (6, true) => sums::<6, 2>(block, first, column),
                        (7, true) => sums::<7, 2>(block, first, column),
                        (_, true) => sums::<8, 2>(block, first, column),
                    }
                }
            }
        }
    }
}

/// `R` rows by `V` vectors of a block.
///
/// # Safety
/// The machine has the instructions, and the block the rows and columns.
#[target_feature(enable = "avx512f,avx512bf16")]
// Loops over the registers unroll only as written.
#[allow(clippy::needless_range_loop)]
unsafe fn sums<const R: usize, const V: usize>(block: &DotBlock, first: usize, column: usize) {
    let mut all: [[__m512; V]; R] = [[_mm512_setzero_ps(); V]; R];
    // SAFETY: the caller's promise.
    unsafe {
        for r in 0..R {
            for v in 0..V {
                let sums = block.sums.add((first + r) * BLOCK + column + v * WIDTH);
                all[r][v] = _mm512_loadu_ps(sums);
            }
        }
        for p in 0..block.pairs {
            let from = block.right.add(p * block.right_stride + 2 * column);
            let mut right: [__m512bh; V] = [bf16(_mm512_set1_epi32(0)); V];
            for v in 0..V {
                right[v] = bf16(_mm512_loadu_si512(from.add(2 * v * WIDTH).cast()));
            }
            for r in 0..R {
                let pair = block.left.add((first + r) * block.left_stride + 2 * p).cast::<i32>();
                let left = bf16(_mm512_set1_epi32(pair.read_unaligned()));
                for v in 0..V {
                    all[r][v] = _mm512_dpbf16_ps(all[r][v], left, right[v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                let sums = block.sums.add((first + r) * BLOCK + column + v * WIDTH);
                _mm512_storeu_ps(sums, all[r][v]);
            }
        }
    }
}

/// The same bits as bf16 numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 plain bits.
    unsafe { std::mem::transmute(bits) }
}

/// Of CPUID leaf 7, register EDX: AMX-BF16 and AMX-TILE.
const AMX_FEATURES: u32 = 1 << 22 | 1 << 24;
/// Of CPUID leaf 1, register ECX: the system saves extended states.
const OSXSAVE: u32 = 1 << 27;

impl Amx {
    /// Whether the machine has it and the system lets the process use it.
    pub(crate) fn is_available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            // Newer compilers know that these are safe.
            #[allow(unused_unsafe)]
            // SAFETY: every x86-64 has the instruction, and the highest leaf is asked first.
            let has = unsafe {
                __cpuid(0).eax >= 7
                    && __cpuid(1).ecx & OSXSAVE != 0
                    && __cpuid_count(7, 0).edx & AMX_FEATURES == AMX_FEATURES
            };
            has && ask_for_tiles()
        })
    }
}

/// Asks the system for the state of tiles, for all threads of the process: Linux saves it only for processes that asked.
#[cfg(target_os = "linux")]
fn ask_for_tiles() -> bool {
    const SYS_ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let mut result = SYS_ARCH_PRCTL;
    // SAFETY: the call changes which instructions the process may use, and no memory.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn ask_for_tiles() -> bool {
    false
}

/// What `LDTILECFG` reads: eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static TILES: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Bytes from one row of sums to the next.
const SUMS_STRIDE: usize = BLOCK * size_of::<f32>();

impl DotEngine for Amx {
    const ROWS: usize = 16;
    const PAIRS: usize = 16;

    unsafe fn begin() {
        // SAFETY: the machine has the instruction, and the configuration is valid.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const TILES, options(nostack, preserves_flags, readonly));
        }
    }

    unsafe fn end() {
        // SAFETY: the machine has the instruction.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }

    unsafe fn multiply_add(block: &DotBlock) {
        if block.pairs == 0 {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            if block.rows > WIDTH && block.columns > WIDTH {
                return four_tiles(block);
            }
            for row in (0..block.rows).step_by(WIDTH) {
                for column in (0..block.columns).step_by(WIDTH) {
                    one_tile(block, row, column);
                }
            }
        }
    }
}

/// 32 x 32 sums.
///
/// # Safety
/// As [`DotEngine::multiply_add`], with more than 16 rows, 32 columns, and at least 16 pairs.
unsafe fn four_tiles(block: &DotBlock) {
    let left_stride = 2 * block.left_stride;
    let right_stride = 2 * block.right_stride;
    // SAFETY: the caller's promise; the thread's tiles have 16 rows of 64 bytes.
    unsafe {
        asm!(
            "tileloadd tmm0, [{sums} + {sums_stride}*1]",
            "tileloadd tmm1, [{sums} + {sums_stride}*1 + 64]",
            "tileloadd tmm2, [{low} + {sums_stride}*1]",
            "tileloadd tmm3, [{low} + {sums_stride}*1 + 64]",
            "2:",
            "tileloadd tmm4, [{upper_left} + {left_stride}*1]",
            "tileloadd tmm6, [{right} + {right_stride}*1]",
            "tileloadd tmm7, [{right} + {right_stride}*1 + 64]",
            "tileloadd tmm5, [{lower_left} + {left_stride}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper_left}, 64",
            "add {lower_left}, 64",
            "add {right}, {right_step}",
            "dec {count}",
            "jnz 2b",
            "tilestored [{sums} + {sums_stride}*1], tmm0",
            "tilestored [{sums} + {sums_stride}*1 + 64], tmm1",
            "tilestored [{low} + {sums_stride}*1], tmm2",
            "tilestored [{low} + {sums_stride}*1 + 64], tmm3",
            sums = in(reg) block.sums,
            low = in(reg) block.sums.add(WIDTH * BLOCK),
            sums_stride = in(reg) SUMS_STRIDE,
            upper_left = inout(reg) block.left => _,
            lower_left = inout(reg) block.left.add(WIDTH * block.left_stride) => _,
            left_stride = in(reg) left_stride,
            right = inout(reg) block.right => _,
            right_stride = in(reg) right_stride,
            right_step = in(reg) WIDTH * right_stride,
            count = inout(reg) block.pairs / Amx::PAIRS => _,
            options(nostack),
        );
    }
}

/// 16 x 16 sums.
///
/// # Safety
/// As [`DotEngine::multiply_add`], with at least 16 pairs.
unsafe fn one_tile(block: &DotBlock, row: usize, column: usize) {
    let left_stride = 2 * block.left_stride;
    let right_stride = 2 * block.right_stride;
    // SAFETY: the caller's promise; the thread's tiles have 16 rows of 64 bytes.
    unsafe {
        asm!(
            "tileloadd tmm0, [{sums} + {sums_stride}*1]",
            "2:",
            "tileloadd tmm4, [{left} + {left_stride}*1]",
            "tileloadd tmm6, [{right} + {right_stride}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "add {left}, 64",
            "add {right}, {right_step}",
            "dec {count}",
            "jnz 2b",
            "tilestored [{sums} + {sums_stride}*1], tmm0",
            sums = in(reg) block.sums.add(row * BLOCK + column),
            sums_stride = in(reg) SUMS_STRIDE,
            left = inout(reg) block.left.add(row * block.left_stride) => _,
            left_stride = in(reg) left_stride,
            right = inout(reg) block.right.add(2 * column) => _,
            right_stride = in(reg) right_stride,
            right_step = in(reg) WIDTH * right_stride,
            count = inout(reg) block.pairs / Amx::PAIRS => _,
            options(nostack),
        );
    }
}
