//! The number formats that a stream's weights are held in.

// The loops below run over several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use crate::cpu::memory::buffer::LINE;
use crate::cpu::stream::rounded::Round;
use crate::simd::bf16::number::to_bf16;
use crate::simd::isa::Isa;
use crate::simd::number::Number;
use crate::simd::vector::Simd;

/// How many vectors wide a panel of weights is.
pub(crate) const VECTORS: usize = 2;
/// How many rows of a panel are read at a time.
pub(crate) const ROWS: usize = 4;

/// How many bytes ahead of their use weights are prefetched: a few hundred nanoseconds.
const AHEAD: usize = 4096;

/// A number format for weights.
pub(crate) trait Format {
    /// What is stored for a weight.
    type Stored: Number;
    /// What the rows that the weights are multiplied by are read as.
    type Left: Number;
    /// Whether both are multiples of a scale, one for each row.
    const SCALED: bool = false;

    /// Two kinds of rows, `batch` of each, as they are read, and their scales; `own` is room for them.
    fn left<'a>(
        isa: Isa,
        batch: usize,
        rows: [&'a [f32]; 2],
        depths: [usize; 2],
        own: (&'a mut [i16], &'a mut [f32]),
    ) -> ([&'a [Self::Left]; 2], [&'a [f32]; 2]);

    /// The scale of a row of a weight matrix.
    fn scale(_row: &[f32]) -> f32 {
        1.0
    }

    /// What is stored for a weight of a row of that scale.
    fn store(weight: f32, scale: f32) -> Self::Stored;

    /// The place in a panel `columns` wide of the number in row `k` and column `column`.
    fn place(k: usize, column: usize, columns: usize) -> usize {
        // Two rows lie interleaved.
        (k / 2 * columns + column) * 2 + k % 2
    }

    /// `R` rows, `stride` numbers apart, times a panel, whose `depth` is a multiple of [`ROWS`].
    /// Numbers with a fraction are summed in `C` chains of additions, so that one need not wait for
    /// another.
    ///
    /// # Safety
    /// - From `left` on there are `R` such rows, each `depth` long.
    /// - `panel` is valid for reading `depth · VECTORS · WIDTH` numbers.
    unsafe fn sums<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        left: *const Self::Left,
        stride: usize,
        panel: *const Self::Stored,
        depth: usize,
    ) -> [[S; VECTORS]; R];
}

/// Weights as they are.
pub(crate) struct F32;

/// The upper half of an `f32`, rounded to the nearest, at a tie to the even one.
pub(crate) struct Bf16;

/// Whole numbers in −127 ..= 127, times the row's largest weight / 127. They are multiplied by rows of
/// whole numbers too, see [`Rounded`](crate::cpu::stream::rounded::Rounded): sums of products are exact.
pub(crate) struct Int8;

/// A format that is read as `f32`.
trait Floating: Format<Left = f32> {
    /// Reads the next rows of a panel.
    ///
    /// # Safety
    /// `from` is valid for reading `ROWS · VECTORS · WIDTH` numbers.
    unsafe fn load<S: Simd<Elem = f32>>(from: *const Self::Stored) -> [[S; VECTORS]; ROWS];
}

impl Format for F32 {
    type Stored = f32;
    type Left = f32;

    fn left<'a>(
        _: Isa,
        _: usize,
        rows: [&'a [f32]; 2],
        _: [usize; 2],
        _: (&'a mut [i16], &'a mut [f32]),
    ) -> ([&'a [f32]; 2], [&'a [f32]; 2]) {
        (rows, [&[]; 2])
    }

    fn store(weight: f32, _: f32) -> f32 {
        weight
    }

    fn place(k: usize, column: usize, columns: usize) -> usize {
        k * columns + column
    }

    #[inline(always)]
    unsafe fn sums<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        left: *const f32,
        stride: usize,
        panel: *const f32,
        depth: usize,
    ) -> [[S; VECTORS]; R] {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { floating_sums::<Self, S, R, C>(left, stride, panel, depth) }
    }
}

impl Floating for F32 {
    #[inline(always)]
    unsafe fn load<S: Simd<Elem = f32>>(from: *const f32) -> [[S; VECTORS]; ROWS] {
        let mut rows = [[S::zero(); VECTORS]; ROWS];
        for (n, register) in rows.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: the caller lets us read all of them.
            *register = unsafe { S::load(from.add(n * S::WIDTH)) };
        }
        rows
    }
}

impl Format for Bf16 {
    type Stored = u16;
    type Left = f32;

    fn left<'a>(
        _: Isa,
        _: usize,
        rows: [&'a [f32]; 2],
        _: [usize; 2],
        _: (&'a mut [i16], &'a mut [f32]),
    ) -> ([&'a [f32]; 2], [&'a [f32]; 2]) {
        (rows, [&[]; 2])
    }

    fn store(weight: f32, _: f32) -> u16 {
        to_bf16(weight)
    }

