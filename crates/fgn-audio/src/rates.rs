//! Sample rates.

use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// The sample rates that a sound may have, in samples a second.
pub const SAMPLE_RATES: RangeInclusive<u32> = 1_000..=768_000;

/// # Errors
/// [`Error::Setting`] for a sample rate out of range.
pub fn check_rate(setting: &'static str, rate: u32) -> Result<()> {
    match SAMPLE_RATES.contains(&rate) {
        true => Ok(()),
        false => Err(Error::Setting { setting, found: format!("{rate} Hz"), expected: expected() }),
    }
}

/// The range, for people.
pub(crate) fn expected() -> String {
    format!("{} to {} Hz", SAMPLE_RATES.start(), SAMPLE_RATES.end())
}

/// How long `samples` are, for people.
pub(crate) fn duration(samples: u64, sample_rate: u32) -> String {
    format!("{:.3} seconds", samples as f64 / f64::from(sample_rate))
}
