//! The configuration of dropout over a sequence.

use serde::{Deserialize, Serialize};

/// Dropout over a sequence: in training, each value is set to zero with probability `rate`, and the others
/// are divided by `1 − rate`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceDropout {
    /// The probability, at least 0 and below 1.
    pub rate: f64,
    /// Whether each step has a mask of its own, instead of one for all steps of a sequence (variational
    /// dropout: Gal & Ghahramani 2016).
    pub per_step: bool,
}
