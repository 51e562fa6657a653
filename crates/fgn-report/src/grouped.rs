//! Counts as people read them.

/// A count with its digits in groups of three.
///
/// ```
/// assert_eq!(fgn_report::grouped(412_810), "412,810");
/// ```
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_in_groups_of_three() {
        let found = [0, 999, 1_000, 412_810, 1_234_567].map(grouped);
        assert_eq!(found, ["0", "999", "1,000", "412,810", "1,234,567"]);
    }
}
