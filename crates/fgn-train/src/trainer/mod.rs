//! The training loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use candle_core::{Device, Tensor};
use fgn_data::{Batch, Batches, Dataset, Order, Samples};
use fgn_nn::{Isa, Mode};
use serde::Serialize;
use tracing::info;

use crate::config::Settings;
use crate::optimizer::Average;
use crate::{Config, Error, Gradients, Optimizer, Place, Result, Schedule};
use finite::Trouble;
use progress::Tally;

mod finite;
mod learner;
mod model;
mod observer;
mod progress;
mod randomness;
mod saving;
#[cfg(test)]
mod tests;
mod train;

pub use finite::NonFinite;
pub use learner::{Learner, Pass, Scored};
pub use observer::{EpochMetrics, Observer, Plan, Step};
pub use progress::Progress;
pub use train::{Trained, train};

/// Trains a model: in steps of an optimizer, each on a batch of samples; and can stop after any of them
/// and go on later as if nothing had happened.
///
/// [`train()`] is the short way for a [`Model`](crate::Model) that a [`Config`] describes; this is for
/// models of one's own, for going on, and for being interrupted. `examples/own_model.rs` shows all of
/// it.
pub struct Trainer<M> {
    model: M,
    name: String,
    /// The configuration, as TOML.
    config: String,
    settings: Settings,
    device: Device,
    optimizer: Optimizer,
    average: Option<Average>,
    /// The weights of the best epoch, where early stopping goes back to them.
    best: Option<Vec<Tensor>>,
    carried: Vec<Tensor>,
    progress: Progress,
    interrupt: Arc<AtomicBool>,
}

/// One size, so that the same model and samples always give the same numbers.
const MEASURED_AT_ONCE: usize = 100;

/// How a training came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs are done.
    Finished,
    /// The loss no longer fell; the weights are those of the best epoch.
    StoppedEarly,
    /// It was asked to stop, and has been saved.
    Interrupted,
}

impl<M: Learner> Trainer<M> {
    /// Takes `model` to train as `config` says; its `data` and `model` are only kept, to be saved.
    ///
    /// # Errors
    /// A value that no training can have, or a model that cannot be trained.
    pub fn new<C: Serialize, D: Serialize>(config: &Config<C, D>, model: M) -> Result<Trainer<M>> {
        config.check_settings()?;
        let settings = config.settings();
        if settings.training.carry_state && !model.carries_state() {
            return Err(Error::Value {
                key: "training.carry_state",
                found: "true".into(),
                expected: "false: this model carries no state from batch to batch".into(),
            });
        }
        let parameters = model.parameters();
        let (groups, rows) = (&settings.groups, model.named_rows());
        let optimizer = Optimizer::new(&settings.optimizer, groups, parameters, &rows)?;
        let average = settings.training.average.map(|decay| Average::new(decay, parameters));
        let device = parameters.first().map_or(Device::Cpu, |(_, var)| var.device().clone());
        Ok(Trainer {
            name: config.name.clone(),
            config: config.to_toml()?,
            device,
            optimizer,
            average: average.transpose()?,
            best: None,
            carried: Vec::new(),
            progress: Progress::new(Isa::active()?.name()),
            interrupt: Arc::default(),
            settings,
            model,
        })
    }

    /// The model. After the training it has the weights to use: the last, the averages where they are
    /// taken, the best where early stopping is on.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Gives the model back.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Where the training is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Once `flag` is set, the training ends after the step that it is in, saved.
    pub fn interrupt_on(&mut self, flag: Arc<AtomicBool>) {
        self.interrupt = flag;
    }

    /// Trains to the end, or until interrupted, and tells `observer` how it goes. The test samples are
    /// not touched.
    ///
    /// # Errors
    /// Data that the model or the training cannot use, a loss or gradient that is not finite, whatever
    /// `observer` returns.
    pub fn run(&mut self, dataset: &Dataset, observer: &mut dyn Observer<M>) -> Result<End> {
        observer.start(&self.plan(dataset)?)?;
        while self.progress.epoch <= self.settings.training.epochs && !self.progress.stopped {
            let mut batches = self.batches(&dataset.train)?;
            while batches.len() > 0 {
                let step = self.step(&mut batches)?;
                observer.step(&step)?;
                if batches.len() > 0 && (self.is_save_due() || self.is_interrupted()) {
                    observer.save(&self.checkpoint()?)?;
                }
                if batches.len() > 0 && self.is_interrupted() {
                    return Ok(End::Interrupted);
                }
            }
            self.end_epoch(dataset, observer)?;
            observer.save(&self.checkpoint()?)?;
            if self.is_interrupted() && self.progress.epoch <= self.settings.training.epochs {
                return Ok(End::Interrupted);
            }
        }
        self.take_final_weights()
    }

