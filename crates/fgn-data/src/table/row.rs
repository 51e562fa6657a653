//! Tables as a reader sees them: rows of fields under named columns.

use fgn_schema::MAX_SIZE;

use crate::error::{Error, Result};
use crate::names::shortened;

/// A table that is read from its first row to its last. Only the current row is in memory.
pub(crate) trait Table {
    /// The columns' names, at least one.
    fn columns(&self) -> &[String];

    /// Goes to the next row; false after the last.
    fn advance(&mut self) -> Result<bool>;

    /// A field of the current row.
    fn field(&self, column: usize) -> Result<Field<'_>>;

    /// What a row is called, and the number of the current one: `("line", 7)`.
    fn place(&self) -> (&'static str, u64);

    /// Where the current row is: `line 7`.
    fn position(&self) -> String {
        let (unit, number) = self.place();
        format!("{unit} {number}")
    }

    /// How much of the file is read, and how much there is.
    fn progress(&self) -> (u64, u64);
}

/// The content of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// Nothing.
    #[cfg_attr(
        not(any(feature = "parquet", test)),
        expect(dead_code, reason = "text files hold text")
    )]
    Missing,
    /// Text without the white space around it. It may be empty.
    Text(&'a str),
    #[cfg_attr(
        not(any(feature = "parquet", test)),
        expect(dead_code, reason = "text files hold text")
    )]
    Stored(Stored),
}

/// The content of a field that is not text. Its name is made from the value as it is stored: two values have
/// two names.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(any(feature = "parquet", test)), expect(dead_code, reason = "text files hold text"))]
pub(crate) enum Stored {
    Bool(bool),
    Integer(i128),
    Single(f32),
    Double(f64),
    /// The digits of a decimal number.
    Decimal(String),
    /// A date or a time of day. It has a name but no numeric value: its unit, days or milliseconds say, would be a
    /// guess.
    Time(String),
}

/// # Errors
/// More columns than any model takes, and two of one name.
pub(super) fn check_columns(file: &str, columns: &[String]) -> Result<()> {
    let wrong = |found: String, expected: &str| Error::Table {
        at: file.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    if columns.is_empty() || columns.len() > MAX_SIZE {
        return Err(wrong(format!("{} columns", columns.len()), &format!("1 to {MAX_SIZE}")));
    }
    let mut sorted: Vec<&String> = columns.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(wrong(format!("two columns called {:?}", pair[0]), "a name of its own for each"))
        }
        None => Ok(()),
    }
}

impl Field<'_> {
    /// A field of a text file, where everything is text.
    pub(crate) fn of_text(text: &str) -> Field<'_> {
        Field::Text(text.trim())
    }

    /// As a finite number, the `f64` nearest to it; none where it is missing.
    ///
    /// # Errors
    /// What is there instead.
    pub(crate) fn number(self) -> std::result::Result<Option<f64>, String> {
        let number = match self {
            Field::Missing => return Ok(None),
            Field::Text(text) if is_missing(text) => return Ok(None),
            Field::Text(text) => return parsed(text).map(Some),
            Field::Stored(stored) => match stored {
                Stored::Bool(is_so) => f64::from(u8::from(is_so)),
                Stored::Integer(integer) => integer as f64,
                Stored::Single(number) => f64::from(number),
                Stored::Double(number) => number,
                Stored::Decimal(text) => return parsed(&text).map(Some),
                Stored::Time(text) => return Err(text),
            },
        };
        if number.is_finite() { Ok(Some(number)) } else { Err(number.to_string()) }
    }

    /// As a text for people; none where it is empty. `NA` and `?` are texts.
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Field::Text(text) => Some(text.to_owned()).filter(|text| !text.is_empty()),
            field => field.name(),
        }
    }

    /// As a name; none where it is missing.
    pub(crate) fn name(self) -> Option<String> {
        match self {
            Field::Missing => None,
            Field::Text(text) if is_missing(text) => None,
            Field::Text(text) => Some(text.to_owned()),
            Field::Stored(stored) => Some(match stored {
                Stored::Bool(is_so) => is_so.to_string(),
                Stored::Integer(integer) => integer.to_string(),
                // The shortest digits that are read back as the same number; 0 and -0 are one.
                Stored::Single(number) => (number + 0.0).to_string(),
                Stored::Double(number) => (number + 0.0).to_string(),
                Stored::Decimal(text) | Stored::Time(text) => text,
            }),
        }
    }
}

