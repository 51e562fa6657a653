//! What the kernels need of an instruction set: SIMD vectors, and functions compiled for it.
//!
//! A kernel is a [`Task`], generic over the vector type. [`Isa::run`](crate::simd::isa::Isa::run) instantiates it for
//! the instruction set at hand. Everything on the way from a task to an intrinsic is `#[inline(always)]` and outside of
//! closures: code that is not inlined is compiled without the instruction set's features, and is many times slower.

use fgn_core::Lane;

use crate::simd::number::Number;

/// Work that is compiled once for each instruction set.
pub(crate) trait Task<E: Element> {
    /// Does it. Implementations are `#[inline(always)]`, as is all that they call on the way to an
    /// intrinsic: only then is it compiled for the instruction set at hand.
    fn run<S: Simd<Elem = E>>(self);
}

/// An instruction set at compile time.
pub(crate) trait Target: Copy {
    /// Whether it has a quick fused multiply-add.
    const FUSED: bool;
    /// How many registers kernels may plan with.
    const REGISTERS: usize;

    /// Prefetches the cache line at any address, valid or not.
    #[inline(always)]
    fn prefetch<E>(_address: *const E) {}

    /// As [`prefetch`](Self::prefetch), to the L1 cache and for writing.
    #[inline(always)]
    fn prefetch_write<E>(_address: *mut E) {}

    /// Runs `task` as a function of its own, compiled for this instruction set.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn enter<S: Simd>(task: impl Task<S::Elem>);
}

/// How many columns [`Simd::load_columns`] reads.
pub(crate) const COLUMNS: usize = 4;
/// The most numbers that a vector holds.
pub(crate) const MAX_WIDTH: usize = 16;

/// A SIMD vector of numbers, and the way between it and memory.
pub(crate) trait Simd: Lane {
    /// The number type.
    type Elem: Element;
    /// The instruction set that has such vectors.
    type Target: Target;
    /// A vector of sums of whole numbers, `i32`.
    type Whole: Copy;
    /// The number of elements.
    const WIDTH: usize;

    /// The same number in every element.
    fn broadcast(value: Self::Elem) -> Self;

    /// Reads `WIDTH` numbers.
    ///
    /// # Safety
    /// `from` is valid for reading `WIDTH` numbers.
    unsafe fn load(from: *const Self::Elem) -> Self;

    /// Writes `WIDTH` numbers.
    ///
    /// # Safety
    /// `to` is valid for writing `WIDTH` numbers.
    unsafe fn store(self, to: *mut Self::Elem);

    /// Reads `count` numbers, and zero for the rest.
    ///
    /// # Safety
    /// `from` is valid for reading `count` numbers, and `count <= WIDTH`.
    unsafe fn load_first(from: *const Self::Elem, count: usize) -> Self;

    /// Writes the first `count` numbers.
    ///
    /// # Safety
    /// `to` is valid for writing `count` numbers, and `count <= WIDTH`.
    unsafe fn store_first(self, to: *mut Self::Elem, count: usize);

    /// Reads the first numbers of `WIDTH` rows that lie `stride` numbers apart: the first of each, the second
    /// of each, and so on.
    ///
    /// # Safety
    /// In each row `from` is valid for reading `COLUMNS` numbers.
    #[inline(always)]
    unsafe fn load_columns(from: *const Self::Elem, stride: usize) -> [Self; COLUMNS] {
        let mut columns = [Self::zero(); COLUMNS];
        for (c, column) in columns.iter_mut().enumerate() {
            let mut numbers = [Self::Elem::default(); MAX_WIDTH];
            for (row, number) in numbers.iter_mut().enumerate().take(Self::WIDTH) {
                // SAFETY: the caller's promise.
                *number = unsafe { *from.add(row * stride + c) };
            }
            // SAFETY: no vector holds more than there are.
            *column = unsafe { Self::load(numbers.as_ptr()) };
        }
        columns
    }

    /// The hyperbolic tangents of several vectors, computed side by side.
    #[inline(always)]
    fn tanh_all<const N: usize>(mut all: [Self; N]) -> [Self; N] {
        for one in &mut all {
            *one = one.tanh();
        }
        all
    }

    /// The logistic sigmoids of several vectors, computed side by side.
    #[inline(always)]
    fn sigmoid_all<const N: usize>(mut all: [Self; N]) -> [Self; N] {
        for one in &mut all {
            *one = one.sigmoid();
        }
        all
    }

    /// Reads `WIDTH` pairs of numbers in `bf16`: the first of each, and the second of each.
    ///
    /// # Safety
    /// `from` is valid for reading `2 · WIDTH` numbers.
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2];

    /// For each of `WIDTH` pairs `from` memory, adds its product with the pair `by`, `from[0] · by[0] +
    /// from[1] · by[1]`, to a sum.
    ///
    /// # Safety
    /// `from` is valid for reading `2 · WIDTH` numbers.
    unsafe fn add_pairs(sums: Self::Whole, from: *const i8, by: [i16; 2]) -> Self::Whole;

    /// Sums of zero.
    fn whole_zero() -> Self::Whole;

    /// The nearest numbers to sums.
    fn from_whole(sums: Self::Whole) -> Self;
}

/// A number type that the kernels run on, with its vector for each instruction set.
pub(crate) trait Element:
    Number
    + candle_core::WithDType
    + Default
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::AddAssign
{
    /// For AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Simd<Elem = Self>;
    /// For AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Simd<Elem = Self>;
    /// For NEON.
    #[cfg(target_arch = "aarch64")]
    type Neon: Simd<Elem = Self>;
    /// For any machine.
    type Portable: Simd<Elem = Self>;
}
