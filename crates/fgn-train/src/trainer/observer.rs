//! Who is told how a training goes, and what.

use fgn_nn::Model;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Checkpoint, Result};

/// Is told how the training of a model goes. `()` ignores it, a pair of observers tells both.
pub trait Observer<M: ?Sized = Model> {
    /// Called once, before the first step.
    ///
    /// # Errors
    /// Any; it stops the training, here and below.
    fn start(&mut self, plan: &Plan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// Called after each step.
    fn step(&mut self, step: &Step) -> Result<()> {
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
}

impl<M: ?Sized> Observer<M> for () {}

impl<M: ?Sized, O: Observer<M> + ?Sized> Observer<M> for &mut O {
    fn start(&mut self, plan: &Plan) -> Result<()> {
        (**self).start(plan)
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        (**self).step(step)
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        (**self).epoch(metrics, model)
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        (**self).save(checkpoint)
    }
}

impl<M: ?Sized, A: Observer<M>, B: Observer<M>> Observer<M> for (A, B) {
    fn start(&mut self, plan: &Plan) -> Result<()> {
        self.0.start(plan)?;
        self.1.start(plan)
    }

    fn step(&mut self, step: &Step) -> Result<()> {
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
}

/// What a training is going to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The recipe's name.
    pub name: String,
    /// What the model is, in a word or two: its cell, with its options.
    pub model: String,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Samples to train on, held out for validation, and to test on.
    pub samples: [usize; 3],
    /// Passes over the training samples.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Steps made before, where an interrupted training goes on.
    pub done: usize,
    /// Epochs measured before.
    pub history: Vec<EpochMetrics>,
}

/// One step of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Counted from 1.
    pub epoch: usize,
    /// Counted from 1, within the epoch.
    pub step: usize,
    /// Counted from 1, over all epochs.
    pub total: usize,
    /// The mean loss of this step's targets; not finite where the step was skipped.
    pub loss: f64,
    /// Samples trained on in this epoch up to here.
    pub samples: usize,
    /// The step size, for parameters in no group.
    pub learning_rate: f64,
    /// The norm of all gradients together, ahead of clipping; not finite where the step was skipped.
    pub gradient_norm: f64,
}

/// What is known after an epoch: a line of `metrics.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps made up to here, over all epochs.
    pub step: usize,
    /// Mean loss over the epoch's training targets, each before the step that used it, with dropout; not a
    /// number, and `null` in JSON, where every step was skipped.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// The share of those targets that the model had right, where there is right and wrong.
    pub train_accuracy: Option<f64>,
    /// Mean loss of the held-out samples after the epoch; none where none are held out.
    pub valid_loss: Option<f64>,
    /// The share of the held-out targets that the model has right.
    pub valid_accuracy: Option<f64>,
    /// The step size of the epoch's last step.
    pub learning_rate: f64,
    /// How long the epoch's steps took, without validation.
    pub seconds: f64,
    /// Training samples a second.
    pub samples_per_second: f64,
}

impl EpochMetrics {
    /// What says how good the model is: the validation loss, or the training loss where there is none.
    pub fn loss(&self) -> f64 {
        self.valid_loss.unwrap_or(self.train_loss)
    }
}

/// JSON has no number for what is not one.
fn number_or_null<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}
