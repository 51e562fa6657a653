//! A part of some samples: a number of them, or a share.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A part of some samples. In TOML a whole number counts them, a number with a point is a share.
///
/// ```
/// use fgn_data::Share;
///
/// assert_eq!(Share::Of(0.2).count(50)?, 10);
/// assert_eq!(Share::Count(7).count(50)?, 7);
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Share {
    /// So many samples.
    Count(usize),
    /// So much of them, at least 0 and below 1.
    Of(f64),
}

impl Share {
    /// How many of `count` samples that is; of a share above 0, at least one.
    ///
    /// # Errors
    /// [`Error::Option`] for a share below 0, or of 1 or more.
    pub fn count(self, count: usize) -> Result<usize> {
        self.count_for("a share", count)
    }

    /// [`count`](Self::count), with the option that an error is about.
    pub(crate) fn count_for(self, option: &'static str, count: usize) -> Result<usize> {
        match self {
            Share::Count(part) => Ok(part),
            Share::Of(share) if (0.0..1.0).contains(&share) => {
                Ok((share * count as f64).round().max(f64::from(share > 0.0)) as usize)
            }
            Share::Of(_) => Err(Error::Option {
                option,
                found: self.to_string(),
                expected: "a number of samples, or a share of at least 0 and below 1".into(),
            }),
        }
    }
}

/// As in TOML: `5` or `0.2`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Count(count) => write!(f, "{count}"),
            Share::Of(share) => write!(f, "{share:?}"),
        }
    }
}
