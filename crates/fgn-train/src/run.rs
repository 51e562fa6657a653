//! A run folder, opened again.

use std::fs;
use std::path::Path;

use candle_core::Device;
use fgn_nn::Model;
use toml::Table;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::run_files::{CONFIG, MODEL};

/// A run, opened again.
pub struct TrainedRun {
    /// What was trained, and how.
    pub config: Config,
    /// The model that is kept; of an interrupted run, that after the last finished epoch.
    pub model: Model,
}

impl TrainedRun {
    /// Opens the run in `folder`, its model on `device`.
    ///
    /// # Errors
    /// A folder without a run; a model file that is damaged, or of another architecture than
    /// `config.toml` beside it says.
    pub fn open(folder: &Path, device: &Device) -> Result<TrainedRun> {
        for file in [CONFIG, MODEL] {
            if !folder.join(file).is_file() {
                return Err(Error::NoRun { folder: folder.to_owned(), file });
            }
        }
        let file = folder.join(CONFIG);
        check_version(&fs::read_to_string(&file).map_err(Error::io("read", &file))?, &file)?;
        let config = Config::load(&file.to_string_lossy(), &[])?;
        let file = folder.join(MODEL);
        let model = Model::load(&file, device)?;
        if *model.config() != config.model {
            return Err(Error::OtherModel { file });
        }
        Ok(TrainedRun { config, model })
    }
}

/// Checks that the configuration of a run folder, the text of `file`, is not one of an earlier version: those
/// named classes and numbers beside the model's layers.
///
/// # Errors
/// [`Error::OldRun`] if it is.
pub(crate) fn check_version(text: &str, file: &Path) -> Result<()> {
    let table: Table = text.parse().unwrap_or_default();
    let model = table.get("model").and_then(|model| model.as_table());
    let has = |key: &str| model.is_some_and(|model| model.contains_key(key));
    match !has("head") && (has("classes") || has("numbers")) {
        true => Err(Error::OldRun { file: file.to_owned() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Recorder;
    use crate::testing;

    #[test]
    fn a_model_of_another_architecture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = testing::config();
        drop(Recorder::create(Some(folder.path()), &config).unwrap());
        config.model.recurrent.hidden_size += 1;
        let model = Model::new(&config.model, 1, candle_core::DType::F32, &Device::Cpu).unwrap();
        model.save(&folder.path().join(MODEL)).unwrap();
        let error = TrainedRun::open(folder.path(), &Device::Cpu).err().unwrap();
        assert!(matches!(error, Error::OtherModel { .. }), "{error}");
    }

    #[test]
    fn a_run_of_an_earlier_version_is_refused_with_a_word_about_it() {
        let folder = tempfile::tempdir().unwrap();
        let text = testing::config().to_toml().unwrap();
        let (rest, _) = text.split_once("[model.head]").unwrap();
        let old = rest.replace("[model.input]", "[model]\nclasses = 3\n\n[model.input]");
        assert!(old.contains("classes = 3"));
        std::fs::write(folder.path().join(CONFIG), old).unwrap();
        std::fs::write(folder.path().join(MODEL), "").unwrap();
        let opened = TrainedRun::open(folder.path(), &Device::Cpu).err().unwrap();
        let resumed =
            Recorder::resume::<fgn_nn::ModelConfig, fgn_data::DataConfig>(folder.path(), false);
        for error in [opened, resumed.err().unwrap()] {
            assert!(error.to_string().contains("earlier version of fgn"), "{error}");
        }
    }
}
