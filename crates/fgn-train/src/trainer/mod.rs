//! The training loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};
use fgn_data::{Batches, Dataset, Order, Samples};
use fgn_nn::{LossOptions, Mode};
use fgn_schema::Batch;
use serde::Serialize;
use serde_json::Value;
use tracing::{info, warn};

use crate::config::{Config, Settings};
use crate::epoch_metrics::EpochMetrics;
use crate::error::{Error, Result};
use crate::evaluation::{Evaluation, device_of};
use crate::group::share::Share;
use crate::group::{Alone, Group};
use crate::initial_weights::InitialWeights;
use crate::learner::{Learner, Pass, Scored};
use crate::metrics::{Direction, Metrics};
use crate::observer::{Finished, Observer};
use crate::optimizer::Optimizer;
use crate::optimizer::average::Average;
use crate::schedule::{Schedule, SchedulePosition};
use crate::state::{DataState, TrainerState};
use crate::trainer::kernels::kernels;
use crate::training_config::{NonFinite, TrainingConfig};

mod data;
pub(crate) mod finite;
mod frozen;
mod groups;
mod initial;
mod kernels;
mod measuring;
mod outcome;
mod randomness;
mod saving;
mod step;
#[cfg(test)]
mod tests;
mod work;

/// Trains a model in steps of an optimizer, each on a batch of samples. It can stop after any step and resume later
/// as if nothing had happened.
///
/// [`train()`](crate::train()) is the short way for a [`Model`](crate::Model) that a [`Config`] describes; this is for
/// models of your own, for resuming, and for interruptions. `examples/own_model.rs` shows all of
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
    /// Of each group of samples of this process, over the steps of the epoch.
    metrics: Vec<Metrics>,
    /// The states of metrics that were given the training part, before the first batch; empty if none needs it.
    prepared: BTreeMap<String, Value>,
    /// Whether larger values of what is monitored are better, or smaller ones.
    direction: Direction,
    /// The weights of the best epoch, where that one is kept.
    best: Option<Vec<Tensor>>,
    /// Of each group of samples of this process.
    carried: Vec<Vec<Tensor>>,
    group: Arc<dyn Group>,
    share: Share,
    /// Whether the processes have agreed to stop.
    stops: bool,
    state: TrainerState,
    interrupt: Arc<AtomicBool>,
    accepts_changed_data: bool,
    /// What the data was as the training joined its group, until it is checked.
    found_data: Option<DataState>,
    /// Of each parameter, whether it stays as it is.
    frozen: Vec<bool>,
    /// What was taken over from another model.
    initial: Option<InitialWeights>,
    /// Of each parameter, whether it has had a gradient since the trainer was made.
    is_reached: Vec<bool>,
}

/// How a training came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs are done.
    Finished,
    /// What is monitored was no longer better.
    StoppedEarly,
    /// It was interrupted, and has been saved.
    Interrupted,
}

