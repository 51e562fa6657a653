//! The configuration of a training: what a recipe says, checked before any work.

use fgn_data::{DataConfig, Dataset, Samples as _};
use fgn_nn::{Isa, LossOptions, ModelConfig};
use serde::{Deserialize, Serialize};

use crate::class_weights::ClassWeights;
use crate::data::check_dataset;
use crate::epoch_metrics::EpochMetrics;
use crate::error::{Error, Result};
use crate::metrics::LOSS;
use crate::model::head_metrics;
use crate::optimizer::gradients::Clip;
use crate::optimizer::groups::ParameterGroup;
use crate::optimizer::rules::OptimizerConfig;
use crate::ranges::{decay, expect};
use crate::schedule::{EarlyStopping, Schedule};
use crate::section;

/// A whole training: data, model, and how the one learns from the other.
///
/// In TOML the fields are keys and tables of the same names; an unknown key is an error. The embedded
/// recipes are examples of all of them. A model or data of your own have a configuration of your own,
/// `M` and `D`: a structure, an enum with a tag, a map, or `()` where there is nothing to configure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config<M = ModelConfig, D = DataConfig> {
    /// Names the run: its folder is `runs/<name>-<n>`. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The names of the metrics to measure, beside the loss; those that suit the model if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// What decides which epoch is best, for the model that is kept, early stopping and the plateau schedule: the
    /// loss, or the name of a metric. Of the validation part, or of the training where there is none.
    #[serde(default = "loss", skip_serializing_if = "is_loss")]
    pub monitor: String,
    /// What to train on.
    #[serde(
        with = "section",
        bound(serialize = "D: Serialize", deserialize = "D: Deserialize<'de>")
    )]
    pub data: D,
    /// How long to learn, and in what steps.
    pub training: TrainingConfig,
    /// How a step changes the weights; Adam if left out.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate goes; constant if left out.
    #[serde(default)]
    pub schedule: Schedule,
    /// Limits of the gradients; none if left out.
    #[serde(default)]
    pub clip: Clip,
    /// Parameters that learn otherwise than the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
    /// When to stop before all epochs are done; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// How often to save, and what to keep.
    #[serde(default)]
    pub checkpoint: CheckpointConfig,
    /// What is looked at while it learns.
    #[serde(default)]
    pub report: ReportConfig,
    /// What learns.
    #[serde(
        with = "section",
        bound(serialize = "M: Serialize", deserialize = "M: Deserialize<'de>")
    )]
    pub model: M,
}

/// How long to learn, and in what steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

/// What to do about a step whose loss or gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NonFinite {
    /// Stop, and say which step, which samples and which tensors.
    #[default]
    Stop,
    /// Warn, and skip the step. Weights that are not finite stop it all the same.
    Skip,
}

/// How often to save a training, and what to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Steps between two checkpoints, at least 1, beside the one after each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<usize>,
    /// How many of the last are kept, at least 1, beside the best; 2 if left out.
    #[serde(default = "two")]
    pub keep: usize,
    /// Which epoch's model is saved; the best one's if left out.
    #[serde(default)]
    pub model: KeptModel,
}

impl CheckpointConfig {
    /// Whether the model of the best of these epochs is saved, rather than that of the last one.
    pub fn keeps_best(&self, history: &[EpochMetrics]) -> bool {
        self.model == KeptModel::Best && history.iter().any(|epoch| epoch.valid.is_some())
    }
}

/// Which epoch's model is evaluated on the test part and saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptModel {
    /// That of the best epoch, by [`Config::monitor`] on the validation part. Without such a part nothing says
    /// which epoch is best, and it is that of the last one.
    #[default]
    Best,
    /// That of the last epoch.
    Last,
}

/// What is looked at while a model learns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// How many samples the gates are looked at on after each epoch, of the validation set where there is one;
    /// none with 0; 64 if left out.
    #[serde(default = "looked_at")]
    pub gate_samples: usize,
    /// What a language model continues after each epoch; if left out a line end, or the first token where the
    /// vocabulary has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// How many tokens a language model writes after the prompt; none with 0; 200 if left out.
    #[serde(default = "written")]
    pub sample_length: usize,
}

