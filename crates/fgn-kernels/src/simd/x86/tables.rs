//! Constants of the vectors for x86-64.

/// The upper 16 bits, where the second number of a pair in `bf16` is an `f32` already.
pub(super) const HIGH_HALF: i32 = !0xffff;

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
pub(super) const fn power_bits<const N: usize>() -> [i32; N] {
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
