/// The bf16 number that is nearest to `number` as an `f32`; of two equally near ones, the one whose last bit is 0.
pub fn bf16(number: f64) -> f64 {
    let number = number as f32;
    if !number.is_finite() {
        return f64::from(number);
    }
    // The two bf16 numbers beside it; one towards zero has the upper half of its bits.
    let lower = number.to_bits() & 0xffff_0000;
    let neighbours = [lower, lower.wrapping_add(0x1_0000)];
    // Beyond the largest number, the distance to what would be the next one counts.
    let value = |bits: u32| match f32::from_bits(bits) {
        value if value.is_finite() => f64::from(value),
        value => 2.0_f64.powi(128).copysign(f64::from(value)),
    };
    let [below, above] = neighbours.map(|bits| (value(bits) - f64::from(number)).abs());
    let is_even = lower & 0x1_0000 == 0;
    let nearest = if below < above || (below == above && is_even) { 0 } else { 1 };
    f64::from(f32::from_bits(neighbours[nearest]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_even_number() {
        for (number, expected) in [
            (1.0, 1.0),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (-1.0 - 2.9 / 256.0, -1.0 - 2.0 / 256.0),
            (f64::from(f32::MAX), f64::INFINITY),
            (0.0, 0.0),
        ] {
            assert_eq!(bf16(number), expected, "{number}");
        }
    }
}