impl<M: Learner> Trainer<M> {
    /// Takes `model` to train as `config` says; its `data` and `model` are only kept, to be saved.
    ///
    /// # Errors
    /// A value that no training can have, or a model that cannot be trained: one without parameters, say.
    pub fn new<C: Serialize, D: Serialize>(config: &Config<C, D>, model: M) -> Result<Trainer<M>> {
        config.check_settings()?;
        let (settings, mut model) = (config.settings(), model);
        let options = settings.training.loss_options()?;
        if options != LossOptions::default() {
            model.set_loss_options(&options)?;
        }
        let precision = settings.training.precision;
        if !precision.is_f32() {
            model.set_precision(precision.into())?;
        }
        if settings.training.carry_state && !model.carries_state() {
            return Err(Error::Value {
                key: "training.carry_state",
                found: "true".into(),
                expected: "false: this model carries no state from batch to batch".into(),
            });
        }
        let parameters = model.parameters();
        if parameters.is_empty() {
            return Err(Error::Untrainable("it has no parameters".into()));
        }
        let (groups, rows) = (&settings.groups, model.named_rows());
        let optimizer = Optimizer::new(&settings.optimizer, groups, parameters, &rows)?;
        let average = settings.training.average.map(|decay| Average::new(decay, parameters));
        let direction = model.metrics(&settings.metrics)?.direction_of(&settings.monitor)?;
        let frozen = frozen::frozen(&settings.training.freeze, parameters)?;
        let is_reached = vec![false; parameters.len()];
        let device = device_of(&model);
        let kernels = kernels(precision, &device)?;
        let share = Share::new(&Alone, settings.training.groups)?;
        let new = |_| model.metrics(&settings.metrics);
        let metrics = share.own.clone().map(new).collect::<Result<Vec<_>>>()?;
        Ok(Trainer {
            name: config.name.clone(),
            config: config.to_toml()?,
            device,
            optimizer,
            average: average.transpose()?,
            metrics,
            prepared: BTreeMap::new(),
            direction,
            best: None,
            carried: vec![Vec::new(); share.own.len()],
            group: Arc::new(Alone),
            share,
            stops: false,
            state: TrainerState::new(&kernels),
            interrupt: Arc::default(),
            accepts_changed_data: false,
            found_data: None,
            frozen,
            initial: None,
            is_reached,
            settings,
            model,
        })
    }

    /// The model. After the training it has the weights to use: those of [`epoch`](Self::epoch), as they were
    /// measured: the averages where they are taken.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Returns the model.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Where the training is.
    pub fn state(&self) -> &TrainerState {
        &self.state
    }

    /// Once `flag` is set, the training ends after the step that it is in, saved.
    pub fn interrupt_on(&mut self, flag: Arc<AtomicBool>) {
        self.interrupt = flag;
    }

    /// Trains to the end, or until one of its processes is interrupted, and reports to `observer`. The test set is not touched.
    ///
    /// # Errors
    /// Data that the model or the training cannot use, or that has changed since the checkpoint; a loss or
    /// gradient that is not finite; a training that has diverged; whatever `observer` returns.
    pub fn run(&mut self, dataset: &Dataset, observer: &mut dyn Observer<M>) -> Result<End> {
        self.initialise()?;
        self.prepare_metrics(&dataset.train)?;
        observer.start(&self.plan(dataset)?)?;
        if self.state.step == 0 {
            self.state.untrained_loss = self.probe(&dataset.train)?;
        }
        while self.state.epoch <= self.settings.training.epochs && !self.state.stopped {
            let samples = self.epoch_samples(&dataset.train)?;
            let mut batches = self.batches(&*samples)?;
            while batches.len() > 0 {
                let step = self.next_step(&mut batches)?;
                observer.step(&step)?;
                self.agree_to_stop()?;
                if batches.len() > 0 && (self.is_save_due() || self.stops) {
                    observer.save(&self.checkpoint()?)?;
                }
                if batches.len() > 0 && self.stops {
                    self.log_sent(self.state.step);
                    return Ok(End::Interrupted);
                }
            }
            self.end_epoch(dataset, observer)?;
            observer.save(&self.checkpoint()?)?;
            self.agree_to_stop()?;
            if self.stops && self.state.epoch <= self.settings.training.epochs {
                return Ok(End::Interrupted);
            }
        }
        self.log_sent(self.state.step);
        self.take_final_weights()?;
        self.check_outcome(&dataset.train)?;
        Ok(if self.state.stopped { End::StoppedEarly } else { End::Finished })
    }

    /// Reports the end of the training to `observer`, once it is finished, with `test`, the evaluation of the
    /// model on the test set of `dataset`. A [`Model`](fgn_nn::Model) is evaluated and reported by
    /// [`evaluate_and_finish`](Trainer::evaluate_and_finish).
    ///
    /// # Errors
    /// Whatever `observer` returns.
    pub fn finish(
        &self,
        dataset: &Dataset,
        test: &Evaluation,
        observer: &mut dyn Observer<M>,
    ) -> Result<()> {
        observer.finish(&Finished {
            model: &self.model,
            config: &self.config,
            history: self.state.history(),
            epoch: self.epoch(),
            test,
            dataset,
        })
    }

