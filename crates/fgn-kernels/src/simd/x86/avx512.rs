//! Vectors of 16 numbers, for AVX-512.

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

use fgn_core::Lane;

use crate::simd::group::Group;
use crate::simd::math;
use crate::simd::math::F32Lanes;
use crate::simd::target::Avx512;
use crate::simd::vector::{COLUMNS, Simd};
use crate::simd::x86::tables::{HIGH_HALF, power_bits};

/// 16 numbers.
#[derive(Clone, Copy)]
pub(crate) struct F32x16(__m512);

register!(
    F32x16,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_min_ps,
    _mm512_max_ps
);

impl F32Lanes for F32x16 {
    const RATIOS: u8 = 16;

    #[inline(always)]
    fn f32(value: f32) -> Self {
        Self(call!(_mm512_set1_ps(value)))
    }

    #[inline(always)]
    fn power_of_two(magic: Self) -> Self {
        Self(call!({
            const BITS: [i32; 16] = power_bits();
            // The place in the table is the lowest four bits.
            let n = _mm512_castps_si512(magic.0);
            let table = _mm512_loadu_epi32(BITS.as_ptr());
            let bits = _mm512_permutexvar_epi32(n, table);
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32::<19>(n), bits))
        }))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(call!(_mm512_abs_ps(self.0)))
    }

    /// The division unit takes up to 16 cycles for such a vector: an estimate of 14 bits and one
    /// Newton step, which takes in the rounding of the first quotient as well, are quicker.
    #[inline(always)]
    fn quotient(self, by: Self) -> Self {
        let near = Self(call!(_mm512_rcp14_ps(by.0)));
        let first = self * near;
        // In this order, zero keeps its sign.
        let excess = Self(call!(_mm512_fmsub_ps(by.0, first.0, self.0)));
        Self(call!(_mm512_fnmadd_ps(near.0, excess.0, first.0)))
    }

    #[inline(always)]
    fn limited(self, most: Self) -> Self {
        // The nearer to zero of the two, with the sign of the first; both are NaN, or neither.
        Self(call!(_mm512_range_ps::<0b0010>(self.0, most.0)))
    }
}

impl F32x16 {
    /// Where `self < bound`: `then`, else `otherwise`.
    #[inline(always)]
    fn if_less(self, bound: Self, then: Self, otherwise: Self) -> Self {
        Self(call!({
            let less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, bound.0);
            _mm512_mask_blend_ps(less, otherwise.0, then.0)
        }))
    }
}

impl Simd for F32x16 {
    type Elem = f32;
    type Target = Avx512;
    type Whole = __m512i;
    const WIDTH: usize = 16;

    #[inline(always)]
    fn broadcast(value: f32) -> Self {
        Self(call!(_mm512_set1_ps(value)))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(call!(_mm512_loadu_ps(from)))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        call!(_mm512_storeu_ps(to, self.0));
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        Self(call!(_mm512_maskz_loadu_ps(((1_u32 << count) - 1) as u16, from)))
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        call!(_mm512_mask_storeu_ps(to, ((1_u32 << count) - 1) as u16, self.0));
    }

    #[inline(always)]
    unsafe fn load_columns(from: *const f32, stride: usize) -> [Self; COLUMNS] {
        call!({
            // Each holds numbers of every fourth row.
            let mut rows = [_mm512_setzero_ps(); COLUMNS];
            for (n, rows) in rows.iter_mut().enumerate() {
                let part = from.add(n * stride);
                *rows = _mm512_castps128_ps512(_mm_loadu_ps(part));
                *rows = _mm512_insertf32x4::<1>(*rows, _mm_loadu_ps(part.add(4 * stride)));
                *rows = _mm512_insertf32x4::<2>(*rows, _mm_loadu_ps(part.add(8 * stride)));
                *rows = _mm512_insertf32x4::<3>(*rows, _mm_loadu_ps(part.add(12 * stride)));
            }
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (first, second) = (
                _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
                _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
            );
            let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            let (third, fourth) = (
                _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
                _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
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
            let pairs = _mm512_loadu_si512(from.cast());
            let first = _mm512_slli_epi32::<16>(pairs);
            let second = _mm512_and_si512(pairs, _mm512_set1_epi32(HIGH_HALF));
            [Self(_mm512_castsi512_ps(first)), Self(_mm512_castsi512_ps(second))]
        })
    }

    #[inline(always)]
    unsafe fn add_pairs(sums: __m512i, from: *const i8, by: [i16; 2]) -> __m512i {
        call!({
            let pairs = _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast()));
            let by = _mm512_set1_epi32(i32::from(by[0]) & 0xffff | i32::from(by[1]) << 16);
            _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, by))
        })
    }

    #[inline(always)]
    fn whole_zero() -> __m512i {
        call!(_mm512_setzero_si512())
    }

    #[inline(always)]
    fn from_whole(sums: __m512i) -> Self {
        Self(call!(_mm512_cvtepi32_ps(sums)))
    }
}
