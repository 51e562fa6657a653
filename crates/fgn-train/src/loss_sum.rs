//! The mean loss of several batches.

use candle_core::DType;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::learner::Scored;

/// The sum of the losses of some targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossSum {
    loss: f64,
    targets: usize,
    /// The sum of the targets' weights: their number, where they have none.
    weight: f64,
}

impl LossSum {
    /// Adds a batch, and gives its mean loss; a batch without targets adds nothing.
    ///
    /// # Errors
    /// [`Error::Loss`] for a loss that is not a scalar.
    pub(crate) fn add(&mut self, scored: &Scored) -> Result<f64> {
        if scored.loss.rank() != 0 {
            return Err(Error::Loss(scored.loss.dims().to_vec()));
        }
        let loss: f64 = scored.loss.to_dtype(DType::F64)?.to_scalar()?;
        if scored.targets > 0 {
            self.loss += loss * scored.weight;
            self.targets += scored.targets;
            self.weight += scored.weight;
        }
        Ok(loss)
    }

    /// The mean over all targets, each with its weight; NaN of none.
    pub(crate) fn mean(&self) -> f64 {
        self.loss / self.weight
    }

    /// How many targets were added.
    pub(crate) fn targets(&self) -> usize {
        self.targets
    }
}
