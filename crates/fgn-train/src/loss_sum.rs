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
            self.loss += loss * scored.targets as f64;
            self.targets += scored.targets;
        }
        Ok(loss)
    }

    /// The mean over all targets; NaN of none.
    pub(crate) fn mean(&self) -> f64 {
        self.loss / self.targets as f64
    }

    /// How many targets were added.
    pub(crate) fn targets(&self) -> usize {
        self.targets
    }
}
