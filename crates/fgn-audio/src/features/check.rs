//! Checks of single settings.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// Checks a condition on a setting.
pub(super) fn expect(
    holds: bool,
    setting: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    match holds {
        true => Ok(()),
        false => {
            Err(Error::Setting { setting, found: found.to_string(), expected: expected.into() })
        }
    }
}

/// Checks that a setting is in a range. NaN is in none.
pub(super) fn in_range<T: PartialOrd + Debug>(
    setting: &'static str,
    found: T,
    range: RangeInclusive<T>,
) -> Result<()> {
    let expected = format!("from {:?} to {:?}", range.start(), range.end());
    expect(range.contains(&found), setting, format!("{found:?}"), expected)
}
