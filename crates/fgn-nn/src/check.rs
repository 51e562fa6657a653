//! Checks of configuration values, shared by all layers.

use std::ops::RangeInclusive;

use candle_core::{DType, Tensor};
use fgn_schema::{MAX_SIZE, Moments};

use crate::error::{Error, Result};

/// Refuses the value `found` of `field` unless `holds`.
pub(crate) fn check(
    holds: bool,
    field: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Config { field, found: found.to_string(), expected: expected.into() })
}

/// A size of at least `least` and at most [`MAX_SIZE`].
pub(crate) fn size(field: &'static str, found: usize, least: usize) -> Result<()> {
    range(field, found, least..=MAX_SIZE)
}

/// A width that may be the product of two sizes.
pub(crate) fn width(field: &'static str, found: usize) -> Result<()> {
    range(field, found, 1..=1 << 28)
}

/// A number in that range.
pub(crate) fn range(
    field: &'static str,
    found: usize,
    expected: RangeInclusive<usize>,
) -> Result<()> {
    let (least, most) = (expected.start(), expected.end());
    check(expected.contains(&found), field, found, format!("{least} to {most}"))
}

/// A probability with which something is dropped, or a share that is given away.
pub(crate) fn probability(field: &'static str, found: f64) -> Result<()> {
    let expected = "a probability of at least 0 and below 1";
    check((0.0..1.0).contains(&found), field, found, expected)
}

/// A mean and a standard deviation for each of `count` values.
pub(crate) fn moments(field: &'static str, found: &Moments, count: usize) -> Result<()> {
    let counts = [found.mean.len(), found.std.len()];
    let expected = format!("{count} of each");
    let lengths = format!("{} means and {} standard deviations", counts[0], counts[1]);
    check(counts == [count; 2], field, lengths, expected)?;
    let finite = found.mean.iter().all(|mean| mean.is_finite())
        && found.std.iter().all(|&std| std > 0.0 && std.is_finite());
    let expected = "finite means, and finite standard deviations above 0";
    check(finite, field, format!("{found:?}"), expected)
}

/// Distinct names for `count` outputs, or none.
pub(crate) fn names(field: &'static str, found: &[String], count: usize) -> Result<()> {
    let expected = format!("{count}, one for each output, or none");
    check(found.is_empty() || found.len() == count, field, found.len(), expected)?;
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => check(false, field, format!("{:?} twice", pair[0]), "distinct names"),
        None => Ok(()),
    }
}

/// A data type that layers compute in.
pub(crate) fn float(what: &'static str, found: DType) -> Result<()> {
    match found {
        DType::F32 | DType::F64 => Ok(()),
        _ => Err(Error::DType { what, found, expected: "F32 or F64" }),
    }
}

/// The error of a tensor of a wrong shape.
pub(crate) fn wrong_shape(what: &'static str, found: &Tensor, expected: String) -> Error {
    Error::Shape { what, found: found.dims().to_vec(), expected }
}
