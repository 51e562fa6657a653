//! The data set of a training: opened, checked, and changed by overrides.

use fgn_data::{DataConfig, Dataset, ReadProgress, Samples};
use fgn_nn::ModelConfig;
use serde::{Deserialize, Serialize};
use toml::Table;
use tracing::debug;

use crate::error::{Error, Result};
use crate::overrides::Override;
use crate::toml_error::explain;

/// `config` with `overrides` applied, whose keys are those of a recipe: `data.series.id`, say.
///
/// # Errors
/// An unknown key or a value that does not fit, with the nearest known one.
pub fn override_data(config: &DataConfig, overrides: &[Override]) -> Result<DataConfig> {
    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Recipe {
        data: DataConfig,
    }
    let origin = || {
        let given: Vec<_> = overrides.iter().map(Override::to_string).collect();
        format!("with {}", given.join(", "))
    };
    let recipe = Table::try_from(Recipe { data: config.clone() });
    let mut recipe = recipe.map_err(|error| Error::Recipe {
        origin: origin(),
        message: error.to_string(),
        nearest: None,
    })?;
    overrides.iter().try_for_each(|setting| setting.apply(&mut recipe))?;
    let with = Recipe::deserialize(recipe).map_err(|problem| explain(&problem, origin()))?;
    Ok(with.data)
}

/// Opens the data set of a configuration, and logs how far reading is.
///
/// # Errors
/// Those of [`DataConfig::open`].
pub fn open_data(config: &DataConfig) -> Result<Dataset> {
    Ok(config.open(&mut log_progress)?)
}

/// Logs how far reading is.
pub fn log_progress(progress: ReadProgress<'_>) {
    debug!("read {} of {} of {}", progress.done, progress.total, progress.name);
}

/// Checks that a model of this configuration can be used on every part of `dataset`.
///
/// # Errors
/// Samples of another schema than the model's.
pub fn check_dataset(model: &ModelConfig, dataset: &Dataset) -> Result<()> {
    let parts = [Some(&dataset.train), dataset.valid.as_ref(), Some(&dataset.test)];
    parts.into_iter().flatten().try_for_each(|part| check_samples(model, &**part))
}

/// Checks that a model of this configuration can be used on `samples`.
///
/// # Errors
/// As [`check_dataset`].
pub fn check_samples(model: &ModelConfig, samples: &dyn Samples) -> Result<()> {
    Ok(model.accepts(samples.schema())?)
}