    #[inline(always)]
    unsafe fn sums<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        left: *const f32,
        stride: usize,
        panel: *const u16,
        depth: usize,
    ) -> [[S; VECTORS]; R] {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { floating_sums::<Self, S, R, C>(left, stride, panel, depth) }
    }
}

impl Floating for Bf16 {
    #[inline(always)]
    unsafe fn load<S: Simd<Elem = f32>>(from: *const u16) -> [[S; VECTORS]; ROWS] {
        let mut rows = [[S::zero(); VECTORS]; ROWS];
        for (n, pair) in rows.chunks_mut(2).enumerate() {
            for v in 0..VECTORS {
                let place = (n * VECTORS + v) * 2 * S::WIDTH;
                // SAFETY: the caller lets us read all of them.
                [pair[0][v], pair[1][v]] = unsafe { S::load_bf16_pairs(from.add(place)) };
            }
        }
        rows
    }
}

#[inline(always)]
unsafe fn floating_sums<F: Floating, S: Simd<Elem = f32>, const R: usize, const C: usize>(
    left: *const f32,
    stride: usize,
    panel: *const F::Stored,
    depth: usize,
) -> [[S; VECTORS]; R] {
    let mut sums = [[[S::zero(); VECTORS]; R]; C];
    for k in (0..depth).step_by(ROWS) {
        // SAFETY: the rows and the panel are `depth` long, a multiple of `ROWS`.
        unsafe {
            let rows = panel.add(k * VECTORS * S::WIDTH);
            prefetch_rows(rows, S::WIDTH);
            let weights = F::load::<S>(rows);
            for d in 0..ROWS {
                for r in 0..R {
                    let number = S::broadcast(*left.add(r * stride + k + d));
                    for v in 0..VECTORS {
                        let sum = &mut sums[d % C][r][v];
                        *sum = number.mul_add(weights[d][v], *sum);
                    }
                }
            }
        }
    }
    let mut chains = C;
    while chains > 1 {
        chains /= 2;
        for c in 0..chains {
            for r in 0..R {
                for v in 0..VECTORS {
                    sums[c][r][v] = sums[c][r][v] + sums[c + chains][r][v];
                }
            }
        }
    }
    sums[0]
}

impl Format for Int8 {
    type Stored = i8;
    type Left = i16;
    const SCALED: bool = true;

    fn left<'a>(
        isa: Isa,
        batch: usize,
        rows: [&'a [f32]; 2],
        depths: [usize; 2],
        (numbers, scales): (&'a mut [i16], &'a mut [f32]),
    ) -> ([&'a [i16]; 2], [&'a [f32]; 2]) {
        let (first, rest) = numbers.split_at_mut(rows[0].len());
        let numbers = [first, &mut rest[..rows[1].len()]];
        let (first, rest) = scales.split_at_mut(batch);
        let scales = [first, &mut rest[..batch]];
        for part in 0..2 {
            if !rows[part].is_empty() {
                let (rows, depth) = (rows[part], depths[part]);
                isa.run(Round {
                    rows,
                    depth,
                    numbers: &mut *numbers[part],
                    scales: &mut *scales[part],
                });
            }
        }
        (numbers.map(|numbers| &*numbers), scales.map(|scales| &*scales))
    }

    fn scale(row: &[f32]) -> f32 {
        if row.iter().all(|weight| weight.is_finite()) {
            row.iter().fold(0.0, |largest: f32, weight| largest.max(weight.abs())) / 127.0
        } else {
            f32::NAN
        }
    }

    fn store(weight: f32, scale: f32) -> i8 {
        // Zero where the whole row is.
        (weight / scale).round() as i8
    }

    #[inline(always)]
    unsafe fn sums<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        left: *const i16,
        stride: usize,
        panel: *const i8,
        depth: usize,
    ) -> [[S; VECTORS]; R] {
        let mut sums = [[S::whole_zero(); VECTORS]; R];
        for k in (0..depth).step_by(ROWS) {
            // SAFETY: the rows and the panel are `depth` long, a multiple of `ROWS`, which is even.
            unsafe {
                let rows = panel.add(k * VECTORS * S::WIDTH);
                prefetch_rows(rows, S::WIDTH);
                for d in (0..ROWS).step_by(2) {
                    for r in 0..R {
                        let by = left.add(r * stride + k + d).cast::<[i16; 2]>().read();
                        for v in 0..VECTORS {
                            let pairs = rows.add((d * VECTORS + 2 * v) * S::WIDTH);
                            sums[r][v] = S::add_pairs(sums[r][v], pairs, by);
                        }
                    }
                }
            }
        }
        sums.map(|row| row.map(S::from_whole))
    }
}

/// Prefetches the data read soon after the next rows of a panel.
#[inline(always)]
fn prefetch_rows<T>(rows: *const T, width: usize) {
    for line in (0..ROWS * VECTORS * width * size_of::<T>()).step_by(LINE) {
        prefetch(rows.cast::<u8>().wrapping_add(AHEAD + line));
    }
}

/// Prefetches the cache line at an address, valid or not.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every such machine has the instruction, and it neither reads nor writes.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