/// All of a [`Config`] that a trainer needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) metrics: Vec<String>,
    pub(crate) monitor: String,
    pub(crate) training: TrainingConfig,
    pub(crate) optimizer: OptimizerConfig,
    pub(crate) schedule: Schedule,
    pub(crate) clip: Clip,
    pub(crate) groups: Vec<ParameterGroup>,
    pub(crate) early_stopping: Option<EarlyStopping>,
    pub(crate) checkpoint: CheckpointConfig,
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
        }
    }
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        CheckpointConfig { every_steps: None, keep: two(), model: KeptModel::Best }
    }
}

impl Default for ReportConfig {
    fn default() -> Self {
        ReportConfig { gate_samples: looked_at(), prompt: None, sample_length: written() }
    }
}

impl<M, D> Config<M, D> {
    /// A training with everything as if left out, but for what has no default.
    pub fn new(name: &str, data: D, training: TrainingConfig, model: M) -> Config<M, D> {
        Config {
            name: name.to_owned(),
            metrics: Vec::new(),
            monitor: loss(),
            data,
            training,
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::default(),
            clip: Clip::default(),
            groups: Vec::new(),
            early_stopping: None,
            checkpoint: CheckpointConfig::default(),
            report: ReportConfig::default(),
            model,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            metrics: self.metrics.clone(),
            monitor: self.monitor.clone(),
            training: self.training.clone(),
            optimizer: self.optimizer,
            schedule: self.schedule,
            clip: self.clip,
            groups: self.groups.clone(),
            early_stopping: self.early_stopping,
            checkpoint: self.checkpoint,
        }
    }

    /// Checks every value but those of data and model.
    ///
    /// # Errors
    /// The first value that no training can have.
    pub fn check_settings(&self) -> Result<()> {
        let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name_fits = self.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let name = format!("{:?}", self.name);
        let letters = "letters, digits, '-', '_' and '.', beginning with a letter or digit";
        expect(name_fits && self.name.chars().all(named), "name", name, letters)?;
        self.training.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        self.clip.check()?;
        self.groups.iter().try_for_each(ParameterGroup::check)?;
        self.early_stopping.iter().try_for_each(EarlyStopping::check)?;
        let CheckpointConfig { every_steps, keep, .. } = self.checkpoint;
        let every = every_steps.unwrap_or(1);
        expect(every >= 1, "checkpoint.every_steps", every, "at least 1")?;
        expect(keep >= 1, "checkpoint.keep", keep, "at least 1")
    }
}

impl<M: Serialize, D: Serialize> Config<M, D> {
    /// The configuration as TOML: a recipe that repeats this training.
    ///
    /// # Errors
    /// A value that TOML cannot hold; none in a configuration that [`Config::check`] passes.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|error| Error::Recipe {
            origin: "this configuration".into(),
            message: error.to_string(),
            nearest: None,
        })
    }
}

impl TrainingConfig {
    /// The options of the loss in training and in evaluation: weights of classes, and focus.
    ///
    /// # Errors
    /// Weights that are yet to be taken from the data: see [`Config::settle`].
    pub(crate) fn loss_options(&self) -> Result<LossOptions> {
        let weights = match &self.class_weights {
            Some(weights) => weights.given()?.to_vec(),
            None => Vec::new(),
        };
        let options = LossOptions::default().with_class_weights(weights);
        Ok(options.with_focal_gamma(self.focal_gamma))
    }

    fn check(&self) -> Result<()> {
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
        self.average.map_or(Ok(()), |average| decay("training.average", average))
    }
}

impl Config {
    /// Checks every value that does not depend on the data.
    ///
    /// # Errors
    /// The first value that no training can have.
    pub fn check(&self) -> Result<()> {
        self.check_settings()?;
        self.data.check()?;
        self.model.validate()?;
        self.check_measures()?;
        self.check_prompt()?;
        let weights = match &self.training.class_weights {
            // Whatever they are, there is one for each class.
            Some(ClassWeights::Balanced) => {
                vec![1.0; self.model.head.target().names().len().max(1)]
            }
            Some(ClassWeights::Given(weights)) => weights.clone(),
            None => Vec::new(),
        };
        let options = LossOptions::default()
            .with_label_smoothing(self.training.label_smoothing)
            .with_class_weights(weights)
            .with_focal_gamma(self.training.focal_gamma);
        Ok(self.model.head.check_loss_options(&options)?)
    }

