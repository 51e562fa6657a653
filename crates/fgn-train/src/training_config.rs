//! How long a model learns, and in what steps.

use fgn_nn::{LossOptions, Precision};
use serde::{Deserialize, Serialize};

use crate::class_weights::ClassWeights;
use crate::error::Result;
use crate::ranges::{decay, expect};

/// How long to learn, and in what steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainingConfig {
    /// Passes over the training samples, at least 1.
    pub epochs: usize,
    /// Samples a batch, from 1 to the number of training samples.
    pub batch_size: usize,
    /// Decides initial weights, validation part, order of samples and dropout: the same seed gives the
    /// same model. From 0 to 2^63 - 1, as TOML has no larger numbers; 1 if left out.
    #[serde(default = "one")]
    pub seed: u64,
    /// Batches a step: their gradients are taken one after the other and averaged, as of one batch that
    /// is so many times as large; 1 if left out.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Steps in which the learning rate rises to its full size at the beginning; 0 if left out.
    #[serde(default)]
    pub warmup_steps: usize,
    /// The share of a target's weight that goes to all classes alike (Szegedy et al., 2016), in `[0, 1)`;
    /// 0 if left out.
    #[serde(default)]
    pub label_smoothing: f64,
    /// How much the targets of each class count, in training and in evaluation; all alike if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// How much less the targets count that are predicted well already, at least 0 (Lin et al., 2017, "focal loss"): in
    /// training and in evaluation; 0 if left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub focal_gamma: f64,
    /// A run folder, or a safetensors file, whose weights the training begins with, where they fit by name and shape;
    /// drawn from the seed if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// Parameters that stay as they are: patterns of their names, in which `*` stands for any text; none if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Keep an exponential moving average of the weights with this decay, in `[0, 1)`: 0.999, say. It is
    /// what is measured, and the model in the end. None if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Samples are pieces of streams, each of which goes on in the next batch: so does the state
    /// (truncated back-propagation through time). Off if left out.
    #[serde(default)]
    pub carry_state: bool,
    /// The probability with which a stream's state is set to zero before a batch, in `[0, 1)`, so that a model learns
    /// to begin, too; 0 if left out. Only with `carry_state`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reset_state: f64,
    /// What to do about a loss or gradient that is not finite: `stop` if left out.
    #[serde(default)]
    pub non_finite: NonFinite,
    /// What operands of the recurrent layer's products are rounded to: `f32`, which is not at all, if left out.
    #[serde(default, skip_serializing_if = "TrainingPrecision::is_f32")]
    pub precision: TrainingPrecision,
    /// Groups of samples that a batch is divided into, at least as many as there are processes. Their gradients are
    /// computed one by one, and added in an order that depends on this number alone: with it, any number of processes gives
    /// the same model, bit for bit. If left out, each process computes its part of a batch as one group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Each process keeps the optimizer's memory of some of the parameters, updates those, and sends them to the others.
    /// It changes no bit of the result. Off if left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shard_optimizer: bool,
    /// Processes send each other gradients that are rounded to bf16, of half the size. Off if left out; not with `groups`,
    /// because the result depends on the number of processes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub compress_gradients: bool,
}

/// What to do about a step whose loss or gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NonFinite {
    /// Stop, and say which step, which samples and which tensors.
    #[default]
    Stop,
    /// Warn, and skip the step. Weights that are not finite stop it all the same.
    Skip,
}

/// What operands of the recurrent layer's products are rounded to in training, and wherever the training measures the
/// model. Weights and gradients are `f32` in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to bf16, with sums in `f32`.
    Bf16,
}

impl TrainingPrecision {
    /// Whether nothing is rounded.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

impl From<TrainingPrecision> for Precision {
    fn from(precision: TrainingPrecision) -> Self {
        match precision {
            TrainingPrecision::F32 => Self::F32,
            TrainingPrecision::Bf16 => Self::Bf16,
        }
    }
}

impl TrainingConfig {
    /// So many passes in batches of that size, all else as if left out.
    pub fn new(epochs: usize, batch_size: usize) -> TrainingConfig {
        TrainingConfig {
            epochs,
            batch_size,
            seed: one(),
            accumulate: one(),
            warmup_steps: 0,
            label_smoothing: 0.0,
            class_weights: None,
            focal_gamma: 0.0,
            init: None,
            freeze: Vec::new(),
            average: None,
            carry_state: false,
            reset_state: 0.0,
            non_finite: NonFinite::Stop,
            precision: TrainingPrecision::F32,
            groups: None,
            shard_optimizer: false,
            compress_gradients: false,
        }
    }

    /// The options of the loss in training and in evaluation: weights of classes, and focus.
    ///
    /// # Errors
    /// Weights that are yet to be taken from the data: see [`Config::settle`](crate::Config::settle).
    pub(crate) fn loss_options(&self) -> Result<LossOptions> {
        let weights = match &self.class_weights {
            Some(weights) => weights.given()?.to_vec(),
            None => Vec::new(),
        };
        let options = LossOptions::default().with_class_weights(weights);
        Ok(options.with_focal_gamma(self.focal_gamma))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that no training can have.
    pub(crate) fn check(&self) -> Result<()> {
        let at_least_1 = |key, value: usize| expect(value >= 1, key, value, "at least 1");
        at_least_1("training.epochs", self.epochs)?;
        at_least_1("training.batch_size", self.batch_size)?;
        at_least_1("training.accumulate", self.accumulate)?;
        let seed = self.seed;
        expect(i64::try_from(seed).is_ok(), "training.seed", seed, "at most 2^63 - 1")?;
        decay("training.label_smoothing", self.label_smoothing)?;
        let gamma = self.focal_gamma;
        let fits = gamma >= 0.0 && gamma.is_finite();
        expect(fits, "training.focal_gamma", gamma, "0, or a number above it")?;
        self.class_weights.as_ref().map_or(Ok(()), ClassWeights::check)?;
        decay("training.reset_state", self.reset_state)?;
        let expected = "0 without training.carry_state: every batch begins with states of zeros";
        let fits = self.carry_state || self.reset_state == 0.0;
        expect(fits, "training.reset_state", self.reset_state, expected)?;
        let groups = self.groups.unwrap_or(1);
        let expected = format!("1 to {}, the samples of a batch", self.batch_size);
        let fits = (1..=self.batch_size).contains(&groups);
        expect(fits, "training.groups", groups, expected)?;
        let expected =
            "false with training.groups: the result would depend on the number of processes";
        let fits = !self.compress_gradients || self.groups.is_none();
        expect(fits, "training.compress_gradients", self.compress_gradients, expected)?;
        self.average.map_or(Ok(()), |average| decay("training.average", average))
    }
}

fn one<T: From<u8>>() -> T {
    1.into()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
