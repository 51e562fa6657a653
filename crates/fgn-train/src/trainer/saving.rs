//! A training into a checkpoint, and a checkpoint into a training.

use candle_core::{Tensor, Var};
use tracing::warn;

use super::Trainer;
use crate::checkpoint::files::Checkpoint;
use crate::difference::{EPOCHS, first_difference, resumable};
use crate::error::Result;
use crate::learner::Learner;
use crate::state::TrainerState;

impl<M: Learner> Trainer<M> {
    /// All that is needed to resume from here; copies, which later steps do not change. It is complete in the first process,
    /// and every process makes it.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        let parameters = self.model.parameters();
        let (metrics, mut training) = self.collect()?;
        if !self.optimizer.is_sharded() {
            training.extend(self.optimizer.moments()?);
        }
        let mut add = |kind: &str, tensors: &mut dyn Iterator<Item = &Tensor>| -> Result<()> {
            for ((name, _), tensor) in parameters.iter().zip(tensors) {
                training.insert(format!("{kind}/{name}"), tensor.copy()?);
            }
            Ok(())
        };
        if let Some(average) = &self.average {
            add("average", &mut average.values())?;
        }
        if let Some(best) = &self.best {
            add("best", &mut best.iter())?;
        }
        let copy = |(name, var): &(String, Var)| Ok((name.clone(), var.copy()?));
        Ok(Checkpoint {
            config: self.config.clone(),
            state: TrainerState { metrics, ..self.state.clone() },
            weights: parameters.iter().map(copy).collect::<Result<_>>()?,
            training,
        })
    }

    /// Resumes from `checkpoint`, as if there had been no interruption.
    ///
    /// # Errors
    /// A checkpoint of another model or another optimizer; the trainer is of no use then.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let Checkpoint { config, state, weights, training } = checkpoint;
        state.check()?;
        let aside = resumable(&self.config, config);
        if let Some(difference) = first_difference(&self.config, config, &aside) {
            warn!("resuming with another configuration: {difference} before");
        }
        if state.isa != self.state.isa {
            let (before, now) = (&state.isa, &self.state.isa);
            warn!("trained with {before} before, with {now} now: last bits may differ");
        }
        let parameters = self.model.parameters();
        for (name, var) in parameters {
            var.set(&Checkpoint::find(weights, name, var)?)?;
        }
        let find = |kind: &str| -> Result<Vec<Tensor>> {
            let one = |(name, var): &(String, Var)| {
                Checkpoint::find(training, &format!("{kind}/{name}"), var)
            };
            parameters.iter().map(one).collect()
        };
        if let Some(average) = &self.average {
            average.set(&find("average")?)?;
        }
        let any_best = training.keys().any(|name| name.starts_with("best/"));
        self.best = any_best.then(|| find("best")).transpose()?;
        self.optimizer.restore(state.updates, |name, var| Checkpoint::find(training, name, var))?;
        self.restore_carried(training)?;
        if state.epoch_step > 0 {
            self.restore_metrics(&state.metrics)?;
        }
        self.state = TrainerState { isa: self.state.isa.clone(), ..state.clone() };
        if aside.contains(&EPOCHS) {
            // With more epochs, a training that has come to its end goes on.
            self.state.stopped = false;
            self.state.stopping.wait_anew();
        }
        Ok(())
    }
}
