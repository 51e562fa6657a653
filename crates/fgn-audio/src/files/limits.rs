//! What samples may be, and how many there may be.

use crate::error::{Error, Result};
use crate::rates::duration;

/// The largest sample of floats: 8 times full scale is a loud sound, and more is one of another scale.
const LOUDEST: f32 = 8.0;

/// # Errors
/// A sample that is not finite or far above full scale. `done` samples are before them.
pub(super) fn check_samples(name: &str, samples: &[f32], done: u64) -> Result<()> {
    let bad = |sample: &f32| !sample.is_finite() || sample.abs() > LOUDEST;
    match samples.iter().position(bad) {
        None => Ok(()),
        Some(at) => Err(Error::Sound {
            name: name.to_owned(),
            found: format!("{} in the place of sample {}", samples[at], done + at as u64),
            expected: "numbers with full scale at -1 and 1".into(),
        }),
    }
}

/// How long a sound may be.
pub(super) struct Limit<'a> {
    name: &'a str,
    max_seconds: f64,
    sample_rate: u32,
    longest: u64,
}

impl<'a> Limit<'a> {
    pub(super) fn new(name: &'a str, max_seconds: f64, sample_rate: u32) -> Limit<'a> {
        let longest = (max_seconds * f64::from(sample_rate)) as u64;
        Limit { name, max_seconds, sample_rate, longest }
    }

    /// # Errors
    /// A length, as a header says it, that is above the limit.
    pub(super) fn check_length(&self, length: Option<u64>) -> Result<()> {
        match length.filter(|&length| length > self.longest) {
            Some(length) => Err(self.too_long(duration(length, self.sample_rate))),
            None => Ok(()),
        }
    }

    /// # Errors
    /// More samples than there may be, of which `read` are read so far.
    pub(super) fn check_read(&self, read: usize) -> Result<()> {
        match read as u64 > self.longest {
            true => {
                let longest = duration(self.longest, self.sample_rate);
                Err(self.too_long(format!("more than {longest}")))
            }
            false => Ok(()),
        }
    }

    fn too_long(&self, found: String) -> Error {
        let expected = format!("at most {} seconds", self.max_seconds);
        Error::Sound { name: self.name.to_owned(), found, expected }
    }
}