    /// Checks that the model's head has the metrics that are named, and what is monitored.
    ///
    /// # Errors
    /// The first name that it has not.
    pub(crate) fn check_measures(&self) -> Result<()> {
        let metrics = head_metrics(&self.model.head, &self.metrics)?;
        metrics.direction_of(&self.monitor).map(drop)
    }

    /// Checks that a language model can read the prompt.
    fn check_prompt(&self) -> Result<()> {
        let input = self.model.input.samples();
        let (Some(prompt), Some(tokenizer)) = (&self.report.prompt, input.tokenizer()) else {
            return Ok(());
        };
        let found = match tokenizer.encode(prompt) {
            Ok(tokens) if !tokens.is_empty() => return Ok(()),
            Ok(_) => format!("{prompt:?}"),
            Err(error) => format!("{prompt:?} ({error})"),
        };
        expect(false, "report.prompt", found, "a text of one token of the vocabulary or more")
    }

    /// Checks what [`Config::check`] does, that data, model and training fit each other, and that this
    /// machine has the instruction set that `FGN_ISA` may ask for.
    ///
    /// # Errors
    /// The first value that does not.
    pub fn check_with(&self, dataset: &Dataset) -> Result<()> {
        self.check()?;
        Isa::active()?;
        check_dataset(&self.model, dataset)?;
        let count = dataset.train.len();
        let valid = match dataset.valid {
            Some(_) => 0,
            None => self.data.held_out(count)?,
        };
        let expected = format!("less than {count}, the number of training samples");
        expect(valid < count, "data.validation", valid, expected)?;
        let expected = "0 with training.carry_state: the validation set is drawn at random, and streams are \
                        of samples that follow each other";
        let is_random = self.training.carry_state && dataset.train.windows().is_none();
        expect(!is_random || valid == 0, "data.validation", valid, expected)?;
        let left = count - valid;
        let expected = format!("1 to {left}, the number of samples to train on");
        let batch_size = self.training.batch_size;
        expect(batch_size <= left, "training.batch_size", batch_size, expected)
    }
}

fn one<T: From<u8>>() -> T {
    1.into()
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn loss() -> String {
    LOSS.into()
}

fn is_loss(monitor: &str) -> bool {
    monitor == LOSS
}

fn two() -> usize {
    2
}

fn looked_at() -> usize {
    64
}

fn written() -> usize {
    200
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[test]
    fn values_that_no_training_can_have_are_refused() {
        for bad in [
            "name=../mnist",
            "name=''",
            "training.epochs=0",
            "training.batch_size=0",
            "optimizer.learning_rate=nan",
            "optimizer.learning_rate=inf",
            "optimizer.learning_rate=0",
            "optimizer.learning_rate=-1",
            "clip.norm=0",
            "optimizer.epsilon=0",
            "model.recurrent.hidden_size=0",
        ] {
            let message = testing::load(&[bad]).unwrap_err().to_string();
            let key = bad.split('=').next().unwrap().trim_start_matches("model.");
            assert!(message.contains(key), "{bad}: {message}");
            assert!(message.contains(", expected "), "{bad}: {message}");
        }
        let mut config = testing::config();
        config.training.seed = u64::MAX;
        assert!(config.check().is_err(), "TOML cannot hold it");
    }

    #[test]
    fn what_does_not_fit_the_data_is_refused() {
        let dataset = testing::dataset();
        for (bad, expected) in [
            ("training.batch_size=71", "training.batch_size is 71, expected 1 to 70,"),
            ("data.validation=90", "data.validation is 90, expected less than 90,"),
            ("model.input.width=8", "6 x 4 pixels, expected images of 6 x 8"),
            ("model.head.classes=2", "3 classes, expected at most 2 classes"),
        ] {
            let config = testing::load(&[bad]).unwrap();
            let message = config.check_with(&dataset).unwrap_err().to_string();
            assert!(message.contains(expected), "{bad}: {message}");
        }
        testing::load(&["training.batch_size=70"]).unwrap().check_with(&dataset).unwrap();
    }
}
