//! Means and standard deviations of a data set.

use serde::{Deserialize, Serialize};

/// The mean and standard deviation of several numbers, one of each for each number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// The means.
    pub mean: Vec<f64>,
    /// The standard deviations, each above 0.
    pub std: Vec<f64>,
}

/// The moments of what a data set holds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Of the features, over all steps that are not padding, where the samples are
    /// [`Series`](crate::InputSchema::Series). Of [`Audio`](crate::InputSchema::Audio) one number, whose mean is 0 and
    /// whose standard deviation is the root mean square of all samples.
    pub input: Option<Moments>,
    /// Of the targets, where they are [`Value`](crate::TargetSchema::Value)s.
    pub target: Option<Moments>,
    /// The names of the features and targets that are the same number everywhere: there is nothing to learn from
    /// them, or of them. Their standard deviation is given as 1.
    pub constant: Vec<String>,
}

impl Statistics {
    /// Those moments.
    pub fn new(input: Option<Moments>, target: Option<Moments>) -> Statistics {
        Statistics { input, target, constant: Vec::new() }
    }

    /// With features and targets of those names that are the same number everywhere.
    pub fn with_constant(mut self, names: Vec<String>) -> Statistics {
        self.constant = names;
        self
    }
}
