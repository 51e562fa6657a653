//! Rows of numbers as whole ones of 16 bits, to be multiplied by weights of 8 bits.

use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::simd::vector::{Simd, Task};

/// How many numbers are looked at together; rows have a multiple of it.
pub(crate) const ROUNDED_TOGETHER: usize = 8;

/// Room for every thread's own rounded rows of the input and of the hidden state.
pub(crate) struct Rounded {
    numbers: Buffer<i16>,
    scales: Buffer<f32>,
    /// How many of both a thread has.
    own: [usize; 2],
}

/// A view that threads write through, each its own part.
#[derive(Clone, Copy)]
pub(crate) struct RoundedParts {
    numbers: Shared<i16>,
    scales: Shared<f32>,
    own: [usize; 2],
}

impl Rounded {
    /// For so many numbers in so many rows.
    pub(crate) fn new(threads: usize, numbers: usize, rows: usize) -> Self {
        // No two threads write into one cache line, nor into two neighbours.
        let own = [numbers.next_multiple_of(64), rows.next_multiple_of(32)];
        let [numbers, scales] = own.map(|own| threads * own);
        Self { numbers: Buffer::zeroed(numbers), scales: Buffer::zeroed(scales), own }
    }

    pub(crate) fn parts(&mut self) -> RoundedParts {
        RoundedParts { numbers: self.numbers.shared(), scales: self.scales.shared(), own: self.own }
    }
}

impl RoundedParts {
    /// A thread's own numbers and scales.
    ///
    /// # Safety
    /// Nobody else asks for this thread's while they are used, and what the view was made of is alive.
    pub(crate) unsafe fn of<'a>(self, thread: usize) -> (&'a mut [i16], &'a mut [f32]) {
        let [numbers, scales] = self.own;
        // SAFETY: there are as many for each thread; the caller speaks for the rest.
        unsafe {
            let numbers_at = self.numbers.at(thread * numbers);
            let scales_at = self.scales.at(thread * scales);
            (
                std::slice::from_raw_parts_mut(numbers_at, numbers),
                std::slice::from_raw_parts_mut(scales_at, scales),
            )
        }
    }
}

/// Rounds rows so that sums over `depth` products with weights of 8 bits fit into 32.
pub(crate) struct Round<'a> {
    pub(crate) rows: &'a [f32],
    pub(crate) depth: usize,
    pub(crate) numbers: &'a mut [i16],
    /// One for each row.
    pub(crate) scales: &'a mut [f32],
}

impl Task<f32> for Round<'_> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        /// Added to a number below 2^22, it leaves the nearest whole one in the lower bits.
        const MAGIC: f32 = 12_582_912.0;
        let largest = (i32::MAX as usize / (127 * self.depth)).min(i16::MAX as usize) as f32;
        let stride = self.rows.len() / self.scales.len();
        let rows = self.rows.chunks_exact(stride).zip(self.numbers.chunks_exact_mut(stride));
        for ((row, numbers), scale) in rows.zip(self.scales) {
            let mut sizes = [0.0_f32; ROUNDED_TOGETHER];
            // Not zero where one is infinite or NaN: then the scale is NaN either.
            let mut zeros = [0.0_f32; ROUNDED_TOGETHER];
            for part in row.chunks_exact(ROUNDED_TOGETHER) {
                for (k, x) in part.iter().enumerate() {
                    let size = x.abs();
                    sizes[k] = if size > sizes[k] { size } else { sizes[k] };
                    zeros[k] += x * 0.0;
                }
            }
            let size = sizes.into_iter().fold(0.0, f32::max);
            *scale = size / largest + zeros.into_iter().sum::<f32>();
            let inverse = if size > 0.0 { largest / size } else { 0.0 };
            let parts =
                row.chunks_exact(ROUNDED_TOGETHER).zip(numbers.chunks_exact_mut(ROUNDED_TOGETHER));
            for (from, to) in parts {
                for (to, x) in to.iter_mut().zip(from) {
                    *to = (x * inverse + MAGIC).to_bits() as i16;
                }
            }
        }
    }
}
