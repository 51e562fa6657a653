//! bf16 numbers: the upper half of an `f32`.

use crate::simd::vector::Element;

/// The nearest bf16 number, of two equally near ones the even one. NaN stays NaN.
#[inline(always)]
pub(crate) fn to_bf16(number: f32) -> u16 {
    let bits = number.to_bits();
    // Rounding a NaN could carry into the exponent.
    let nan = (bits >> 16) as u16 | 0x40;
    let nearest = (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16;
    if number.is_nan() { nan } else { nearest }
}

/// Its value.
#[inline(always)]
pub(crate) fn from_bf16(number: u16) -> f32 {
    f32::from_bits(u32::from(number) << 16)
}

/// The nearest bf16 number to one that is first rounded to `f32`.
#[inline(always)]
pub(crate) fn bf16_of<E: Element>(number: E) -> u16 {
    to_bf16(number.to_f64() as f32)
}

/// The number, rounded to bf16.
#[inline(always)]
pub(crate) fn rounded<E: Element>(number: E) -> E {
    E::from_f64(f64::from(from_bf16(bf16_of(number))))
}
