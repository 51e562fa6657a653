//! What the two vector types of x86-64 have in common.

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
                // What is NaN becomes −1 first: it is not at least zero.
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
