//! Samples in parts: training, validation and test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::seq::SliceRandom;

use crate::error::{Error, Result};
use crate::samples::{Divided, Samples, Windows};
use crate::sampling::{draw, generator};
use crate::share::Share;
use crate::subset::Subset;

/// A whole data set: parts of one schema, each for a purpose of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<S = Arc<dyn Samples>> {
    /// What a model is trained on.
    pub train: S,
    /// What training is followed with, epoch by epoch. Where data has no such part of its own,
    /// [`Dataset::hold_out`] makes one.
    pub valid: Option<S>,
    /// What the trained model is measured with, once, at the end.
    pub test: S,
}

impl<S: Samples + 'static> Dataset<S> {
    /// The same as shared samples, whatever their type: what a trainer takes.
    pub fn shared(self) -> Dataset {
        Dataset {
            train: Arc::new(self.train),
            valid: self.valid.map(|valid| Arc::new(valid) as Arc<dyn Samples>),
            test: Arc::new(self.test),
        }
    }
}

impl Dataset {
    /// Holds `count` training samples out for validation, drawn by `seed`, as [`split`](crate::split) does.
    /// Samples of one [group](Samples::group) stay together: whole groups are held out until there are `count`
    /// samples; where all samples are of one group, the last ones are held out. Of [windows](Samples::windows) the
    /// last steps are held out, in windows for evaluation. Samples that are divided in a way of their own
    /// ([`Samples::hold_out`]) come first. Data with a validation part of its own stays as it is.
    ///
    /// # Errors
    /// [`Error::HeldOut`] when `count` leaves nothing to train on.
    ///
    /// ```
    /// let digits = fgn_data::mnist()?.shared().hold_out(5_000, 1)?;
    /// assert_eq!(digits.train.len(), 55_000);
    /// assert_eq!(digits.valid.map(|valid| valid.len()), Some(5_000));
    /// # Ok::<(), fgn_data::Error>(())
    /// ```
    pub fn hold_out(self, count: usize, seed: u64) -> Result<Dataset> {
        if self.valid.is_some() || count == 0 {
            return Ok(self);
        }
        if let Some((train, valid)) = self.train.hold_out(count, seed)? {
            return Ok(Dataset { train, valid: Some(valid), test: self.test });
        }
        if let Some(windows) = self.train.windows() {
            let steps = (count as u64).saturating_mul(windows.window() as u64);
            let (train, valid) = cut(windows, steps, count)?;
            return Ok(Dataset { train, valid: Some(valid), test: self.test });
        }
        let (train, valid) = divide(&self.train, count, *b"validate", seed)?;
        Ok(Dataset { train, valid: Some(valid), test: self.test })
    }
}

/// How a test part is made of data that has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestSplit {
    /// How much of the data it is.
    pub share: Share,
    /// Draws it. It is not the seed of a training run, so that runs of several seeds are measured with the
    /// same samples.
    pub seed: u64,
}

impl Default for TestSplit {
    /// A fifth, with seed 1.
    fn default() -> Self {
        TestSplit { share: Share::Of(0.2), seed: 1 }
    }
}

impl TestSplit {
    /// Holds a test part out of `all`: whole [groups](Samples::group); of one group alone, the last samples.
    ///
    /// # Errors
    /// [`Error::Option`] for a share out of range or of no sample, [`Error::HeldOut`] for one that leaves
    /// nothing to train on.
    pub fn hold_out(self, all: &Arc<dyn Samples>) -> Result<Dataset> {
        let count = self.count(all.len())?;
        if let Some(windows) = all.windows() {
            let steps = match self.share {
                // Rounded up, as the rest is where others split a text.
                Share::Of(share) => (share * (windows.steps() + 1) as f64).ceil() as u64,
                Share::Count(count) => (count as u64).saturating_mul(windows.window() as u64),
            };
            let (train, test) = cut(windows, steps, count)?;
            return Ok(Dataset { train, valid: None, test });
        }
        let (train, test) = divide(all, count, TESTING, self.seed)?;
        Ok(Dataset { train, valid: None, test })
    }

    /// Which samples of `all` are for training and which for the test, each ascending: as [`hold_out`](Self::hold_out)
    /// divides samples that are no windows.
    pub(crate) fn indices(self, all: &dyn Samples) -> Result<(Vec<u32>, Vec<u32>)> {
        divided_indices(all, self.count(all.len())?, TESTING, self.seed)
    }

