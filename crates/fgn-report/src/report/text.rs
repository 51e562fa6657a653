//! Numbers as people read them.

use std::path::Path;

use fgn_schema::significant_among;

use crate::drawing::trimmed;

/// What stands where there is no value.
pub(super) const MISSING: &str = "–";

/// `98.87 %`.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2} %", 100.0 * share) } else { MISSING.into() }
}

/// A number to four digits, without zeros behind them: `0.0371`, `12.5`, `1.5e9`.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return if value.is_nan() { MISSING.into() } else { value.to_string() };
    }
    if !(1e-4..1e6).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let whole = size.log10().floor() as i32;
    trimmed(&format!("{value:.*}", (3 - whole).max(0) as usize)).to_owned()
}

/// A number among others that differ by about `spread`: with more digits than [`short`] where they would all
/// look the same.
pub(super) fn short_among(value: f64, spread: f64) -> String {
    match spread > 0.0 && value.abs() > 10.0 * spread {
        true => trimmed(&significant_among(value, spread)).to_owned(),
        false => short(value),
    }
}

/// A text of at most so many letters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// What data is called, without the folders that it is in.
pub(super) fn without_folders(name: &str) -> String {
    let file = |part| Path::new(part).file_name().and_then(|file| file.to_str()).unwrap_or(part);
    name.split(" with ").map(file).collect::<Vec<_>>().join(" with ")
}

/// `42 s`, `3 min 20 s`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_they_need() {
        let numbers = [0.0, 0.03712, 12.5, 100.0, -3.24159, 123_456.7, 1.5e9, 2e-7, f64::INFINITY];
        let expected = ["0", "0.03712", "12.5", "100", "-3.242", "123457", "1.5e9", "2e-7", "inf"];
        assert_eq!(numbers.map(short), expected);
        let among = [1_700_000_030.25, 1.25].map(|value| short_among(value, 17.0));
        assert_eq!(among, ["1700000030.25", "1.25"]);
        assert_eq!(percent(0.98765), "98.77 %");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!([shortened("four", 4), shortened("läng", 3)], ["four", "lä…"]);
        assert_eq!(
            [0.84, 42.4, 200.0, 7500.0].map(duration),
            ["0.8 s", "42 s", "3 min 20 s", "2 h 5 min"]
        );
    }

    #[test]
    fn data_is_called_by_its_files() {
        assert_eq!(without_folders("/data/my tables/steps.csv"), "steps.csv");
        assert_eq!(without_folders("/a/images with /a/labels"), "images with labels");
        assert_eq!(without_folders("photos/"), "photos");
        assert_eq!(without_folders("embedded MNIST"), "embedded MNIST");
    }
}