    /// One step of the optimizer, on one batch, or on several where gradients are accumulated.
    fn step(&mut self, batches: &mut Batches<'_>) -> Result<Step> {
        let start = Instant::now();
        let training = self.settings.training;
        let (epoch, in_epoch) = (self.progress.epoch, self.progress.epoch_step + 1);
        let mut dropout = randomness::dropout(training.seed, epoch, in_epoch);
        let mut tally = self.progress.tally;
        let mut sum: Option<Gradients> = None;
        let (mut losses, mut targets, mut places) = (0.0, 0, Vec::new());
        let mut trouble = None;
        for _ in 0..training.accumulate {
            let of_batch = batches.places().to_vec();
            let Some(batch) = batches.next().transpose()? else {
                break;
            };
            places.extend(of_batch);
            if trouble.is_some() {
                continue;
            }
            let scored = self.forward(&batch, Mode::Train(&mut dropout))?;
            let loss = tally.add(&scored, batch.input.dim(0)?)?;
            losses += loss * scored.targets as f64;
            targets += scored.targets;
            if !loss.is_finite() {
                trouble = Some(Trouble::loss(loss, &batch, self.model.parameters())?);
                continue;
            }
            // Of several batches the sum is taken, and divided by all their targets at the end.
            let loss = match training.accumulate {
                1 => scored.loss,
                _ => (scored.loss * scored.targets as f64)?,
            };
            let gradients = Gradients::new(self.model.parameters(), &loss.backward()?)?;
            match &mut sum {
                None => sum = Some(gradients),
                Some(sum) => sum.add(gradients)?,
            }
        }
        let factor = self.learning_rate_factor();
        let mut gradient_norm = f64::NAN;
        if let (Some(mut gradients), None) = (sum, &trouble) {
            if training.accumulate > 1 {
                gradients.scale(1.0 / targets as f64)?;
            }
            trouble = Trouble::gradients(&gradients, self.model.parameters())?;
            if trouble.is_none() {
                gradient_norm = self.optimizer.step(&gradients, self.settings.clip, factor)?;
                if let Some(average) = &self.average {
                    average.follow(self.model.parameters(), self.optimizer.steps())?;
                }
            }
        }
        if let Some(trouble) = trouble {
            let parameters = self.model.parameters();
            trouble.pass_over(training.non_finite, parameters, epoch, in_epoch, &places)?;
            self.carried.clear();
            tally = self.progress.tally.without(places.len());
        }
        self.progress.tally = tally;
        self.progress.step += 1;
        self.progress.epoch_step += 1;
        self.progress.updates = self.optimizer.steps();
        self.progress.seconds += start.elapsed().as_secs_f64();
        Ok(Step {
            epoch,
            step: in_epoch,
            total: self.progress.step,
            loss: losses / targets as f64,
            samples: tally.samples,
            learning_rate: self.settings.optimizer.learning_rate() * factor,
            gradient_norm,
        })
    }

    fn forward(&mut self, batch: &Batch, mode: Mode<'_>) -> Result<Scored> {
        let training = self.settings.training;
        let label_smoothing = match mode {
            Mode::Train(_) => training.label_smoothing,
            Mode::Eval => 0.0,
        };
        let pass = Pass { mode, carried: &mut self.carried, label_smoothing };
        let scored = self.model.forward(batch, pass)?;
        if !training.carry_state {
            self.carried.clear();
        }
        Ok(scored)
    }

    /// Measures the epoch, tells, and decides how it goes on.
    fn end_epoch(&mut self, dataset: &Dataset, observer: &mut dyn Observer<M>) -> Result<()> {
        let parameters = self.model.parameters();
        if let Some(average) = &self.average {
            average.swap(parameters)?;
        }
        let valid = match &dataset.valid {
            None => None,
            Some(valid) => Some(self.measure(valid)?),
        };
        let Progress { epoch, step, tally: train, seconds, .. } = self.progress;
        let last = Place { step: step - 1, ..self.place(self.progress.epoch_step) };
        let factor = self.settings.schedule.factor(last) * self.lowered();
        let metrics = EpochMetrics {
            epoch,
            step,
            train_loss: train.loss(),
            train_accuracy: train.accuracy(),
            valid_loss: valid.map(|valid| valid.loss()),
            valid_accuracy: valid.and_then(|valid| valid.accuracy()),
            learning_rate: self.settings.optimizer.learning_rate() * factor,
            seconds,
            samples_per_second: train.samples as f64 / seconds,
        };
        finite::measured(metrics.loss(), epoch)?;
        observer.epoch(&metrics, &self.model)?;
        self.progress.close(metrics);
        self.carried.clear();
        self.react(metrics.loss())?;
        if let Some(average) = &self.average {
            average.swap(self.model.parameters())?;
        }
        Ok(())
    }

