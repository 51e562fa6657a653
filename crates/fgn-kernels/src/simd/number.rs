//! Plain numbers, which any bits are a value of.

// Plain numbers, as memory is filled with.
///
/// # Safety
/// Every bit pattern is a valid value.
pub(crate) unsafe trait Number: Copy + Send + Sync {}

// SAFETY: every pattern of 32 bits is an `f32`.
unsafe impl Number for f32 {}
// SAFETY: every pattern of 64 bits is an `f64`.
unsafe impl Number for f64 {}
// SAFETY: every pattern of 16 bits is a `u16`.
unsafe impl Number for u16 {}
// SAFETY: every pattern of 8 bits is an `i8`.
unsafe impl Number for i8 {}
// SAFETY: every pattern of 16 bits is an `i16`.
unsafe impl Number for i16 {}