    /// How many of `all` samples are held out, so that one is left.
    ///
    /// # Errors
    /// As [`hold_out`](Self::hold_out).
    pub(crate) fn held_out(self, all: usize) -> Result<usize> {
        match self.count(all)? {
            held_out if held_out >= all => Err(Error::HeldOut { held_out, count: all }),
            held_out => Ok(held_out),
        }
    }

    /// Draws a test part of `all` samples: `(left, held out)`, each ascending.
    ///
    /// # Errors
    /// As [`hold_out`](Self::hold_out).
    pub(crate) fn draw(self, all: usize) -> Result<(Vec<u32>, Vec<u32>)> {
        let held_out = self.held_out(all)?;
        let end = u32::try_from(all).map_err(|_| Error::TooMany { count: all })?;
        Ok(draw(end, held_out, TESTING, self.seed))
    }

    /// How many of `all` samples the test part has.
    fn count(self, all: usize) -> Result<usize> {
        match self.share.count_for("data.test", all)? {
            0 => Err(Error::Option {
                option: "data.test",
                found: self.share.to_string(),
                expected: "at least one sample to test with, or a test part beside train".into(),
            }),
            count => Ok(count),
        }
    }
}

/// The purpose of the draw of test parts.
const TESTING: [u8; 8] = *b"testing.";

/// Cuts `held_out` tokens off the end of one long sequence, which are `count` windows; they are left in windows for
/// evaluation. No step of either part reads or predicts a token of the other.
fn cut(windows: &dyn Windows, held_out: u64, count: usize) -> Result<Divided> {
    let steps = windows.steps();
    let Some(left) = steps.checked_sub(held_out).filter(|&left| left > 0) else {
        return Err(Error::HeldOut { held_out: count, count: windows.len() });
    };
    let train = windows.cut(0..left, windows.window())?;
    Ok((train, windows.cut(left + 1..steps, windows.evaluation_window())?))
}

/// Divides samples in those that are left and at least `count` that are held out.
fn divide(all: &Arc<dyn Samples>, count: usize, purpose: [u8; 8], seed: u64) -> Result<Divided> {
    let (left, held_out) = divided_indices(&**all, count, purpose, seed)?;
    let part =
        |indices| -> Result<Arc<dyn Samples>> { Ok(Arc::new(Subset::new(all.clone(), indices)?)) };
    Ok((part(left)?, part(held_out)?))
}

/// `(left, held out)`, each ascending.
fn divided_indices(
    samples: &dyn Samples,
    count: usize,
    purpose: [u8; 8],
    seed: u64,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let all = samples.len();
    if count >= all {
        return Err(Error::HeldOut { held_out: count, count: all });
    }
    let end = u32::try_from(all).map_err(|_| Error::TooMany { count: all })?;
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    (0..end).for_each(|index| *sizes.entry(samples.group(index)).or_default() += 1);
    if sizes.len() == all {
        return Ok(draw(end, count, purpose, seed));
    }
    if sizes.len() == 1 {
        let left = end - count as u32;
        return Ok(((0..left).collect(), (left..end).collect()));
    }
    let mut groups: Vec<u32> = sizes.keys().copied().collect();
    groups.shuffle(&mut generator(purpose, seed, 0));
    groups.pop(); // One is left to train on.
    let mut missing = count;
    let mut held_out = BTreeSet::new();
    while missing > 0
        && let Some(group) = groups.pop()
    {
        missing = missing.saturating_sub(sizes[&group]);
        held_out.insert(group);
    }
    Ok((0..end).partition(|&index| !held_out.contains(&samples.group(index))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Images;

    /// A part that changed would silently change what every run is measured with.
    #[test]
    fn test_parts_stay_what_they_were() {
        let images = Images::new("ten", 1, 1, 1, vec![0; 10], vec![0; 10]).unwrap();
        let (left, held_out) = divided_indices(&images, 3, *b"testing.", 1).unwrap();
        assert_eq!((&left[..], &held_out[..]), (&[0, 2, 3, 5, 6, 7, 9][..], &[1, 4, 8][..]));
    }
}