    /// The loss of a batch, and what it predicts; from the states in `carried`, where the next ones are left.
    fn forward(&self, batch: &Batch, mode: Mode<'_>, carried: &mut Vec<Tensor>) -> Result<Scored> {
        let TrainingConfig { label_smoothing, reset_state, carry_state, .. } =
            self.settings.training;
        let label_smoothing = match mode {
            Mode::Train(_) => label_smoothing,
            Mode::Eval => 0.0,
        };
        // What an evaluation carries is its own affair.
        let carries = carry_state || matches!(mode, Mode::Eval);
        let pass = Pass { mode, carried, reset_state, label_smoothing };
        let scored = self.model.forward(batch, pass)?;
        if !carries {
            carried.clear();
        }
        Ok(scored)
    }

    /// Measures the epoch, reports it, and decides how to continue.
    fn end_epoch(&mut self, dataset: &Dataset, observer: &mut dyn Observer<M>) -> Result<()> {
        let parameters = self.model.parameters();
        if let Some(average) = &self.average {
            average.swap(parameters)?;
        }
        let valid = match &dataset.valid {
            None => None,
            Some(valid) => {
                // What is trained on as one long sequence is measured in parts that are short of memory, as at the end.
                let carries = self.settings.training.carry_state;
                Some(self.measure(valid, carries && dataset.train.windows().is_none())?)
            }
        };
        let TrainerState { epoch, step, losses, epoch_samples, seconds, .. } = self.state;
        let last = SchedulePosition { step: step - 1, ..self.position(self.state.epoch_step) };
        if losses.targets() == 0 && self.settings.training.non_finite == NonFinite::Stop {
            return Err(Error::NoTargets { samples: dataset.train.name().to_owned() });
        }
        let factor = self.settings.schedule.factor(last) * self.lowered();
        let own = std::mem::take(&mut self.metrics);
        let train = self.merged(own)?.measures(losses.mean());
        let metrics = EpochMetrics {
            epoch,
            step,
            train,
            valid,
            learning_rate: self.settings.optimizer.learning_rate() * factor,
            seconds,
            samples_per_second: epoch_samples as f64 / seconds,
        };
        finite::measured(metrics.loss(), epoch)?;
        self.warn_of_rising_loss(&metrics);
        self.warn_of_unreached();
        observer.epoch(&metrics, &self.model)?;
        let (score, is_validated) = (self.score(&metrics), metrics.valid.is_some());
        if score.is_nan() {
            warn!(
                "epoch {epoch} cannot be the best: its {} has no value (are all targets of one class, or the same?)",
                self.settings.monitor
            );
        }
        self.state.close(metrics, score);
        if is_validated {
            self.keep_best()?;
        }
        self.metrics = self.share.own.clone().map(|_| self.new_metrics()).collect::<Result<_>>()?;
        self.carried.iter_mut().for_each(Vec::clear);
        self.react(score);
        if let Some(average) = &self.average {
            average.swap(self.model.parameters())?;
        }
        Ok(())
    }

    /// Gives metrics that need it the training part, once.
    ///
    /// # Errors
    /// Data of which a metric cannot be computed.
    pub(crate) fn prepare_metrics(&mut self, train: &dyn Samples) -> Result<()> {
        let mut metrics = self.model.metrics(&self.settings.metrics)?;
        if !metrics.need_training_part() || !self.prepared.is_empty() {
            return Ok(());
        }
        metrics.prepare(train)?;
        self.prepared = metrics.save();
        // Within an epoch, what a checkpoint restored stays.
        if self.state.epoch_step == 0 {
            let new = self.share.own.clone().map(|_| self.new_metrics());
            self.metrics = new.collect::<Result<_>>()?;
        }
        Ok(())
    }

