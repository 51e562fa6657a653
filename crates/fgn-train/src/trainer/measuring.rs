//! How good the model is within a training.

use fgn_data::{Batches, Order, Samples};
use fgn_nn::Mode;

use super::Trainer;
use crate::error::{Error, Result};
use crate::evaluation::evaluation_order;
use crate::group::gather_all;
use crate::group::share::part;
use crate::learner::Learner;
use crate::loss_sum::LossSum;
use crate::metrics::Measures;

impl<M: Learner> Trainer<M> {
    /// Measures the model on `samples` as it is; with `is_streams`, each batch goes on from the states that the one
    /// before left. The batches are divided among the groups of samples, and so among the processes; streams cannot be, and
    /// are the first group's.
    pub(super) fn measure(&mut self, samples: &dyn Samples, is_streams: bool) -> Result<Measures> {
        let (order, size) = match is_streams {
            true => (Order::Streams, self.settings.training.batch_size),
            false => evaluation_order(&self.model, samples),
        };
        let size = size.min(samples.len());
        let count = Batches::new(samples, order, size, &self.device)?.len();
        let groups = if order == Order::Streams { 1 } else { self.share.groups };
        let (mut losses, mut metrics) = (Vec::new(), Vec::new());
        for group in self.share.own.clone() {
            let mut of_group = (LossSum::default(), self.new_metrics()?);
            let own = if group < groups { part(count, groups, group) } else { 0..0 };
            let batches = Batches::new(samples, order, size, &self.device)?.starting_at(own.start);
            let mut carried = Vec::new();
            for batch in batches.take(own.len()) {
                let batch = batch?;
                let scored = self.forward(&batch, Mode::Eval, &mut carried)?;
                if order != Order::Streams {
                    carried.clear();
                }
                of_group.0.add(&scored)?;
                if let Some(prediction) = scored.prediction.as_ref().filter(|_| scored.targets > 0)
                {
                    of_group.1.update(prediction, batch.target())?;
                }
            }
            losses.push(of_group.0.to_bits());
            metrics.push(of_group.1);
        }
        let mut loss = LossSum::default();
        for bits in gather_all(&*self.group, &losses)?.into_iter().flatten() {
            loss.merge(&LossSum::from_bits(bits));
        }
        if loss.targets() == 0 {
            return Err(Error::NoTargets { samples: samples.name().to_owned() });
        }
        Ok(self.merged(metrics)?.measures(loss.mean()))
    }
}
