//! What to learn from.

use std::path::{MAIN_SEPARATOR, Path};

use fgn_data::{
    Dataset, ImageOptions, Input, OpenOptions, Samples, SeriesOptions, Share, Target, open_path,
};
use fgn_nn::{InputConfig, ModelConfig};
use serde::{Deserialize, Serialize};
use toml::Table;
use tracing::debug;

use crate::recipe::explain;
use crate::{Error, Override, Result};

/// What to learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A data set's name, `mnist` say; or a path, with a `/` in it or the ending of a table: see
    /// [`open_path`] for what may be there.
    pub source: String,
    /// How many training samples are held out, drawn by the training's seed, to measure each epoch with: a
    /// number of them, or a share. With 0 an epoch has no validation numbers.
    pub validation: Share,
    /// How much is held out for the final test where the data has no test part of its own; a fifth if left
    /// out.
    #[serde(default = "fifth", skip_serializing_if = "is_fifth")]
    pub test: Share,
    /// Draws that part, whatever the training's seed; 1 if left out.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub seed: u64,
    /// How the rows of a table become samples.
    #[serde(default, skip_serializing_if = "is_default")]
    pub series: SeriesOptions,
    /// How image files become samples.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images: ImageOptions,
}

impl DataConfig {
    /// A source with all else as if left out, and no validation part.
    pub fn new(source: impl Into<String>) -> DataConfig {
        DataConfig {
            source: source.into(),
            validation: Share::Count(0),
            test: fifth(),
            seed: one(),
            series: SeriesOptions::default(),
            images: ImageOptions::default(),
        }
    }

    /// The same with `overrides` laid over it, whose keys are those of a recipe: `data.series.id`, say.
    ///
    /// # Errors
    /// An unknown key or a value that does not fit, with the nearest known one.
    pub fn with(&self, overrides: &[Override]) -> Result<DataConfig> {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Recipe {
            data: DataConfig,
        }
        let origin = || {
            let given: Vec<_> = overrides.iter().map(Override::to_string).collect();
            format!("with {}", given.join(", "))
        };
        let recipe = Table::try_from(Recipe { data: self.clone() });
        let mut recipe = recipe.map_err(|error| Error::Recipe {
            origin: origin(),
            message: error.to_string(),
            nearest: None,
        })?;
        overrides.iter().try_for_each(|setting| setting.apply(&mut recipe))?;
        let with = Recipe::deserialize(recipe).map_err(|problem| explain(&problem, origin()))?;
        Ok(with.data)
    }

    /// Reads the data set.
    ///
    /// # Errors
    /// An unknown name, and files that are missing, damaged, or not as the options say.
    pub fn open(&self) -> Result<Dataset> {
        if !self.is_path() {
            return Ok(fgn_data::open(&self.source)?);
        }
        let path = Path::new(&self.source);
        path.metadata().map_err(Error::io("read", path))?;
        let options = OpenOptions {
            test: self.test,
            seed: self.seed,
            series: self.series.clone(),
            images: self.images.clone(),
        };
        let mut told = |progress: fgn_data::Progress<'_>| {
            debug!("read {} of {} of {}", progress.done, progress.total, progress.name);
        };
        Ok(open_path(path, &options, &mut told)?)
    }

    /// Checks the values that need no data to be told wrong.
    ///
    /// # Errors
    /// A share below 0, or of 1 or more.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, share) in [("data.validation", self.validation), ("data.test", self.test)] {
            part(key, share, 1)?;
        }
        Ok(())
    }

    /// How many of `count` training samples are held out for validation.
    ///
    /// # Errors
    /// A share below 0, or of 1 or more.
    pub fn held_out(&self, count: usize) -> Result<usize> {
        part("data.validation", self.validation, count)
    }

    /// `dataset`, read from here, with its validation part held out.
    ///
    /// # Errors
    /// When that leaves nothing to train on.
    pub fn divide(&self, dataset: Dataset, seed: u64) -> Result<Dataset> {
        let count = self.held_out(dataset.train.len())?;
        Ok(dataset.hold_out(count, seed)?)
    }

    /// Makes it tell the same from anywhere and whatever is added to the table: the source as an absolute
    /// path, the features by name.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub(crate) fn settle(&mut self, dataset: &Dataset) -> Result<()> {
        if self.is_path() {
            self.source = absolute(self.source.as_ref())?;
        }
        if self.series.features.is_empty() {
            self.series.features = dataset.train.features().to_vec();
        }
        Ok(())
    }

    /// Whether the source is a path, and no name.
    pub(crate) fn is_path(&self) -> bool {
        self.source.contains(['/', MAIN_SEPARATOR]) || is_table(self.source.as_ref())
    }
}