    /// The metrics before the first batch.
    pub(crate) fn new_metrics(&self) -> Result<Metrics> {
        let mut metrics = self.model.metrics(&self.settings.metrics)?;
        if !self.prepared.is_empty() {
            metrics.restore(&self.prepared)?;
        }
        Ok(metrics)
    }

    /// What is monitored of an epoch: the better the lower.
    fn score(&self, metrics: &EpochMetrics) -> f64 {
        let value = metrics.measured().get(&self.settings.monitor).unwrap_or(f64::NAN);
        match self.direction {
            Direction::Lower => value,
            Direction::Higher => -value,
        }
    }

    /// Reacts to an epoch's score: lowers the rate, or stops early.
    fn react(&mut self, score: f64) {
        if let Schedule::Plateau { patience, min_delta, .. } = self.settings.schedule
            && self.state.plateau.is_lost(score, patience, min_delta)
        {
            self.state.lowered += 1;
            info!(
                "the {} is no longer better: the learning rate is lowered",
                self.settings.monitor
            );
        }
        if let Some(early) = self.settings.early_stopping {
            self.state.stopped =
                self.state.stopping.is_lost(score, early.patience, early.min_delta);
        }
    }

    /// What the epoch trains on: all training samples. Of one long sequence with carried states they begin somewhere
    /// else in each epoch, as long as that leaves as many batches.
    fn epoch_samples(&self, train: &Arc<dyn Samples>) -> Result<Arc<dyn Samples>> {
        let TrainingConfig { carry_state, batch_size, seed, .. } = self.settings.training;
        let Some(windows) = train.windows().filter(|_| carry_state) else {
            return Ok(train.clone());
        };
        let rows = windows.len() / batch_size * batch_size;
        let steps = rows as u64 * windows.window() as u64;
        // Windows that fill all batches leave nothing to choose from; too few for one are refused later.
        let Some(spare) = windows.steps().checked_sub(steps).filter(|_| rows > 0) else {
            return Ok(train.clone());
        };
        let start = randomness::offset(seed, self.state.epoch, spare + 1);
        Ok(windows.cut(start..start + steps, windows.window())?)
    }

    /// The epoch's batches from where it is.
    fn batches<'a>(&self, samples: &'a dyn Samples) -> Result<Batches<'a>> {
        let training = &self.settings.training;
        let order = match training.carry_state {
            true => Order::Streams,
            false => Order::Shuffled { seed: training.seed, epoch: self.state.epoch as u64 },
        };
        let batches = Batches::new(samples, order, training.batch_size, &self.device)?;
        Ok(batches.starting_at(self.state.epoch_step * training.accumulate))
    }

    /// An epoch's batches leave a smaller one at its end, or none where they are streams.
    fn steps_of_epoch(&self, samples: usize) -> usize {
        let training = &self.settings.training;
        let batches = match training.carry_state {
            true => samples / training.batch_size,
            false => samples.div_ceil(training.batch_size),
        };
        batches.div_ceil(training.accumulate)
    }

    fn learning_rate_factor(&self) -> f64 {
        let samples = self.state.train_samples();
        let schedule = match samples {
            // `step` without `run`: the number of steps is not known.
            0 => Schedule::Constant,
            _ => self.settings.schedule,
        };
        let position = self.position(self.steps_of_epoch(samples));
        schedule.factor(position) * self.lowered()
    }

    fn position(&self, epoch: usize) -> SchedulePosition {
        let training = &self.settings.training;
        let steps = epoch * training.epochs;
        SchedulePosition { step: self.state.step, steps, epoch, warmup: training.warmup_steps }
    }

    fn lowered(&self) -> f64 {
        match self.settings.schedule {
            Schedule::Plateau { factor, .. } => factor.powi(self.state.lowered),
            _ => 1.0,
        }
    }

    fn is_save_due(&self) -> bool {
        let every = self.settings.checkpoint.every_steps;
        every.is_some_and(|every| self.state.step.is_multiple_of(every))
    }

    /// Whether this process is asked to stop.
    fn is_asked_to_stop(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}
