//! One step of the optimizer.

use std::time::Instant;

use fgn_data::Batches;
use fgn_nn::Mode;
use fgn_schema::Batch;

use super::Trainer;
use super::finite::Trouble;
use super::work::{OwnParts, Reports, Work};
use crate::error::{Error, Result};
use crate::group::gather_all;
use crate::group::share::{Share, part};
use crate::learner::Learner;
use crate::loss_sum::LossSum;
use crate::optimizer::gradients::Gradients;
use crate::optimizer::reduce::summed;
use crate::optimizer::values::Coding;
use crate::step_metrics::StepMetrics;
use crate::training_config::{NonFinite, TrainingConfig};

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
    /// A training in groups; no batch, a batch that the model cannot read, a loss that depends on no parameter, and a loss or gradient that
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
        if self.share.groups != 1 {
            return Err(Error::Value {
                key: "training.groups",
                found: self.share.groups.to_string(),
                expected:
                    "one group and one process for a step on given batches: `run` divides them"
                        .into(),
            });
        }
        let mut given = batches.iter();
        self.step_on(batches.len(), &mut || {
            Ok(given.next().map(|batch| (vec![Some(batch.clone())], Vec::new())))
        })
    }

    /// The next step of a pass: on one batch, or on several where gradients are accumulated.
    pub(super) fn next_step(&mut self, batches: &mut Batches<'_>) -> Result<StepMetrics> {
        let Share { groups, own } = self.share.clone();
        self.step_on(self.settings.training.accumulate, &mut || {
            let indices = batches.indices().to_vec();
            let ranges: Vec<_> =
                own.clone().map(|group| part(indices.len(), groups, group)).collect();
            Ok(batches.next_parts(&ranges)?.map(|parts| (parts, indices)))
        })
    }

    /// A step on at most `count` batches, each read just before it is needed.
    fn step_on(
        &mut self,
        count: usize,
        next: &mut dyn FnMut() -> Result<Option<OwnParts>>,
    ) -> Result<StepMetrics> {
        self.initialise()?;
        let start = Instant::now();
        let TrainingConfig { accumulate, seed, non_finite, .. } = self.settings.training;
        let is_sum = count.max(accumulate) > 1 || self.share.groups > 1;
        let (epoch, in_epoch) = (self.state.epoch, self.state.epoch_step + 1);
        let mut work = Work::new(&self.share, is_sum, (seed, epoch, in_epoch));
        for _ in 0..count {
            let Some((parts, of_batch)) = next()? else {
                break;
            };
            work.indices.extend(of_batch);
            for (at, part) in parts.into_iter().enumerate() {
                let Some(batch) = part else { continue };
                work.samples += batch.size();
                if work.trouble.is_none() {
                    self.part(at, &batch, &mut work)?;
                }
            }
        }
        let reports = gather_all(&*self.group, &work.report(&self.is_reached))?;
        let all = Reports::new(&reports);
        let factor = self.learning_rate_factor();
        let mut gradient_norm = f64::NAN;
        if all.trouble.is_none() {
            self.reach(&all.reached)?;
            let sum = self.summed(work.sums, is_sum.then_some(all.step.weight()))?;
            if let Some(gradients) = sum {
                work.trouble = Trouble::gradients(&gradients, self.model.parameters())?;
                if work.trouble.is_none() {
                    gradient_norm = self.update(&gradients, factor)?;
                }
            }
        }
        match (work.trouble, all.trouble) {
            (None, None) => {
                all.each.iter().for_each(|sum| self.state.losses.merge(sum));
                for (at, prediction, target) in &work.predictions {
                    self.metrics[*at].update(prediction, target)?;
                }
            }
            (Some(trouble), _) => {
                let parameters = self.model.parameters();
                trouble.pass_over(non_finite, parameters, epoch, in_epoch, &work.indices)?;
                self.carried.iter_mut().for_each(Vec::clear);
            }
            (None, Some((rank, what))) => {
                if non_finite == NonFinite::Stop {
                    return Err(Error::OtherProcess { rank, what });
                }
                self.carried.iter_mut().for_each(Vec::clear);
            }
        }
        self.state.epoch_samples += all.samples;
        self.state.step += 1;
        self.state.epoch_step += 1;
        self.state.updates = self.optimizer.steps();
        self.state.seconds += start.elapsed().as_secs_f64();
        Ok(StepMetrics {
            epoch,
            step: in_epoch,
            total: self.state.step,
            loss: all.step.mean(),
            samples: self.state.epoch_samples,
            learning_rate: self.settings.optimizer.learning_rate() * factor,
            gradient_norm,
        })
    }

    /// Computes the loss and the gradients of this process's part of a batch at `at`, and adds them to `work`.
    fn part(&mut self, at: usize, batch: &Batch, work: &mut Work) -> Result<()> {
        let mut carried = std::mem::take(&mut self.carried[at]);
        let scored = self.forward(batch, Mode::Train(&mut work.dropout[at]), &mut carried);
        self.carried[at] = carried;
        let scored = scored?;
        // Its mean loss is one of nothing.
        if scored.targets == 0 {
            return Ok(());
        }
        let (loss, sum) = LossSum::of(&scored)?;
        let prediction = scored.prediction;
        work.predictions.extend(prediction.map(|found| (at, found, batch.target().clone())));
        work.losses.push((self.share.own.start + at, sum));
        if !loss.is_finite() {
            work.trouble = Some(Trouble::loss(loss, batch, self.model.parameters())?);
            return Ok(());
        }
        let loss = match scored.penalty {
            Some(penalty) => (scored.loss + penalty)?,
            None => scored.loss,
        };
        // Of several parts the sum is taken, and divided by the weight of all their targets at the end.
        let loss = if work.is_sum { (loss * scored.weight)? } else { loss };
        let (parameters, store) = (self.model.parameters(), loss.backward()?);
        let mut gradients = Gradients::with_rows(parameters, &store, &scored.touched)?;
        for (is_reached, has_gradient) in self.is_reached.iter_mut().zip(gradients.are_there()) {
            *is_reached |= has_gradient;
        }
        work.has_targets = true;
        gradients.leave_out(&self.frozen);
        match &mut work.sums[at] {
            sum @ None => *sum = Some(gradients),
            Some(sum) => sum.add(gradients)?,
        }
        Ok(())
    }

    /// The gradients of all groups together, divided by the weight of all targets if that is given.
    fn summed(
        &self,
        own: Vec<Option<Gradients>>,
        weight: Option<f64>,
    ) -> Result<Option<Gradients>> {
        let coding = match self.settings.training.compress_gradients {
            true => Coding::Half,
            false => Coding::Exact,
        };
        let parameters = self.model.parameters();
        let mut sum = summed(&*self.group, &self.share, own, parameters, coding)?;
        if let (Some(gradients), Some(weight)) = (&mut sum, weight) {
            gradients.scale(1.0 / weight)?;
        }
        Ok(sum)
    }

    /// Updates the parameters and their average, and gives the norm of the gradients.
    fn update(&mut self, gradients: &Gradients, factor: f64) -> Result<f64> {
        let norm = self.optimizer.step(gradients, self.settings.clip, factor)?;
        self.optimizer.share(&*self.group)?;
        if let Some(average) = &self.average {
            average.follow(self.model.parameters(), &self.frozen, self.optimizer.steps())?;
        }
        Ok(norm)
    }

    /// Notes which parameters have had a gradient in any process; none is given in a step without targets.
    ///
    /// # Errors
    /// [`Error::Untrainable`] if none has had one yet.
    fn reach(&mut self, reached: &[bool]) -> Result<()> {
        for (is_reached, has_gradient) in self.is_reached.iter_mut().zip(reached) {
            *is_reached |= has_gradient;
        }
        match reached.is_empty() || self.is_reached.contains(&true) {
            true => Ok(()),
            false => {
                let reason = "its loss depends on none of its parameters (is a tensor detached?)";
                Err(Error::Untrainable(reason.into()))
            }
        }
    }
}
