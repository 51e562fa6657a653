//! The number formats that a stream's weights are held in.

// The loops below run over several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use crate::cpu::buffer::Number;
use crate::cpu::simd::Simd;

/// How many registers wide a panel of weights is.
pub(super) const VECTORS: usize = 2;
/// How many rows of a panel are read at a time.
pub(super) const ROWS: usize = 4;

/// A number format for weights.
pub(super) trait Format {
    /// What is stored for a weight.
    type Stored: Number;
    /// Whether what is stored is a multiple of a scale, one for each row of a weight matrix.
    const SCALED: bool = false;

    /// The scale of a row of a weight matrix.
    fn scale(_row: &[f32]) -> f32 {
        1.0
    }

    /// What is stored for a weight of a row of that scale.
    fn store(weight: f32, scale: f32) -> Self::Stored;

    /// The place in a panel `columns` wide of the number in row `k` and column `column`.
    fn place(k: usize, column: usize, columns: usize) -> usize {
        k * columns + column
    }

    /// Reads the next rows of a panel.
    ///
    /// # Safety
    /// `from` is valid for reading `ROWS · VECTORS · WIDTH` numbers.
    unsafe fn load<S: Simd<Elem = f32>>(from: *const Self::Stored) -> [[S; VECTORS]; ROWS];
}

/// Weights as they are.
pub(super) struct F32;

/// The upper half of an `f32`, rounded to the nearest, at a tie to the even one.
pub(super) struct Bf16;

/// Whole numbers in −127 ..= 127, times the row's largest weight / 127.
pub(super) struct Int8;

impl Format for F32 {
    type Stored = f32;

    fn store(weight: f32, _: f32) -> f32 {
        weight
    }

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

    fn store(weight: f32, _: f32) -> u16 {
        let bits = weight.to_bits();
        if weight.is_nan() {
            // Rounding could carry into the exponent; this keeps it no number.
            return (bits >> 16) as u16 | 1;
        }
        ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
    }

    /// Two rows lie interleaved.
    fn place(k: usize, column: usize, columns: usize) -> usize {
        (k / 2 * columns + column) * 2 + k % 2
    }

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

impl Format for Int8 {
    type Stored = i8;
    const SCALED: bool = true;

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
    unsafe fn load<S: Simd<Elem = f32>>(from: *const i8) -> [[S; VECTORS]; ROWS] {
        let mut rows = [[S::zero(); VECTORS]; ROWS];
        for (n, register) in rows.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: the caller lets us read all of them.
            *register = unsafe { S::load_i8(from.add(n * S::WIDTH)) };
        }
        rows
    }
}
