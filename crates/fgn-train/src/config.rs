//! The configuration of a training: what a recipe says, checked before any work.

use fgn_data::{Dataset, Input, Samples, Target};
use fgn_nn::{InputConfig, Isa, ModelConfig};
use serde::{Deserialize, Serialize};

use crate::{Error, OptimizerConfig, Result};

/// A whole training: data, model, and how the one learns from the other.
///
/// In TOML the fields are keys and tables of the same names; an unknown key is an error. The embedded
/// recipes are examples of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the run: its folder is `runs/<name>-<n>`. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What to learn from.
    pub data: DataConfig,
    /// How to learn.
    pub training: TrainingConfig,
    /// What learns.
    pub model: ModelConfig,
}

/// What to learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A data set's name, `mnist` say; with a `/` in it, the path of a folder with the four files of a
    /// set in MNIST's form.
    pub source: String,
    /// How many training images are held out, drawn by the seed, to measure each epoch with. With 0 an
    /// epoch has no validation numbers.
    pub validation: usize,
}

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the training images, at least 1.
    pub epochs: usize,
    /// Images a step, from 1 to the number of training images.
    pub batch_size: usize,
    /// The optimizer's step size at the start, finite and above 0.
    pub learning_rate: f64,
    /// How the learning rate goes on from there; constant if left out.
    #[serde(default)]
    pub schedule: Schedule,
    /// Decides initial weights, validation part, order of images and dropout: the same seed gives the
    /// same model. From 0 to 2^63 - 1, as TOML has no larger numbers; 1 if left out.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The largest norm that the gradients together may have; no limit if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Adam if left out.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
}

/// How the learning rate goes from the first step to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Half a cosine wave, from the full rate down to almost 0 (Loshchilov & Hutter, 2017).
    Cosine,
}

impl Schedule {
    /// The factor on the learning rate at `step` of `steps`, counted from 0 over all epochs.
    ///
    /// ```
    /// use fgn_train::Schedule;
    ///
    /// assert_eq!(Schedule::Cosine.factor(0, 1000), 1.0);
    /// assert!((Schedule::Cosine.factor(500, 1000) - 0.5).abs() < 1e-12);
    /// assert_eq!(Schedule::Constant.factor(500, 1000), 1.0);
    /// ```
    pub fn factor(self, step: usize, steps: usize) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                let turn = std::f64::consts::PI * step as f64 / steps as f64;
                0.5 * (1.0 + turn.cos())
            }
        }
    }
}

impl Config {
    /// Checks every value that does not depend on the data.
    ///
    /// # Errors
    /// The first value that no training can have.
    pub fn check(&self) -> Result<()> {
        let training = &self.training;
        let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name_fits = self.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let name = format!("{:?}", self.name);
        let letters = "letters, digits, '-', '_' and '.', beginning with a letter or digit";
        expect(name_fits && self.name.chars().all(named), "name", name, letters)?;
        expect(training.epochs >= 1, "training.epochs", training.epochs, "at least 1")?;
        expect(training.batch_size >= 1, "training.batch_size", training.batch_size, "at least 1")?;
        let rate = training.learning_rate;
        let positive = "a finite number above 0";
        expect(rate > 0.0 && rate.is_finite(), "training.learning_rate", rate, positive)?;
        let seed = training.seed;
        expect(i64::try_from(seed).is_ok(), "training.seed", seed, "at most 2^63 - 1")?;
        if let Some(norm) = training.clip_norm {
            expect(norm > 0.0 && norm.is_finite(), "training.clip_norm", norm, positive)?;
        }
        training.optimizer.check()?;
        Ok(self.model.validate()?)
    }

    /// Checks what [`Config::check`] does, that data, model and training fit each other, and that this
    /// machine has the instruction set that `FGN_ISA` may ask for.
    ///
    /// # Errors
    /// The first value that does not.
    pub fn check_with(&self, dataset: &Dataset) -> Result<()> {
        self.check()?;
        Isa::active()?;
        fits(&self.model, dataset)?;
        let count = dataset.train.len();
        let valid = if dataset.valid.is_some() { 0 } else { self.data.validation };
        let expected = format!("less than {count}, the number of training samples");
        expect(valid < count, "data.validation", valid, expected)?;
        let left = count - valid;
        let expected = format!("1 to {left}, the number of samples to train on");
        let batch_size = self.training.batch_size;
        expect(batch_size <= left, "training.batch_size", batch_size, expected)
    }

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

impl DataConfig {
    /// Reads the data set.
    ///
    /// # Errors
    /// An unknown name, and files that are missing or damaged.
    pub fn open(&self) -> Result<Dataset> {
        if self.source.contains(['/', std::path::MAIN_SEPARATOR]) {
            Ok(fgn_data::read_idx_folder(self.source.as_ref())?.shared())
        } else {
            Ok(fgn_data::open(&self.source)?)
        }
    }
}

/// # Errors
/// Images of another size than the model's, or labels that it has no class for.
pub(crate) fn fits(model: &ModelConfig, dataset: &Dataset) -> Result<()> {
    let parts = [Some(&dataset.train), dataset.valid.as_ref(), Some(&dataset.test)];
    parts.into_iter().flatten().try_for_each(|part| part_fits(model, part))
}

fn part_fits(model: &ModelConfig, samples: &dyn Samples) -> Result<()> {
    let form = samples.form();
    let expected = match model.input {
        InputConfig::ImageConv { height, width, .. }
        | InputConfig::ImageRows { height, width }
        | InputConfig::ImagePixels { height, width, .. } => {
            Input::Image { height, width, channels: 1 }
        }
        InputConfig::Series { features, .. } => Input::Series { features },
        InputConfig::Symbols { symbols, .. } => Input::Symbols { symbols },
    };
    if form.input != expected {
        let found = form.input.to_string();
        return Err(Error::Mismatch { found, expected: format!("{expected} (model.input)") });
    }
    match &form.target {
        Target::Classes(names) if names.len() <= model.classes => Ok(()),
        target => Err(Error::Mismatch {
            found: target.to_string(),
            expected: format!("at most {} (model.classes)", model.classes),
        }),
    }
}

fn expect(
    holds: bool,
    key: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::Value { key, found: found.to_string(), expected: expected.into() }),
    }
}

fn default_seed() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn values_that_no_training_can_have_are_refused() {
        for bad in [
            "name=../mnist",
            "name=''",
            "training.epochs=0",
            "training.batch_size=0",
            "training.learning_rate=nan",
            "training.learning_rate=inf",
            "training.learning_rate=0",
            "training.learning_rate=-1",
            "training.clip_norm=0",
            "training.optimizer.epsilon=0",
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
            ("model.input.width=8", "6 x 4 pixels, the model expects images of 6 x 8"),
            ("model.classes=2", "3 classes, the model expects at most 2"),
        ] {
            let config = testing::load(&[bad]).unwrap();
            let message = config.check_with(&dataset).unwrap_err().to_string();
            assert!(message.contains(expected), "{bad}: {message}");
        }
        testing::load(&["training.batch_size=70"]).unwrap().check_with(&dataset).unwrap();
    }

    #[test]
    fn a_source_with_a_slash_is_a_folder() {
        let open = |source: &str| DataConfig { source: source.into(), validation: 0 }.open();
        let message = open("./mnist").unwrap_err().to_string();
        assert!(message.contains("./mnist"), "{message}");
        let message = open("mnits").unwrap_err().to_string();
        assert!(message.contains("did you mean \"mnist\""), "{message}");
    }
}
