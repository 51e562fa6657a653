//! The outcome of a training: which epoch's weights are kept, and whether it has diverged.

use candle_core::Var;
use fgn_data::Samples;
use fgn_nn::Mode;
use fgn_schema::decimals;
use tracing::warn;

use super::Trainer;
use crate::config::KeptModel;
use crate::epoch_metrics::EpochMetrics;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::loss_sum::LossSum;

/// A training has diverged if its loss is this many times as large as that of the untrained model. Noise, a large
/// rate and overfitting stay far below: it is measured on training samples.
const DIVERGED: f64 = 10.0;

/// How many training samples the loss is measured on to see that.
const PROBED: usize = 100;

impl<M: Learner> Trainer<M> {
    /// The epoch whose weights are kept, counted from 1: so far the best one, where `checkpoint.model` is `best` and
    /// there is a validation part; else the last one measured.
    pub fn epoch(&self) -> usize {
        let history = self.state.history();
        let best = self.best.as_ref().and(self.state.best_step());
        let best = best.and_then(|step| history.iter().find(|epoch| epoch.step == step));
        best.map_or(history.len(), |epoch| epoch.epoch)
    }

    /// Keeps the weights if the epoch that was measured just now is the best.
    pub(super) fn keep_best(&mut self) -> Result<()> {
        let is_best = self.state.best_step() == Some(self.state.step);
        if is_best && self.settings.checkpoint.model == KeptModel::Best {
            let copies = self.model.parameters().iter().map(|(_, var): &(String, Var)| var.copy());
            self.best = Some(copies.collect::<candle_core::Result<_>>()?);
        }
        Ok(())
    }

    /// Gives the model the weights that are kept.
    pub(super) fn take_final_weights(&mut self) -> Result<()> {
        let parameters = self.model.parameters();
        if let Some(best) = &self.best {
            for ((_, var), weights) in parameters.iter().zip(best) {
                var.set(weights)?;
            }
        } else if let Some(average) = self.average.take() {
            average.swap(parameters)?;
        }
        Ok(())
    }

    /// The loss on some samples, at equal distances; none if it is not finite.
    pub(super) fn probe(&mut self, samples: &dyn Samples) -> Result<Option<f64>> {
        let count = samples.len().min(PROBED);
        let indices: Vec<u32> = (0..count).map(|at| (at * samples.len() / count) as u32).collect();
        let batch = samples.batch(&indices, &self.device)?;
        let mut loss = LossSum::default();
        let mut carried = Vec::new();
        loss.add(&self.forward(&batch, Mode::Eval, &mut carried)?)?;
        Ok(Some(loss.mean()).filter(|loss| loss.is_finite()))
    }

    /// Checks that the final weights are better than none.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss is many times that of the untrained model.
    pub(super) fn check_outcome(&mut self, train: &dyn Samples) -> Result<()> {
        let Some(untrained) = self.diverges_from() else {
            return Ok(());
        };
        let loss = self.probe(train)?.unwrap_or(f64::NAN);
        match loss <= DIVERGED * untrained {
            true => Ok(()),
            false => Err(Error::Diverged { loss, untrained, epoch: self.epoch() }),
        }
    }

    /// Warns in the first epoch of several whose loss is many times that of the untrained model.
    pub(super) fn warn_of_rising_loss(&self, metrics: &EpochMetrics) {
        let is_high = |epoch: &EpochMetrics| {
            self.diverges_from().is_some_and(|untrained| epoch.train.loss() > DIVERGED * untrained)
        };
        if is_high(metrics) && !self.state.history().last().is_some_and(is_high) {
            let (epoch, loss) = (metrics.epoch, metrics.train.loss());
            let untrained = self.state.untrained_loss.unwrap_or(f64::NAN);
            warn!(
                "the training loss of epoch {epoch} is {}, that of the untrained model was {}: is \
                 optimizer.learning_rate too high?",
                decimals(loss, 4),
                decimals(untrained, 4)
            );
        }
    }

    /// Names the parameters that no loss depends on, after the first epoch.
    pub(super) fn warn_of_unreached(&mut self) {
        let parameters = self.model.parameters().iter().zip(&mut self.is_reached);
        let unreached = parameters.filter(|(_, is_reached)| !**is_reached);
        let names: Vec<_> = unreached
            .map(|((name, _), is_reached)| {
                *is_reached = true;
                &name[..]
            })
            .collect();
        if !names.is_empty() && self.state.updates > 0 {
            warn!("not trained, as the loss of no step depended on them: {}", names.join(", "));
        }
    }

    /// The loss of the untrained model, where it is known and of use as a measure.
    fn diverges_from(&self) -> Option<f64> {
        self.state.untrained_loss.filter(|&loss| loss > 0.0)
    }
}