    /// What an epoch's loss brings about: a lower rate, an early end.
    fn react(&mut self, loss: f64) -> Result<()> {
        if let Schedule::Plateau { patience, min_delta, .. } = self.settings.schedule
            && self.progress.plateau.is_lost(loss, patience, min_delta)
        {
            self.progress.lowered += 1;
            info!("the loss stands at {loss:.4}: the learning rate is lowered");
        }
        if let Some(early) = self.settings.early_stopping {
            if self.progress.best_step() == Some(self.progress.step) {
                let copy = |(_, var): &(String, candle_core::Var)| var.copy();
                let copies = self.model.parameters().iter().map(copy);
                self.best = Some(copies.collect::<candle_core::Result<_>>()?);
            }
            self.progress.stopped =
                self.progress.stopping.is_lost(loss, early.patience, early.min_delta);
        }
        Ok(())
    }

    fn take_final_weights(&mut self) -> Result<End> {
        let parameters = self.model.parameters();
        if let Some(best) = &self.best {
            for ((_, var), weights) in parameters.iter().zip(best) {
                var.set(weights)?;
            }
        } else if let Some(average) = self.average.take() {
            average.swap(parameters)?;
        }
        Ok(if self.progress.stopped { End::StoppedEarly } else { End::Finished })
    }

    /// Measures the model on `samples` as it is; as streams where states are carried.
    fn measure(&mut self, samples: &dyn Samples) -> Result<Tally> {
        let training = self.settings.training;
        let (order, size) = match training.carry_state {
            true => (Order::Streams, training.batch_size),
            false => (Order::AsGiven, MEASURED_AT_ONCE),
        };
        let mut tally = Tally::default();
        self.carried.clear();
        let size = size.min(samples.len());
        for batch in Batches::new(samples, order, size, &self.device)? {
            let batch = batch?;
            tally.add(&self.forward(&batch, Mode::Eval)?, batch.input.dim(0)?)?;
        }
        Ok(tally)
    }

    /// The epoch's batches from where it is.
    fn batches<'a>(&self, samples: &'a dyn Samples) -> Result<Batches<'a>> {
        let training = self.settings.training;
        let order = match training.carry_state {
            true => Order::Streams,
            false => Order::Shuffled { seed: training.seed, epoch: self.progress.epoch as u64 },
        };
        let batches = Batches::new(samples, order, training.batch_size, &self.device)?;
        Ok(batches.starting_at(self.progress.epoch_step * training.accumulate))
    }

    fn plan(&mut self, dataset: &Dataset) -> Result<Plan> {
        let held_out = dataset.valid.as_ref().map_or(0, |valid| valid.len());
        let samples = [dataset.train.len(), held_out, dataset.test.len()];
        if self.progress.step > 0 && self.progress.samples != samples {
            return Err(Error::OtherTraining {
                what: "the data set".into(),
                found: format!("{samples:?} samples to train on, hold out and test on"),
                expected: format!("{:?} as at the checkpoint", self.progress.samples),
            });
        }
        self.progress.samples = samples;
        let count = self.model.parameters().iter().map(|(_, var)| var.elem_count()).sum();
        Ok(Plan {
            name: self.name.clone(),
            model: self.model.summary(),
            parameters: count,
            samples,
            epochs: self.settings.training.epochs,
            steps: self.steps_of_epoch(samples[0]),
            done: self.progress.step,
            history: self.progress.history.clone(),
        })
    }

    /// An epoch's batches leave a smaller one at its end, or none where they are streams.
    fn steps_of_epoch(&self, samples: usize) -> usize {
        let training = self.settings.training;
        let batches = match training.carry_state {
            true => samples / training.batch_size,
            false => samples.div_ceil(training.batch_size),
        };
        batches.div_ceil(training.accumulate)
    }

    fn learning_rate_factor(&self) -> f64 {
        let place = self.place(self.steps_of_epoch(self.progress.samples[0]));
        self.settings.schedule.factor(place) * self.lowered()
    }

    fn place(&self, epoch: usize) -> Place {
        let training = self.settings.training;
        let steps = epoch * training.epochs;
        Place { step: self.progress.step, steps, epoch, warmup: training.warmup_steps }
    }

    fn lowered(&self) -> f64 {
        match self.settings.schedule {
            Schedule::Plateau { factor, .. } => factor.powi(self.progress.lowered),
            _ => 1.0,
        }
    }

    fn is_save_due(&self) -> bool {
        let every = self.settings.checkpoint.every_steps;
        every.is_some_and(|every| self.progress.step.is_multiple_of(every))
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}
