//! The configuration of a training: what a recipe says, checked before any work.

use fgn_data::{DataConfig, Dataset, Samples as _, Task};
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
use crate::ranges::expect;
use crate::schedule::{EarlyStopping, Schedule};
use crate::section;
use crate::training_config::TrainingConfig;

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

/// How often to save a training, and what to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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
    /// Whether the model of the best of these epochs is saved, rather than that of the last one: where there is a
    /// validation part, and `monitor` has a value there.
    pub fn keeps_best(&self, history: &[EpochMetrics], monitor: &str) -> bool {
        let is_scored = |epoch: &EpochMetrics| {
            let value = epoch.valid.as_ref().and_then(|valid| valid.get(monitor));
            value.is_some_and(f64::is_finite)
        };
        self.model == KeptModel::Best && history.iter().any(is_scored)
    }
}

/// Which epoch's model is evaluated on the test part and saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
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
#[non_exhaustive]
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
        self.check_steps()?;
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

    /// Checks that steps that are cut off in training leave the targets as they are.
    fn check_steps(&self) -> Result<()> {
        let is_forecast = matches!(self.data.series.task, Task::Forecast { .. });
        let fits = !self.model.input.changes_steps() || !(is_forecast || self.training.carry_state);
        let expected = "0 for a forecast, and with training.carry_state: both are of the last step";
        expect(fits, "model.input.augment.crop", "above 0", expected)
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
    use fgn_nn::{Series, SeriesAugment};

    use super::*;
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
    fn steps_are_not_cut_off_where_the_last_one_matters() {
        let mut config = testing::config();
        let augment = SeriesAugment { crop: 0.2, ..SeriesAugment::default() };
        config.model.input = Series { augment, ..Series::new(4) }.into();
        config.check().unwrap();
        config.training.carry_state = true;
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("model.input.augment.crop is above 0, expected 0 for"), "{error}");
        config.training.carry_state = false;
        config.data.series.task = Task::Forecast { window: 3, ahead: 1, stride: 1 };
        assert!(config.check().is_err());
        config.model.input = Series::new(4).into();
        config.check().unwrap();
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
