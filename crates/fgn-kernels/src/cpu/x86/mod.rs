//! Registers of `f32` for AVX-512 and for AVX2 with FMA.
//!
//! Values of these types are made only inside [`Isa::run`](super::isa::Isa::run), which proves that
//! the machine has the instructions: that is what makes every intrinsic there sound to call.

/// A call of an intrinsic of the instruction set whose register type is at hand.
macro_rules! call {
    ($($intrinsic:tt)*) => {
        // SAFETY: this code runs only where the instruction set was found (see the module's page);
        // where memory is touched, the function's own contract covers it.
        unsafe { $($intrinsic)* }
    };
}

macro_rules! operator {
    ($type:ident, $trait:ident, $method:ident, $intrinsic:ident) => {
        impl $trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self(call!($intrinsic(self.0, b.0)))
            }
        }
    };
}

macro_rules! register {
    ($type:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $min:ident, $max:ident) => {
        operator!($type, Add, add, $add);
        operator!($type, Sub, sub, $sub);
        operator!($type, Mul, mul, $mul);
        operator!($type, Div, div, $div);

        impl Neg for $type {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self::f32(-0.0) - self
            }
        }

        impl Lane for $type {
            #[inline(always)]
            fn splat(value: f64) -> Self {
                Self::f32(value as f32)
            }

            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                Self(call!($fma(self.0, a.0, b.0)))
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
                // What is no number becomes −1 first: it is not at least zero.
                self.max_or(-Self::one()).if_less(Self::zero(), Self::zero(), Self::one())
            }

            #[inline(always)]
            fn min_or(self, b: Self) -> Self {
                Self(call!($min(self.0, b.0)))
            }

            #[inline(always)]
            fn max_or(self, b: Self) -> Self {
                Self(call!($max(self.0, b.0)))
            }
        }
    };
}

mod avx2;
mod avx512;

pub(crate) use avx2::F32x8;
pub(crate) use avx512::F32x16;

/// The upper 16 bits, where the second number of a pair in `bf16` is an `f32` already.
const HIGH_HALF: i32 = !0xffff;

/// `2^(n / 16)` for `n` in 0 ..= 15, rounded.
const POWERS: [f32; 16] = [
    1.0,
    1.044_273_7,
    1.090_507_7,
    1.138_788_6,
    1.189_207_1,
    1.241_857_8,
    1.296_839_6,
    1.354_255_6,
    std::f32::consts::SQRT_2,
    1.476_826_2,
    1.542_210_8,
    1.610_490_3,
    1.681_792_9,
    1.756_252_2,
    1.834_008_1,
    1.915_206_6,
];
/// The bits of `2^(n / N)` for `n` in 0 .. `N`, 8 or 16, less `n` where it comes to stand when it is shifted so that
/// whole powers of two are added to the exponent.
const fn power_bits<const N: usize>() -> [i32; N] {
    let mut bits = [0; N];
    let mut n = 0;
    while n < N {
        bits[n] = POWERS[n * POWERS.len() / N].to_bits() as i32 - ((n as i32) << (23 - N.ilog2()));
        n += 1;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looked_up_powers_are_rounded() {
        for (n, power) in POWERS.into_iter().enumerate() {
            assert_eq!(power, 2f64.powf(n as f64 / 16.0) as f32, "{n}");
        }
    }
}
