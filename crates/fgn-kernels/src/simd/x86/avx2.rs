//! Vectors of 8 numbers, for AVX2 with FMA.

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

use fgn_core::Lane;

use crate::simd::group::Group;
use crate::simd::math;
use crate::simd::math::F32Lanes;
use crate::simd::target::Avx2;
use crate::simd::vector::{COLUMNS, Simd};
use crate::simd::x86::tables::{HIGH_HALF, power_bits};

/// 8 numbers.
#[derive(Clone, Copy)]
pub(crate) struct F32x8(__m256);

register!(
    F32x8,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_min_ps,
    _mm256_max_ps
);

impl F32Lanes for F32x8 {
    const RATIOS: u8 = 8;

    #[inline(always)]
    fn f32(value: f32) -> Self {
        Self(call!(_mm256_set1_ps(value)))
    }

    #[inline(always)]
    fn power_of_two(magic: Self) -> Self {
        Self(call!({
            const BITS: [i32; 8] = power_bits();
            // The place in the table is the lowest three bits.
            let n = _mm256_castps_si256(magic.0);
            let table = _mm256_loadu_si256(BITS.as_ptr().cast());
            let bits = _mm256_permutevar8x32_epi32(table, n);
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32::<20>(n), bits))
        }))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(call!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)))
    }
}

impl F32x8 {
    /// Where `self < bound`: `then`, else `otherwise`.
    #[inline(always)]
    fn if_less(self, bound: Self, then: Self, otherwise: Self) -> Self {
        Self(call!({
            let less = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, bound.0);
            _mm256_blendv_ps(otherwise.0, then.0, less)
        }))
    }

    /// All bits set in the first `count` places.
    #[inline(always)]
    fn mask(count: usize) -> __m256i {
        call!({
            let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), places)
        })
    }
}

impl Simd for F32x8 {
    type Elem = f32;
    type Target = Avx2;
    type Whole = __m256i;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn broadcast(value: f32) -> Self {
        Self(call!(_mm256_set1_ps(value)))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(call!(_mm256_loadu_ps(from)))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        call!(_mm256_storeu_ps(to, self.0));
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        if count == Self::WIDTH {
            return Self(call!(_mm256_loadu_ps(from)));
        }
        Self(call!(_mm256_maskload_ps(from, Self::mask(count))))
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // Some machines take long for a masked one.
        if count == Self::WIDTH {
            return call!(_mm256_storeu_ps(to, self.0));
        }
        call!(_mm256_maskstore_ps(to, Self::mask(count), self.0));
    }

    #[inline(always)]
    unsafe fn load_columns(from: *const f32, stride: usize) -> [Self; COLUMNS] {
        call!({
            // Each holds numbers of every fourth row.
            let mut rows = [_mm256_setzero_ps(); COLUMNS];
            for (n, rows) in rows.iter_mut().enumerate() {
                let part = from.add(n * stride);
                *rows = _mm256_castps128_ps256(_mm_loadu_ps(part));
                *rows = _mm256_insertf128_ps::<1>(*rows, _mm_loadu_ps(part.add(4 * stride)));
            }
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (first, second) = (
                _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(ab), _mm256_castps_pd(cd))),
                _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(ab), _mm256_castps_pd(cd))),
            );
            let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            let (third, fourth) = (
                _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(ab), _mm256_castps_pd(cd))),
                _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(ab), _mm256_castps_pd(cd))),
            );
            [Self(first), Self(second), Self(third), Self(fourth)]
        })
    }

    #[inline(always)]
    fn tanh_all<const N: usize>(all: [Self; N]) -> [Self; N] {
        math::tanh(Group(all)).0
    }

    #[inline(always)]
    fn sigmoid_all<const N: usize>(all: [Self; N]) -> [Self; N] {
        math::sigmoid(Group(all)).0
    }

    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2] {
        call!({
            let pairs = _mm256_loadu_si256(from.cast());
            let first = _mm256_slli_epi32::<16>(pairs);
            let second = _mm256_and_si256(pairs, _mm256_set1_epi32(HIGH_HALF));
            [Self(_mm256_castsi256_ps(first)), Self(_mm256_castsi256_ps(second))]
        })
    }

    #[inline(always)]
    unsafe fn add_pairs(sums: __m256i, from: *const i8, by: [i16; 2]) -> __m256i {
        call!({
            let pairs = _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast()));
            let by = _mm256_set1_epi32(i32::from(by[0]) & 0xffff | i32::from(by[1]) << 16);
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, by))
        })
    }

    #[inline(always)]
    fn whole_zero() -> __m256i {
        call!(_mm256_setzero_si256())
    }

    #[inline(always)]
    fn from_whole(sums: __m256i) -> Self {
        Self(call!(_mm256_cvtepi32_ps(sums)))
    }
}
