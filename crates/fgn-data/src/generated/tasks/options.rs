//! The options of the long-memory tasks.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the long-memory tasks are made with: the `[data.task]` of a recipe.
///
/// Each task has some of these options, and refuses the others. What is left out follows from the task:
/// `docs/long-memory.md` lists it.
///
/// ```
/// use fgn_data::DataConfig;
///
/// let mut config = DataConfig::new("adding");
/// config.task.length = Some(200);
/// config.task.train_samples = Some(500);
/// let data = config.open(&mut |_| ())?;
/// assert_eq!(data.train.len(), 500);
///
/// config.task.pairs = Some(4);
/// let error = config.open(&mut |_| ()).unwrap_err().to_string();
/// assert!(error.starts_with("data.task.pairs is 4, expected it to be left out: adding has length, "));
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskOptions {
    /// How long: of `adding` and `recall` the steps of a sample, of `copy` the steps from the last symbol to the
    /// delimiter, of `selective-copy` the steps among which the symbols are, of `parity` the steps of the longest
    /// sample of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// `parity`: steps of a sample of the test part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_length: Option<usize>,
    /// `copy`, `selective-copy`: how many symbols are to be recalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbols: Option<usize>,
    /// `recall`: pairs of a key and a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<usize>,
    /// `selective-copy`, `recall`: how many different tokens there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<usize>,
    /// `parity`: what sums are taken modulo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modulus: Option<usize>,
    /// `reber`: steps of a window in training, how far gradients reach back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Samples of the training part; strings of `reber`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_samples: Option<usize>,
    /// Samples of the validation part; strings of `reber`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_samples: Option<usize>,
    /// Samples of the test part; strings of `reber`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_samples: Option<usize>,
}

pub(super) const LENGTH: &str = "data.task.length";
pub(super) const TEST_LENGTH: &str = "data.task.test_length";
pub(super) const SYMBOLS: &str = "data.task.symbols";
pub(super) const PAIRS: &str = "data.task.pairs";
pub(super) const VOCABULARY: &str = "data.task.vocabulary";
pub(super) const MODULUS: &str = "data.task.modulus";
pub(super) const WINDOW: &str = "data.task.window";
/// Those that every task has, in the order of the parts.
const SAMPLES: [&str; 3] =
    ["data.task.train_samples", "data.task.valid_samples", "data.task.test_samples"];

impl TaskOptions {
    /// The value of each option.
    fn values(&self) -> [(&'static str, Option<usize>); 10] {
        let [train, valid, test] = SAMPLES;
        [
            (LENGTH, self.length),
            (TEST_LENGTH, self.test_length),
            (SYMBOLS, self.symbols),
            (PAIRS, self.pairs),
            (VOCABULARY, self.vocabulary),
            (MODULUS, self.modulus),
            (WINDOW, self.window),
            (train, self.train_samples),
            (valid, self.valid_samples),
            (test, self.test_samples),
        ]
    }

    /// Checks that only those are given that the task called `task` has: `known`, and how many samples there are.
    ///
    /// # Errors
    /// [`Error::Option`] for another one.
    pub(super) fn check_known(&self, task: &str, known: &[&'static str]) -> Result<()> {
        let is_known = |option: &str| known.iter().chain(&SAMPLES).any(|known| *known == option);
        let names = known.iter().chain(&SAMPLES).map(|name| name.trim_start_matches(TABLE));
        for (option, value) in self.values() {
            if let Some(found) = value.filter(|_| !is_known(option)) {
                let names = names.collect::<Vec<_>>().join(", ");
                let expected = format!("it to be left out: {task} has {names}");
                return Err(Error::Option { option, found: found.to_string(), expected });
            }
        }
        Ok(())
    }

    /// Checks that none is given, for the data set or path `source` that is not a task.
    ///
    /// # Errors
    /// [`Error::Option`] for the first one.
    pub(crate) fn check_none(&self, source: &str) -> Result<()> {
        for (option, value) in self.values() {
            if let Some(found) = value {
                let expected = format!("it to be left out: {source} is not a long-memory task");
                return Err(Error::Option { option, found: found.to_string(), expected });
            }
        }
        Ok(())
    }

    /// How many samples each part has: those given, or else these.
    ///
    /// # Errors
    /// [`Error::Option`] for none, and for more than an index can name.
    pub(super) fn samples(&self, defaults: [u32; 3]) -> Result<[u32; 3]> {
        let given = [self.train_samples, self.valid_samples, self.test_samples];
        let mut counts = defaults;
        for (count, (option, given)) in counts.iter_mut().zip(SAMPLES.into_iter().zip(given)) {
            let Some(given) = given else { continue };
            *count = u32::try_from(given).ok().filter(|&count| count > 0).ok_or_else(|| {
                let expected = format!("1 to {}", u32::MAX);
                Error::Option { option, found: given.to_string(), expected }
            })?;
        }
        Ok(counts)
    }
}

/// What the names of all options begin with.
const TABLE: &str = "data.task.";

/// The value of an option, or `default` where it is not given.
///
/// # Errors
/// [`Error::Option`] for one out of range; `what` it is a number of, and why.
pub(super) fn within(
    option: &'static str,
    given: Option<usize>,
    default: usize,
    range: RangeInclusive<usize>,
    what: &str,
) -> Result<usize> {
    let value = given.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let expected = format!("{} to {} {what}", range.start(), range.end());
    Err(Error::Option { option, found: value.to_string(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_other_tasks_are_refused() {
        let options = TaskOptions { pairs: Some(3), train_samples: Some(1), ..Default::default() };
        options.check_known("recall", &[LENGTH, PAIRS]).unwrap();
        let error = options.check_known("adding", &[LENGTH]).unwrap_err().to_string();
        assert_eq!(
            error,
            "data.task.pairs is 3, expected it to be left out: adding has length, train_samples, \
             valid_samples, test_samples"
        );
        TaskOptions::default().check_none("mnist").unwrap();
        let error = options.check_none("mnist").unwrap_err().to_string();
        let expected =
            "data.task.pairs is 3, expected it to be left out: mnist is not a long-memory task";
        assert_eq!(error, expected);
    }

    #[test]
    fn numbers_of_samples_are_from_1_to_what_an_index_can_name() {
        let of = |count| TaskOptions { valid_samples: Some(count), ..Default::default() };
        assert_eq!(of(7).samples([5, 3, 2]).unwrap(), [5, 7, 2]);
        assert_eq!(TaskOptions::default().samples([5, 3, 2]).unwrap(), [5, 3, 2]);
        for wrong in [0, u32::MAX as usize + 1] {
            let error = of(wrong).samples([5, 3, 2]).unwrap_err().to_string();
            let expected = format!("data.task.valid_samples is {wrong}, expected 1 to 4294967295");
            assert_eq!(error, expected);
        }
    }
}
