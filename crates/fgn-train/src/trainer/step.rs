//! One step of the optimizer.

use std::time::Instant;

use fgn_data::Batches;
use fgn_nn::Mode;
use fgn_schema::Batch;

use super::finite::Trouble;
use super::{Trainer, randomness};
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::optimizer::gradients::Gradients;
use crate::step_metrics::StepMetrics;
use crate::training_config::TrainingConfig;

impl<M: Learner> Trainer<M> {
    /// Makes one step of the optimizer on `batches`, for a loop of your own in place of [`run`](Self::run). Of
    /// several batches the gradients are summed, and divided by the number of all targets, or by the sum of their weights.
    ///
    /// It does what a step of `run` does: dropout, clipping, parameter groups, averages, and a loss or gradient
    /// that is not finite as `training.non_finite` says. The step counts as one of the current epoch, so a
    /// checkpoint after it resumes after it. The number of steps of the whole training is not known here, unless
    /// `run` was called before: until then the learning rate stays at its full size after the warm-up.
    ///
    /// # Errors
    /// No batch, a batch that the model cannot read, a loss that depends on no parameter, and a loss or gradient that
    /// is not finite.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_data::{Batches, Order};
    /// use fgn_train::{Config, Model, Trainer, open_data};
    ///
    /// let config = Config::recipe("mnist-rows")?;
    /// let digits = open_data(&config.data)?;
    /// let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu)?;
    /// let mut trainer = Trainer::new(&config, model)?;
    /// let order = Order::Shuffled { seed: 1, epoch: 1 };
    /// for batch in Batches::new(&*digits.train, order, 10, &Device::Cpu)?.take(3) {
    ///     let step = trainer.step(&[batch?])?;
    ///     println!("step {}: loss {:.3}", step.step, step.loss);
    /// }
    /// assert_eq!(trainer.state().step(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn step(&mut self, batches: &[Batch]) -> Result<StepMetrics> {
        if batches.is_empty() {
            return Err(Error::NoBatches);
        }
        let mut given = batches.iter();
        self.step_on(batches.len(), &mut || {
            Ok(given.next().map(|batch| (batch.clone(), Vec::new())))
        })
    }

    /// The next step of a pass: on one batch, or on several where gradients are accumulated.
    pub(super) fn next_step(&mut self, batches: &mut Batches<'_>) -> Result<StepMetrics> {
        self.step_on(self.settings.training.accumulate, &mut || {
            let indices = batches.indices().to_vec();
            Ok(batches.next().transpose()?.map(|batch| (batch, indices)))
        })
    }

    /// A step on at most `count` batches, each read just before it is needed; with the indices of its samples,
    /// where they are known.
    fn step_on(
        &mut self,
        count: usize,
        next: &mut dyn FnMut() -> Result<Option<(Batch, Vec<u32>)>>,
    ) -> Result<StepMetrics> {
        self.initialise()?;
        let start = Instant::now();
        let TrainingConfig { accumulate, seed, non_finite, .. } = self.settings.training;
        let is_sum = count.max(accumulate) > 1;
        let (epoch, in_epoch) = (self.state.epoch, self.state.epoch_step + 1);
        let mut dropout = randomness::dropout(seed, epoch, in_epoch);
        let mut epoch_losses = self.state.losses;
        let mut predictions = Vec::new();
        let mut sum: Option<Gradients> = None;
        let (mut losses, mut weight, mut samples, mut indices) = (0.0, 0.0, 0, Vec::new());
        let mut trouble = None;
        for _ in 0..count {
            let Some((batch, of_batch)) = next()? else {
                break;
            };
            indices.extend(of_batch);
            samples += batch.size();
            if trouble.is_some() {
                continue;
            }
            let scored = self.forward(&batch, Mode::Train(&mut dropout))?;
            // Its mean loss is one of nothing.
            if scored.targets == 0 {
                continue;
            }
            let loss = epoch_losses.add(&scored)?;
            predictions.extend(scored.prediction.map(|found| (found, batch.target().clone())));
            losses += loss * scored.weight;
            weight += scored.weight;
            if !loss.is_finite() {
                trouble = Some(Trouble::loss(loss, &batch, self.model.parameters())?);
                continue;
            }
            let loss = match scored.penalty {
                Some(penalty) => (scored.loss + penalty)?,
                None => scored.loss,
            };
            // Of several batches the sum is taken, and divided by the weight of all their targets at the end.
            let loss = if is_sum { (loss * scored.weight)? } else { loss };
            let (parameters, store) = (self.model.parameters(), loss.backward()?);
            let mut gradients = Gradients::with_rows(parameters, &store, &scored.touched)?;
            self.reach(&gradients)?;
            gradients.leave_out(&self.frozen);
            match &mut sum {
                None => sum = Some(gradients),
                Some(sum) => sum.add(gradients)?,
            }
        }
        let factor = self.learning_rate_factor();
        let mut gradient_norm = f64::NAN;
        if let (Some(mut gradients), None) = (sum, &trouble) {
            if is_sum {
                gradients.scale(1.0 / weight)?;
            }
            trouble = Trouble::gradients(&gradients, self.model.parameters())?;
            if trouble.is_none() {
                gradient_norm = self.optimizer.step(&gradients, self.settings.clip, factor)?;
                if let Some(average) = &self.average {
                    average.follow(
                        self.model.parameters(),
                        &self.frozen,
                        self.optimizer.steps(),
                    )?;
                }
            }
        }
        if let Some(trouble) = trouble {
            let parameters = self.model.parameters();
            trouble.pass_over(non_finite, parameters, epoch, in_epoch, &indices)?;
            self.carried.clear();
        } else {
            self.state.losses = epoch_losses;
            for (prediction, target) in &predictions {
                self.metrics.update(prediction, target)?;
            }
        }
        self.state.epoch_samples += samples;
        self.state.step += 1;
        self.state.epoch_step += 1;
        self.state.updates = self.optimizer.steps();
        self.state.seconds += start.elapsed().as_secs_f64();
        Ok(StepMetrics {
            epoch,
            step: in_epoch,
            total: self.state.step,
            loss: losses / weight,
            samples: self.state.epoch_samples,
            learning_rate: self.settings.optimizer.learning_rate() * factor,
            gradient_norm,
        })
    }

    /// Notes which parameters have a gradient.
    ///
    /// # Errors
    /// [`Error::Untrainable`] if none has had one yet.
    fn reach(&mut self, gradients: &Gradients) -> Result<()> {
        for (is_reached, has_gradient) in self.is_reached.iter_mut().zip(gradients.are_there()) {
            *is_reached |= has_gradient;
        }
        match self.is_reached.contains(&true) {
            true => Ok(()),
            false => {
                let reason = "its loss depends on none of its parameters (is a tensor detached?)";
                Err(Error::Untrainable(reason.into()))
            }
        }
    }
}
