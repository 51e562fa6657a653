//! Colours, letters and numbers of every picture.

use std::ops::Range;

use plotters::prelude::*;

pub(crate) const INK: RGBColor = RGBColor(40, 44, 52);
pub(crate) const GRID: RGBColor = RGBColor(228, 230, 235);
pub(crate) const TRAIN: RGBColor = RGBColor(31, 119, 180);
pub(crate) const VALID: RGBColor = RGBColor(214, 93, 14);

/// What a drawing function returns: the drawing library has errors of many types.
pub(crate) type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// The letters of texts in pictures.
pub(crate) fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Writes the numbers of an axis over `range`: with the digits that tell them apart. The drawing library computes
/// them with rounding errors: what is less than a thousandth of the range is not shown, so that 0 is `0`.
pub(crate) fn ticks(range: &Range<f64>) -> impl Fn(&f64) -> String + use<> {
    let span = (range.end - range.start).abs();
    let is_small = range.start.abs().max(range.end.abs()) < 1e-3;
    let unit = power(span) - 3;
    move |&value| {
        let rounded = value / 10.0f64.powi(unit);
        if !rounded.is_finite() || rounded.abs() < 0.5 {
            return "0".into();
        }
        if is_small || span >= 1e6 {
            let digits = (power(value) - unit).max(0) as usize;
            let text = format!("{value:.digits$e}");
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            return format!("{}e{power}", trimmed(digits));
        }
        trimmed(&format!("{value:.*}", (-unit).max(0) as usize)).to_owned()
    }
}

/// The power of ten that a number begins with.
fn power(value: f64) -> i32 {
    // Any that a float has, so that nothing overflows.
    (value.abs().log10().floor()).clamp(-300.0, 300.0) as i32
}

/// Without zeros behind a decimal point; a number with an exponent stays as it is.
pub(crate) fn trimmed(digits: &str) -> &str {
    match digits.contains('.') && !digits.contains('e') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_an_axis_have_the_digits_that_tell_them_apart() {
        let axis = |range: Range<f64>, numbers: [f64; 3]| numbers.map(|x| ticks(&range)(&x));
        assert_eq!(axis(-0.1..0.1, [-0.05, 1.388e-17, 0.05]), ["-0.05", "0", "0.05"]);
        assert_eq!(axis(0.0..0.4, [0.1, 0.30000000000000004, 0.4]), ["0.1", "0.3", "0.4"]);
        assert_eq!(axis(0.0..2e-7, [0.0, 1.0000000000000001e-7, 1.5e-7]), ["0", "1e-7", "1.5e-7"]);
        assert_eq!(axis(0.0..100.0, [0.0, 50.0, 100.0]), ["0", "50", "100"]);
        assert_eq!(axis(0.0..3e9, [0.0, 1e9, 2.5e9]), ["0", "1e9", "2.5e9"]);
        let large = [1_700_000_000.0, 1_700_000_010.0, 1_700_000_012.5];
        let expected = ["1700000000", "1700000010", "1700000012.5"];
        assert_eq!(axis(1.7e9..1_700_000_020.0, large), expected);
        assert_eq!(axis(0.0..0.0, [0.0, f64::NAN, f64::INFINITY]), ["0", "0", "0"]);
    }
}
