//! Which parameters a training leaves as they are.

use candle_core::Var;

use crate::error::{Error, Result};
use crate::optimizer::groups::matches;

/// Of each parameter, whether one of the patterns of `training.freeze` fits its name.
///
/// # Errors
/// A pattern that fits none, and patterns that fit all.
pub(super) fn frozen(patterns: &[String], parameters: &[(String, Var)]) -> Result<Vec<bool>> {
    let names = || parameters.iter().map(|(name, _)| name);
    let fits_none = |pattern: &&String| !names().any(|name| matches(pattern, name));
    if let Some(pattern) = patterns.iter().find(fits_none) {
        let known = names().cloned().collect();
        return Err(Error::NoFrozenParameters { pattern: pattern.clone(), known });
    }
    let is_frozen = |name: &String| patterns.iter().any(|pattern| matches(pattern, name));
    let frozen: Vec<bool> = names().map(is_frozen).collect();
    match frozen.contains(&false) {
        true => Ok(frozen),
        false => Err(Error::Untrainable("training.freeze leaves no parameter to train".into())),
    }
}
