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
    /// The mean loss of a batch, and its sum; that of a batch without targets is empty.
    ///
    /// # Errors
    /// [`Error::Loss`] for a loss that is not a scalar.
    pub(crate) fn of(scored: &Scored) -> Result<(f64, LossSum)> {
        if scored.loss.rank() != 0 {
            return Err(Error::Loss(scored.loss.dims().to_vec()));
        }
        let loss: f64 = scored.loss.to_dtype(DType::F64)?.to_scalar()?;
        let Scored { targets, weight, .. } = *scored;
        let sum = match targets {
            0 => LossSum::default(),
            _ => LossSum { loss: loss * weight, targets, weight },
        };
        Ok((loss, sum))
    }

    /// Adds a batch, and gives its mean loss; a batch without targets adds nothing.
    ///
    /// # Errors
    /// [`Error::Loss`] for a loss that is not a scalar.
    pub(crate) fn add(&mut self, scored: &Scored) -> Result<f64> {
        let (loss, sum) = LossSum::of(scored)?;
        self.merge(&sum);
        Ok(loss)
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &LossSum) {
        self.loss += other.loss;
        self.targets += other.targets;
        self.weight += other.weight;
    }

    /// Its numbers as bits, so that a loss that is not finite survives every format.
    pub(crate) fn to_bits(self) -> [u64; 3] {
        [self.loss.to_bits(), self.targets as u64, self.weight.to_bits()]
    }

    /// The sum of those bits.
    pub(crate) fn from_bits([loss, targets, weight]: [u64; 3]) -> LossSum {
        let (loss, weight) = (f64::from_bits(loss), f64::from_bits(weight));
        LossSum { loss, targets: usize::try_from(targets).unwrap_or(usize::MAX), weight }
    }

    /// The weight of all targets.
    pub(crate) fn weight(&self) -> f64 {
        self.weight
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
