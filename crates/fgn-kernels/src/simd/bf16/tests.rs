//! Emulated instructions against hand-made values, and real ones against the emulation, bit by bit.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::simd::bf16::block::{BLOCK, DotBlock};
use crate::simd::bf16::emulated::multiply_add;
use crate::simd::bf16::engine::{Bf16Engine, multiply_blocks};
use crate::simd::bf16::number::{from_bf16, to_bf16};
use crate::simd::isa::Isa;

const LEAST: f32 = f32::MIN_POSITIVE;

#[test]
fn rounding_is_to_the_nearest_even_number() {
    for (number, bits) in [
        (0.0, 0x0000),
        (-0.0, 0x8000),
        (1.0, 0x3f80),
        // Halfway between 1 and the next, and between that and the one after.
        (1.0 + 1.0 / 256.0, 0x3f80),
        (1.0 + 3.0 / 256.0, 0x3f82),
        (1.0 + 1.01 / 256.0, 0x3f81),
        (f32::MAX, 0x7f80),
        (f32::INFINITY, 0x7f80),
        (f32::NEG_INFINITY, 0xff80),
    ] {
        assert_eq!(to_bf16(number), bits, "{number}");
    }
    for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, u32::MAX] {
        assert!(from_bf16(to_bf16(f32::from_bits(bits))).is_nan(), "{bits:x}");
    }
    for bits in 0..=u16::MAX {
        let number = from_bf16(bits);
        assert!(number.is_nan() || to_bf16(number) == bits, "{bits:x}");
    }
}

#[test]
fn subnormal_numbers_are_taken_as_zero() {
    let half = LEAST / 2.0;
    assert_eq!(multiply_add(half, 2.0, 0.0).to_bits(), 0);
    assert_eq!(multiply_add(-half, 2.0, -0.0).to_bits(), (-0.0_f32).to_bits());
    assert_eq!(multiply_add(1.0, 1.0, half), 1.0);
    // A subnormal result.
    assert_eq!(multiply_add(LEAST, 0.5, 0.0).to_bits(), 0);
    assert_eq!(multiply_add(-LEAST, 0.5, 0.0).to_bits(), (-0.0_f32).to_bits());
    assert_eq!(multiply_add(LEAST, 1.0, 0.0), LEAST);
    // Below the least normal number by less than a rounding: tiny in 24 bits only where these do not reach it.
    let below = 1.0 - 2.0_f32.powi(-24);
    assert_eq!(multiply_add(LEAST, below, 0.0).to_bits(), 0);
    assert_eq!(multiply_add(-(2.0_f32.powi(-100)), 2.0_f32.powi(-51), LEAST), LEAST);
    assert_eq!(multiply_add(-(2.0_f32.powi(-100)), 2.0_f32.powi(-50), LEAST).to_bits(), 0);
}

#[test]
fn sums_are_rounded_once() {
    // The product alone would round to 1 + 2^-11.
    let a = 1.0 + 2.0_f32.powi(-12);
    assert_eq!(multiply_add(a, a, -1.0), 2.0_f32.powi(-11) + 2.0_f32.powi(-24));
    assert!(multiply_add(f32::INFINITY, 0.0, 1.0).is_nan());
    assert_eq!(multiply_add(f32::MAX, 2.0, 0.0), f32::INFINITY);
}

/// What an engine makes of random matrices, with some numbers at the ends of the range.
fn product(engine: Bf16Engine, [rows, columns, pairs]: [usize; 3], seed: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let extremes = seed % 2 == 1;
    let mut number = || {
        let scale = match rng.random_range(0..8) {
            0 if extremes => 2.0_f32.powi(-70),
            1 if extremes => LEAST,
            _ => 1.0,
        };
        scale * rng.random_range(-1.0..1.0_f32)
    };
    let all_rows = rows.next_multiple_of(engine.rows());
    let left: Vec<u16> = (0..all_rows * 2 * pairs).map(|_| to_bf16(number())).collect();
    let right: Vec<u16> = (0..pairs * 2 * columns).map(|_| to_bf16(number())).collect();
    let mut sums: Vec<f32> = (0..BLOCK * BLOCK).map(|_| number()).collect();
    let block = DotBlock {
        left: left.as_ptr(),
        left_stride: 2 * pairs,
        right: right.as_ptr(),
        right_stride: 2 * columns,
        pairs,
        rows,
        columns,
        sums: sums.as_mut_ptr(),
    };
    // SAFETY: the matrices are as large as the block says.
    unsafe { engine.session().multiply_add(&block) };
    let rows = sums.chunks(BLOCK).take(rows);
    rows.flat_map(|row| row[..columns].iter().map(|sum| sum.to_bits())).collect()
}

#[test]
fn the_order_of_an_instruction_is_that_of_the_manual() {
    // Large numbers that cancel show which of the products is added first.
    let block = |engine: Bf16Engine| {
        let pairs = engine.terms() / 2;
        let mut left = vec![0_u16; 16 * 2 * pairs];
        let mut right = vec![0_u16; 2 * pairs];
        (left[0], left[1]) = (to_bf16(1.0), to_bf16(2.0_f32.powi(30)));
        (right[0], right[1]) = (to_bf16(1.0), to_bf16(1.0));
        let mut sums = vec![0.0_f32; BLOCK * BLOCK];
        sums[0] = -(2.0_f32.powi(30));
        let block = DotBlock {
            left: left.as_ptr(),
            left_stride: 2 * pairs,
            right: right.as_ptr(),
            right_stride: 2,
            pairs,
            rows: 1,
            columns: 1,
            sums: sums.as_mut_ptr(),
        };
        // SAFETY: the matrices are as large as the block says.
        unsafe { engine.session().multiply_add(&block) };
        sums[0]
    };
    let [amx, avx512] = Bf16Engine::emulated();
    // The second products first: they cancel what there was, and the 1 stays.
    assert_eq!(block(avx512), 1.0);
    // Both products are added to each other: beside 2^30 the 1 is lost.
    assert_eq!(block(amx), 0.0);
}

#[test]
fn the_machines_instructions_are_what_is_emulated() {
    let engines = Bf16Engine::available(Isa::available()[0]);
    let [amx, avx512] = Bf16Engine::emulated();
    for engine in engines.into_iter().filter(|engine| engine.is_native()) {
        let emulated = if engine.name() == "amx" { amx } else { avx512 };
        for rows in [1, 2, 7, 8, 16, 17, 31, 32] {
            for columns in [16, 32] {
                for chunks in [1, 2, 5] {
                    for seed in 0..4 {
                        let sizes = [rows, columns, chunks * engine.terms() / 2];
                        let [found, expected] = [engine, emulated].map(|e| product(e, sizes, seed));
                        assert_eq!(found, expected, "{} {sizes:?}", engine.name());
                    }
                }
            }
        }
        println!("{}: compared with its emulation", engine.name());
    }
}

#[test]
fn an_unknown_engine_lists_what_the_machine_has() {
    let isa = Isa::available()[0];
    for engine in Bf16Engine::available(isa) {
        assert!(engine.name() == "f32" || engine.is_native());
    }
    assert_eq!(multiply_blocks(Bf16Engine::F32, 3), 0);
    assert_eq!(multiply_blocks(Bf16Engine::emulated()[1], 1), 32 * 32 * 512);
}
