//! Observers of a training, and what they get.

use fgn_data::Dataset;
use fgn_nn::Model;

use crate::checkpoint::files::Checkpoint;
use crate::epoch_metrics::EpochMetrics;
use crate::error::Result;
use crate::evaluation::Evaluation;
use crate::metrics::MetricInfo;
use crate::step_metrics::StepMetrics;

/// Gets what happens in the training of a model. `()` ignores it, a pair of observers passes it to both,
/// in their order.
///
/// ```
/// use fgn_train::{EpochMetrics, Finished, Observer, Result};
///
/// /// Keeps the best loss, and prints the end of the training.
/// struct Best(f64);
///
/// impl<M> Observer<M> for Best {
///     fn epoch(&mut self, metrics: &EpochMetrics, _: &M) -> Result<()> {
///         self.0 = self.0.min(metrics.loss());
///         Ok(())
///     }
///
///     fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
///         println!("best loss {}, test loss {}", self.0, finished.test.loss());
///         Ok(())
///     }
/// }
/// ```
pub trait Observer<M: ?Sized = Model> {
    /// Called once, before the first step.
    ///
    /// # Errors
    /// Any; it stops the training, here and below.
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// Called after each step.
    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        let _ = step;
        Ok(())
    }

    /// Called after each epoch, with the model as it was measured: where weights are averaged, with the
    /// averages.
    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        let _ = (metrics, model);
        Ok(())
    }

    /// Called when the training is to be saved: after each epoch, every `checkpoint.every_steps` steps,
    /// and when it is interrupted.
    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let _ = checkpoint;
        Ok(())
    }

    /// Called once, when a whole training has come to its end and the model was evaluated on the test set;
    /// not after an interruption.
    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        let _ = finished;
        Ok(())
    }
}

impl<M: ?Sized> Observer<M> for () {}

impl<M: ?Sized, O: Observer<M> + ?Sized> Observer<M> for &mut O {
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        (**self).start(plan)
    }

    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        (**self).step(step)
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        (**self).epoch(metrics, model)
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        (**self).save(checkpoint)
    }

    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        (**self).finish(finished)
    }
}

/// None ignores what happens.
impl<M: ?Sized, O: Observer<M>> Observer<M> for Option<O> {
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        self.as_mut().map_or(Ok(()), |observer| observer.start(plan))
    }

    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        self.as_mut().map_or(Ok(()), |observer| observer.step(step))
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        self.as_mut().map_or(Ok(()), |observer| observer.epoch(metrics, model))
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.as_mut().map_or(Ok(()), |observer| observer.save(checkpoint))
    }

    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        self.as_mut().map_or(Ok(()), |observer| observer.finish(finished))
    }
}

impl<M: ?Sized, A: Observer<M>, B: Observer<M>> Observer<M> for (A, B) {
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        self.0.start(plan)?;
        self.1.start(plan)
    }

    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        self.0.step(step)?;
        self.1.step(step)
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        self.0.epoch(metrics, model)?;
        self.1.epoch(metrics, model)
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.0.save(checkpoint)?;
        self.1.save(checkpoint)
    }

    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        self.0.finish(finished)?;
        self.1.finish(finished)
    }
}

/// What a training is going to do.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingPlan {
    /// The recipe's name.
    pub name: String,
    /// The configuration, as TOML.
    pub config: String,
    /// The model in a word or two: its cell, with its options.
    pub model: String,
    /// What the metrics are called, in their order.
    pub metrics: Vec<MetricInfo>,
    /// The number of trained values.
    pub parameters: usize,
    /// The sizes of training, validation and test set.
    pub samples: [usize; 3],
    /// Passes over the training samples.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Steps made before, where a training is resumed.
    pub done: usize,
    /// Epochs measured before.
    pub history: Vec<EpochMetrics>,
}

/// A training that has come to its end.
#[non_exhaustive]
pub struct Finished<'a, M: ?Sized = Model> {
    /// The trained model, with the weights of `epoch`.
    pub model: &'a M,
    /// The configuration, as TOML.
    pub config: &'a str,
    /// The epochs, in their order.
    pub history: &'a [EpochMetrics],
    /// The epoch whose weights the model has, counted from 1: the best one or the last one.
    pub epoch: usize,
    /// The evaluation of the model on the test set.
    pub test: &'a Evaluation,
    /// What it was trained, validated and tested on.
    pub dataset: &'a Dataset,
}

impl<M: ?Sized> Clone for Finished<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: ?Sized> Copy for Finished<'_, M> {}
