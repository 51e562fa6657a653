//! Numbers as people read them.

/// Significant digits of a number that stands alone.
const DIGITS: i32 = 5;

/// A number in five significant digits, with all digits before the point; with an exponent below 0.0001 and
/// from ten million on.
///
/// ```
/// use fgn_schema::significant;
///
/// let numbers = [0.0, 0.0123456, 12.345678, -123456.7, 1e-7, 2.5e9].map(significant);
/// assert_eq!(numbers, ["0.0000", "0.012346", "12.346", "-123457", "1.000e-7", "2.500e9"]);
/// ```
pub fn significant(value: f64) -> String {
    digits(value, DIGITS)
}

/// A number among others that differ by about `spread`, their standard deviation say: as [`significant`], with
/// as many digits more as tell them apart.
///
/// ```
/// use fgn_schema::{significant, significant_among};
///
/// assert_eq!(significant(1_700_000_030.25), "1.700e9");
/// assert_eq!(significant_among(1_700_000_030.25, 17.0), "1700000030.25");
/// assert_eq!(significant_among(1.25, 17.0), "1.2500");
/// ```
pub fn significant_among(value: f64, spread: f64) -> String {
    /// As many digits as an `f64` has for sure.
    const MOST: i32 = 15;
    let more = match (value.is_finite(), spread > 0.0 && spread.is_finite()) {
        (true, true) if value != 0.0 => order(value) - order(spread) + DIGITS - 1,
        _ => DIGITS,
    };
    digits(value, more.clamp(DIGITS, MOST))
}

/// A number of about 1 with so many decimals, a loss say: `0.495`. One that so few decimals would not show
/// has as many significant digits instead.
///
/// ```
/// use fgn_schema::decimals;
///
/// let numbers = [0.4951, 0.0, 12.0, 0.00123, 1e-7, 3e12].map(|number| decimals(number, 3));
/// assert_eq!(numbers, ["0.495", "0.000", "12.000", "0.00123", "1.000e-7", "3.000e12"]);
/// ```
pub fn decimals(value: f64, count: usize) -> String {
    let count = count.min(DIGITS as usize);
    let least = 10_f64.powi(1 - count as i32);
    match value == 0.0 || (least..LARGE).contains(&value.abs()) {
        true => format!("{value:.count$}"),
        false => digits(value, count as i32),
    }
}

/// From here on a number of few digits has an exponent.
const LARGE: f64 = 1e7;

fn digits(value: f64, count: i32) -> String {
    let size = value.abs();
    if !size.is_finite() {
        return value.to_string();
    }
    if size != 0.0 && !(1e-4..LARGE.max(10_f64.powi(count))).contains(&size) {
        let decimals = (count - 2).max(3) as usize;
        return format!("{value:.decimals$e}");
    }
    let before = if size == 0.0 { 0 } else { order(size) };
    let decimals = (count - 1 - before).max(0) as usize;
    format!("{value:.decimals$}")
}

/// The power of ten of the first digit.
fn order(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_keep_their_digits() {
        assert_eq!(significant(f64::NAN), "NaN");
        assert_eq!(significant(f64::INFINITY), "inf");
        assert_eq!(significant(-1.5e-7), "-1.500e-7");
        assert_eq!(significant(0.994_3), "0.99430");
        // What nothing is known of, or what is smaller than its spread, has five digits.
        for spread in [0.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(significant_among(12.345_678, spread), "12.346");
        }
        assert_eq!(significant_among(0.0, 1e-9), "0.0000");
        assert_eq!(significant_among(20_240_101_000_042.5, 20.0), "20240101000042.5");
        assert_eq!(significant_among(1e-7, 3e-9), "1.0000e-7");
        assert_eq!(significant_among(1.000_002e-7, 3e-13), "1.00000200e-7");
        assert_eq!(decimals(-0.02, 3), "-0.020");
        assert_eq!(decimals(f64::NAN, 4), "NaN");
        assert_eq!(decimals(1.1e-5, 4), "1.100e-5");
    }
}
