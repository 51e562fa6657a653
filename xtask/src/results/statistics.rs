//! Mean and standard deviation over seeds, and numbers for people.

/// The mean of `values`; NaN of none.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample: the root of the squared differences from the mean, divided by one less than
/// their number. None of fewer than two values.
pub(super) fn std(values: &[f64]) -> Option<f64> {
    let degrees = values.len().checked_sub(1).filter(|degrees| *degrees > 0)?;
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / degrees as f64).sqrt())
}

/// A whole number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `144`, or `144 to 160` where values differ; empty without values.
pub(super) fn range(values: impl IntoIterator<Item = u64> + Clone) -> String {
    let (least, most) = (values.clone().into_iter().min(), values.into_iter().max());
    match (least, most) {
        (Some(least), Some(most)) if least < most => {
            format!("{} to {}", grouped(least), grouped(most))
        }
        (least, _) => least.map(grouped).unwrap_or_default(),
    }
}

/// Minutes as people read them: `40 seconds`, `12 minutes`, `3.5 hours`.
pub(super) fn duration(minutes: f64) -> String {
    match minutes {
        minutes if minutes <= 0.0 => "no time".into(),
        minutes if minutes < 1.5 => format!("{:.0} seconds", minutes * 60.0),
        minutes if minutes < 100.0 => format!("{minutes:.0} minutes"),
        minutes => format!("{:.1} hours", minutes / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_deviation_is_that_of_a_sample() {
        assert_eq!(mean(&[2.0, 4.0, 4.0, 6.0]), 4.0);
        assert_eq!(std(&[2.0, 4.0, 4.0, 6.0]), Some((8.0_f64 / 3.0).sqrt()));
        assert_eq!(std(&[3.0, 3.0]), Some(0.0));
        assert_eq!((std(&[3.0]), std(&[])), (None, None));
        assert!(mean(&[]).is_nan());
    }

    #[test]
    fn numbers_are_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(range([160, 144, 150]), "144 to 160");
        assert_eq!((range([7, 7]), range([])), ("7".into(), String::new()));
        for (minutes, text) in
            [(0.0, "no time"), (0.5, "30 seconds"), (12.4, "12 minutes"), (210.0, "3.5 hours")]
        {
            assert_eq!(duration(minutes), text);
        }
    }
}