/// Whether a text stands for a missing field.
fn is_missing(text: &str) -> bool {
    matches!(text, "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL" | "?")
}

/// The finite number that a text is, in decimal digits: `-1.5e3`.
///
/// # Errors
/// The text that cannot be read: not a number, one too large for an `f64`, or one so small that it would be 0.
fn parsed(text: &str) -> std::result::Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| shortened(text))?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let vanishes = number == 0.0 && digits.contains(|digit| matches!(digit, '1'..='9'));
    if number.is_finite() && !vanishes { Ok(number) } else { Err(shortened(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_a_number_would_round() {
        let name = |stored| Field::Stored(stored).name().unwrap();
        for integer in [9_007_199_254_740_992, 9_007_199_254_740_993, i128::from(u64::MAX), -1] {
            assert_eq!(name(Stored::Integer(integer)), integer.to_string());
        }
        assert_eq!(name(Stored::Single(0.1)), "0.1", "not 0.10000000149011612");
        assert_eq!([name(Stored::Double(1.0)), name(Stored::Double(-0.0))], ["1", "0"]);
        assert_eq!(name(Stored::Bool(true)), "true");
        assert_eq!(
            name(Stored::Decimal("12345678901234567890.10".into())),
            "12345678901234567890.10"
        );
    }

    #[test]
    fn numbers_are_the_nearest_f64() {
        let number = |stored| Field::Stored(stored).number();
        assert_eq!(
            number(Stored::Integer(9_007_199_254_740_993)),
            Ok(Some(9_007_199_254_740_992.0))
        );
        assert_eq!(number(Stored::Decimal("0.1".into())), Ok(Some(0.1)));
        assert_eq!(number(Stored::Bool(true)), Ok(Some(1.0)));
        assert_eq!(number(Stored::Double(f64::INFINITY)), Err("inf".into()));
        assert_eq!(number(Stored::Time("2024-01-31".into())), Err("2024-01-31".into()));
    }

    #[test]
    fn a_text_is_a_number_in_decimal_digits_or_nothing() {
        for (text, expected) in [
            ("1700000000.25", 1_700_000_000.25),
            (" +5 ", 5.0),
            ("-.5", -0.5),
            ("5.", 5.0),
            ("1E-46", 1e-46),
            ("0e-999", 0.0),
            ("5e-324", 5e-324),
            ("1e300", 1e300),
        ] {
            assert_eq!(Field::of_text(text).number(), Ok(Some(expected)), "{text}");
        }
        let refused = [
            "1e400",
            "-1e400",
            "1e-400",
            "0x10",
            "1_000",
            "1,5",
            "1.000,5",
            "1'000",
            "1 000",
            "inf",
            "-Infinity",
            "NAN",
            "\u{661}",
            "\u{ff11}",
            "true",
            "5 %",
            "--1",
            "1e",
            "e1",
        ];
        for text in refused {
            assert_eq!(Field::of_text(text).number(), Err(format!("{text:?}")), "{text}");
        }
        assert_eq!(Field::of_text(" \u{a0}").number(), Ok(None));
        assert_eq!(Field::of_text("  a b ").name().as_deref(), Some("a b"));
        for missing in ["", " ", "NA", "null", "?"] {
            assert_eq!(Field::of_text(missing).name(), None, "{missing}");
        }
    }

    #[test]
    fn a_word_for_nothing_is_a_text_still() {
        for text in ["NA", "?", "null", "nan"] {
            assert_eq!(Field::of_text(text).text().as_deref(), Some(text));
        }
        assert_eq!((Field::of_text(" \t").text(), Field::Missing.text()), (None, None));
        assert_eq!(Field::Stored(Stored::Integer(-7)).text().as_deref(), Some("-7"));
    }
}