fn part(key: &'static str, share: Share, count: usize) -> Result<usize> {
    share.count(count).map_err(|_| Error::Value {
        key,
        found: match share {
            Share::Of(share) => share.to_string(),
            Share::Count(count) => count.to_string(),
        },
        expected: "a number of samples, or a share of at least 0 and below 1".into(),
    })
}

/// A path as `data.source`, so that it is found from anywhere.
///
/// # Errors
/// One that is not UTF-8.
pub(crate) fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    absolute.into_os_string().into_string().map_err(|found| Error::Value {
        key: "data.source",
        found: format!("{found:?}"),
        expected: "a path in UTF-8".into(),
    })
}

/// Whether a file's name has the ending of a table.
pub(crate) fn is_table(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["csv", "tsv", "parquet"].contains(&ending))
}

/// # Errors
/// Samples of another form than the model's, or with targets that it has no output for.
pub(crate) fn fits(model: &ModelConfig, dataset: &Dataset) -> Result<()> {
    let parts = [Some(&dataset.train), dataset.valid.as_ref(), Some(&dataset.test)];
    parts.into_iter().flatten().try_for_each(|part| part_fits(model, &**part))
}

pub(crate) fn part_fits(model: &ModelConfig, samples: &dyn Samples) -> Result<()> {
    let form = samples.form();
    let mismatch = |found: String, expected: String| Err(Error::Mismatch { found, expected });
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
        return mismatch(form.input.to_string(), format!("{expected} (model.input)"));
    }
    if form.each_step != model.each_step {
        let of = |each_step| if each_step { "a target a step" } else { "a target a sample" };
        return mismatch(
            of(form.each_step).into(),
            format!("{} (model.each_step)", of(model.each_step)),
        );
    }
    let found = form.target.to_string();
    match &form.target {
        Target::Classes(names) if names.len() > model.classes || model.numbers > 0 => {
            mismatch(found, format!("at most {} (model.classes)", model.classes))
        }
        Target::Numbers(names) if names.len() != model.numbers => {
            mismatch(found, format!("{} (model.numbers)", model.numbers))
        }
        Target::Classes(names) | Target::Numbers(names)
            if !model.names.is_empty() && *names != model.names =>
        {
            let named = |names: &[String]| format!("targets called {}", names.join(", "));
            mismatch(named(names), format!("{} (model.names)", named(&model.names)))
        }
        _ => Ok(()),
    }
}

fn fifth() -> Share {
    Share::Of(0.2)
}

fn is_fifth(share: &Share) -> bool {
    *share == fifth()
}

fn one() -> u64 {
    1
}

fn is_one(seed: &u64) -> bool {
    *seed == one()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_with_a_slash_or_a_tables_ending_is_a_path() {
        let open = |source: &str| DataConfig::new(source).open().unwrap_err().to_string();
        for path in ["./mnist", "steps.csv", "a/steps.parquet"] {
            assert!(open(path).contains(path), "{}", open(path));
        }
        assert!(open("mnits").contains("did you mean \"mnist\""), "{}", open("mnits"));
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let text = toml::to_string(&DataConfig::new("mnist")).unwrap();
        assert_eq!(text, "source = \"mnist\"\nvalidation = 0\n");
        let text = "source = \"a.csv\"\nvalidation = 0.1\ntest = 7\nseed = 3\n\n[series]\n\
                    task = \"numbers\"\nid = \"who\"\ntarget = [\"x\", \"y\"]\n";
        let config: DataConfig = toml::from_str(text).unwrap();
        assert_eq!((config.validation, config.test), (Share::Of(0.1), Share::Count(7)));
        assert_eq!(toml::from_str::<DataConfig>(&toml::to_string(&config).unwrap()), Ok(config));
    }

    #[test]
    fn shares_out_of_range_are_told_by_their_key() {
        let config = DataConfig { validation: Share::Of(1.0), ..DataConfig::new("mnist") };
        let message = config.held_out(10).unwrap_err().to_string();
        assert!(
            message.starts_with("data.validation is 1, expected a number of samples, or a share"),
            "{message}"
        );
        let config = DataConfig { validation: Share::Of(0.25), ..config };
        assert_eq!(config.held_out(10).unwrap(), 3);
    }
}
