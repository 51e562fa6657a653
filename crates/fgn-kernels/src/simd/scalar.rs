//! The scalar fallback for any machine, and `f64` everywhere: arrays, which the compiler maps to what the machine has.

use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Sub};

use fgn_core::Lane;

use crate::simd::math;
use crate::simd::math::F32Lanes;
use crate::simd::vector::{Element, Simd, Target};

/// `N` numbers, for the instruction set `T`.
#[derive(Clone, Copy)]
pub(crate) struct Array<E, const N: usize, T>([E; N], PhantomData<T>);

impl<E, const N: usize, T> From<[E; N]> for Array<E, N, T> {
    #[inline(always)]
    fn from(numbers: [E; N]) -> Self {
        Self(numbers, PhantomData)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<E: $trait<Output = E> + Copy, const N: usize, T: Target> $trait for Array<E, N, T> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self::from(from_fn(|k| self.0[k].$method(b.0[k])))
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl<E: Neg<Output = E> + Copy, const N: usize, T: Target> Neg for Array<E, N, T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self::from(self.0.map(|x| -x))
    }
}

impl<const N: usize, T: Target> Lane for Array<f32, N, T> {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::from([value as f32; N])
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self::from(from_fn(|k| {
            if T::FUSED { self.0[k].mul_add(a.0[k], b.0[k]) } else { self.0[k] * a.0[k] + b.0[k] }
        }))
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
        Self::from(self.0.map(|x| if x >= 0.0 { 1.0 } else { 0.0 }))
    }

    #[inline(always)]
    fn min_or(self, b: Self) -> Self {
        Self::from(from_fn(|k| if self.0[k] < b.0[k] { self.0[k] } else { b.0[k] }))
    }

    #[inline(always)]
    fn max_or(self, b: Self) -> Self {
        Self::from(from_fn(|k| if self.0[k] > b.0[k] { self.0[k] } else { b.0[k] }))
    }
}

impl<const N: usize, T: Target> F32Lanes for Array<f32, N, T> {
    #[inline(always)]
    fn f32(value: f32) -> Self {
        Self::from([value; N])
    }

    #[inline(always)]
    fn power_of_two(magic: Self) -> Self {
        Self::from(magic.0.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(127 << 23))))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self::from(self.0.map(f32::abs))
    }
}

impl<const N: usize, T: Target> Lane for Array<f64, N, T> {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::from([value; N])
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self::from(from_fn(|k| {
            if T::FUSED { self.0[k].mul_add(a.0[k], b.0[k]) } else { self.0[k] * a.0[k] + b.0[k] }
        }))
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        Self::from(self.0.map(f64::tanh))
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::from(self.0.map(Lane::sigmoid))
    }

    #[inline(always)]
    fn exp(self) -> Self {
        Self::from(self.0.map(f64::exp))
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        Self::from(self.0.map(Lane::log_sigmoid))
    }

    #[inline(always)]
    fn binary(self) -> Self {
        Self::from(self.0.map(Lane::binary))
    }

    #[inline(always)]
    fn min_or(self, b: Self) -> Self {
        Self::from(from_fn(|k| if self.0[k] < b.0[k] { self.0[k] } else { b.0[k] }))
    }

    #[inline(always)]
    fn max_or(self, b: Self) -> Self {
        Self::from(from_fn(|k| if self.0[k] > b.0[k] { self.0[k] } else { b.0[k] }))
    }
}

impl<E: Element, const N: usize, T: Target> Simd for Array<E, N, T>
where
    Self: Lane,
{
    type Elem = E;
    type Target = T;
    type Whole = [i32; N];
    const WIDTH: usize = N;

    #[inline(always)]
    fn broadcast(value: E) -> Self {
        Self::from([value; N])
    }

    #[inline(always)]
    unsafe fn load(from: *const E) -> Self {
        // SAFETY: the caller lets us read N numbers, and an array is as aligned as its numbers.
        Self::from(unsafe { from.cast::<[E; N]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut E) {
        // SAFETY: the caller lets us write N numbers, and an array is as aligned as its numbers.
        unsafe { to.cast::<[E; N]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const E, count: usize) -> Self {
        let mut numbers = [E::default(); N];
        // SAFETY: the caller lets us read `count` numbers, and no more than N are written.
        unsafe { from.copy_to_nonoverlapping(numbers.as_mut_ptr(), count) };
        Self::from(numbers)
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut E, count: usize) {
        // SAFETY: the caller lets us write `count` numbers, and no more than N are read.
        unsafe { self.0.as_ptr().copy_to_nonoverlapping(to, count) };
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2] {
        // SAFETY: the caller lets us read 2 N numbers.
        let pairs = unsafe { from.cast::<[[u16; 2]; N]>().read() };
        [0, 1].map(|place| {
            Self::from(pairs.map(|pair| {
                let number = f32::from_bits(u32::from(pair[place]) << 16);
                E::from_f64(f64::from(number))
            }))
        })
    }

    #[inline(always)]
    unsafe fn add_pairs(sums: [i32; N], from: *const i8, by: [i16; 2]) -> [i32; N] {
        // SAFETY: the caller lets us read 2 N numbers.
        let pairs = unsafe { from.cast::<[[i8; 2]; N]>().read() };
        let by = by.map(i32::from);
        from_fn(|k| {
            let [a, b] = pairs[k].map(i32::from);
            sums[k] + (a * by[0] + b * by[1])
        })
    }

    #[inline(always)]
    fn whole_zero() -> [i32; N] {
        [0; N]
    }

    #[inline(always)]
    fn from_whole(sums: [i32; N]) -> Self {
        Self::from(sums.map(|sum| E::from_f64(f64::from(sum))))
    }
}
