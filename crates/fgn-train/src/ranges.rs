//! Checks of single values of a configuration.

use crate::error::{Error, Result};

/// Checks that a value is finite and above 0.
///
/// # Errors
/// [`Error::Value`] otherwise.
pub(crate) fn positive(key: &'static str, value: f64) -> Result<()> {
    expect(value > 0.0 && value.is_finite(), key, value, "a finite number above 0")
}

/// Checks that a value is finite and at least 0.
///
/// # Errors
/// [`Error::Value`] otherwise.
pub(crate) fn not_negative(key: &'static str, value: f64) -> Result<()> {
    expect(value >= 0.0 && value.is_finite(), key, value, "a finite number, at least 0")
}

/// Checks that a value is in `[0, 1)`.
///
/// # Errors
/// [`Error::Value`] otherwise.
pub(crate) fn decay(key: &'static str, value: f64) -> Result<()> {
    expect((0.0..1.0).contains(&value), key, value, "at least 0 and less than 1")
}

/// Checks a condition on the value of `key`.
///
/// # Errors
/// [`Error::Value`], with what was found and expected, where it does not hold.
pub(crate) fn expect(
    holds: bool,
    key: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::Value { key, found: found.to_string(), expected: expected.into() }),
    }
}
