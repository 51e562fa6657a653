//! What the machine itself can do, with the vectors that the kernels use: the ceilings that a
//! measured speed is held against.

use crate::simd::bf16::engine::{Bf16Engine, multiply_blocks};
use crate::simd::isa::Isa;
use crate::simd::vector::{Simd, Task};

/// Sums that do not wait for each other: enough to hide the latency of a multiply-add on two ports,
/// few enough for 16 registers.
const SUMS: usize = 12;

/// Does nothing but multiply-adds in registers, `rounds` times a dozen, on the calling thread. Gives
/// the number of floating-point operations: two a number.
///
/// Divided by the time it takes, that is the thread's peak.
///
/// # Errors
/// As [`Isa::active`].
pub fn multiply_adds(rounds: usize) -> candle_core::Result<usize> {
    let isa = Isa::active()?;
    isa.run(MultiplyAdds { rounds });
    Ok(2 * rounds * SUMS * isa.width::<f32>())
}

/// Reads `numbers` once, on the calling thread, and gives their sum.
///
/// The bytes divided by the time it takes are the rate at which a thread can read memory, or the
/// cache that holds so many.
///
/// # Errors
/// As [`Isa::active`].
pub fn read(numbers: &[f32]) -> candle_core::Result<f32> {
    let mut sum = 0.0;
    Isa::active()?.run(Read { numbers, sum: &mut sum });
    Ok(sum)
}

/// Does nothing but multiply-adds of bf16 numbers by an engine, of `blocks` blocks of 32 x 32 sums that stay in cache, on
/// the calling thread. Gives the number of multiply-adds; 0 for an engine that multiplies in `f32`.
pub fn bf16_multiply_adds(engine: Bf16Engine, blocks: usize) -> usize {
    multiply_blocks(engine, blocks)
}

struct MultiplyAdds {
    rounds: usize,
}

impl Task<f32> for MultiplyAdds {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        // Hidden from the compiler, which would else know the sums.
        let factor = S::broadcast(std::hint::black_box(0.5));
        let term = S::broadcast(std::hint::black_box(1.0));
        let mut sums = [S::zero(); SUMS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, term);
            }
        }
        std::hint::black_box(total(sums));
    }
}

struct Read<'a> {
    numbers: &'a [f32],
    sum: &'a mut f32,
}

impl Task<f32> for Read<'_> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let mut sums = [S::zero(); SUMS];
        let mut chunks = self.numbers.chunks_exact(SUMS * S::WIDTH);
        for chunk in &mut chunks {
            for (sum, numbers) in sums.iter_mut().zip(chunk.chunks_exact(S::WIDTH)) {
                // SAFETY: `numbers` has `WIDTH` numbers.
                *sum = *sum + unsafe { S::load(numbers.as_ptr()) };
            }
        }
        *self.sum = total(sums) + chunks.remainder().iter().sum::<f32>();
    }
}

/// The sum of all numbers in all registers.
#[inline(always)]
fn total<S: Simd<Elem = f32>>(sums: [S; SUMS]) -> f32 {
    /// As many as the widest vector holds.
    const WIDEST: usize = 16;
    assert!(S::WIDTH <= WIDEST);
    let sum = sums.into_iter().fold(S::zero(), |a, b| a + b);
    let mut numbers = [0.0; WIDEST];
    // SAFETY: `numbers` has room for `WIDTH` numbers, as just checked.
    unsafe { sum.store(numbers.as_mut_ptr()) };
    numbers.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_on_every_instruction_set() {
        for isa in Isa::available() {
            for count in [0, 1, 7, 17, 129, 1000, 4096] {
                // Whole numbers, so that the order of the sum does not matter.
                let numbers: Vec<f32> = (1..=count).map(|n| n as f32).collect();
                let mut sum = f32::NAN;
                isa.run(Read { numbers: &numbers, sum: &mut sum });
                assert_eq!(sum, (count * (count + 1) / 2) as f32, "{}, {count}", isa.name());
            }
        }
    }

    #[test]
    fn operations_are_counted() {
        let width = Isa::active().unwrap().width::<f32>();
        assert_eq!(multiply_adds(1000).unwrap(), 2 * 1000 * 12 * width);
        for isa in Isa::available() {
            isa.run(MultiplyAdds { rounds: 10 });
        }
    }
}
