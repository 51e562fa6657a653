//! Vectors of `f32` for NEON.
//!
//! Every AArch64 machine has the instructions: that is what makes every intrinsic below sound to call.

use std::arch::aarch64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

use fgn_core::Lane;

use crate::simd::group::Group;
use crate::simd::math;
use crate::simd::math::F32Lanes;
#[cfg(target_arch = "aarch64")]
use crate::simd::target::Neon;
use crate::simd::vector::{Simd, Target};

/// 4 numbers.
#[derive(Clone, Copy)]
pub(crate) struct F32x4(float32x4_t);

/// A call of an intrinsic.
macro_rules! call {
    ($($intrinsic:tt)*) => {
        // SAFETY: the machine has the instruction (see the module's page); where memory is touched, the
        // function's own contract covers it.
        unsafe { $($intrinsic)* }
    };
}

macro_rules! operators {
    ($($trait:ident $method:ident $intrinsic:ident),*) => {
        $(impl $trait for F32x4 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self(call!($intrinsic(self.0, b.0)))
            }
        })*
    };
}

operators!(Add add vaddq_f32, Sub sub vsubq_f32, Mul mul vmulq_f32, Div div vdivq_f32);

impl Neg for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(call!(vnegq_f32(self.0)))
    }
}

impl Lane for F32x4 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::f32(value as f32)
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(call!(vfmaq_f32(b.0, self.0, a.0)))
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        math::tanh(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        math::sigmoid(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        math::exp(self)
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        math::log_sigmoid(self)
    }

    #[inline(always)]
    fn binary(self) -> Self {
        Self(call!(vbslq_f32(vcgezq_f32(self.0), Self::one().0, Self::zero().0)))
    }

    #[inline(always)]
    fn min_or(self, b: Self) -> Self {
        self.if_less(b, self, b)
    }

    #[inline(always)]
    fn max_or(self, b: Self) -> Self {
        b.if_less(self, self, b)
    }
}

impl F32Lanes for F32x4 {
    #[inline(always)]
    fn f32(value: f32) -> Self {
        Self(call!(vdupq_n_f32(value)))
    }

    #[inline(always)]
    fn power_of_two(magic: Self) -> Self {
        Self(call!({
            let exponent = vshlq_n_s32::<23>(vreinterpretq_s32_f32(magic.0));
            vreinterpretq_f32_s32(vaddq_s32(exponent, vdupq_n_s32(127 << 23)))
        }))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(call!(vabsq_f32(self.0)))
    }
}

impl F32x4 {
    /// Where `self < bound`: `then`, else `otherwise`.
    #[inline(always)]
    fn if_less(self, bound: Self, then: Self, otherwise: Self) -> Self {
        Self(call!(vbslq_f32(vcltq_f32(self.0, bound.0), then.0, otherwise.0)))
    }
}

impl Simd for F32x4 {
    type Elem = f32;
    type Target = Neon;
    type Whole = int32x4_t;
    const WIDTH: usize = 4;

    #[inline(always)]
    fn broadcast(value: f32) -> Self {
        Self::f32(value)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(call!(vld1q_f32(from)))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        call!(vst1q_f32(to, self.0));
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut numbers = [0.0; Self::WIDTH];
        // SAFETY: the caller lets us read `count` numbers, and no more than 4 are written.
        unsafe {
            if count == Self::WIDTH {
                return Self::load(from);
            }
            from.copy_to_nonoverlapping(numbers.as_mut_ptr(), count);
            Self::load(numbers.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        let mut numbers = [0.0; Self::WIDTH];
        // SAFETY: the caller lets us write `count` numbers, and no more than 4 are read.
        unsafe {
            if count == Self::WIDTH {
                return self.store(to);
            }
            self.store(numbers.as_mut_ptr());
            numbers.as_ptr().copy_to_nonoverlapping(to, count);
        }
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
        let uint16x4x2_t(first, second) = call!(vld2_u16(from));
        [first, second].map(|upper_halves| {
            Self(call!(vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(upper_halves)))))
        })
    }

    #[inline(always)]
    unsafe fn add_pairs(sums: int32x4_t, from: *const i8, by: [i16; 2]) -> int32x4_t {
        call!({
            let pairs = vmovl_s8(vld1_s8(from));
            let by = i32::from(by[0]) & 0xffff | i32::from(by[1]) << 16;
            let by = vreinterpret_s16_s32(vdup_n_s32(by));
            let low = vmull_s16(vget_low_s16(pairs), by);
            let high = vmull_s16(vget_high_s16(pairs), by);
            vaddq_s32(sums, vpaddq_s32(low, high))
        })
    }

    #[inline(always)]
    fn whole_zero() -> int32x4_t {
        call!(vdupq_n_s32(0))
    }

    #[inline(always)]
    fn from_whole(sums: int32x4_t) -> Self {
        Self(call!(vcvtq_f32_s32(sums)))
    }
}
