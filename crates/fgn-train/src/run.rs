//! A run folder or an exported model, opened again.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use fgn_data::DataConfig;
use fgn_nn::{LossOptions, Model};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::nearest::nearest;
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
                return Err(no_run(folder, file));
            }
        }
        let file = folder.join(CONFIG);
        check_version(&fs::read_to_string(&file).map_err(Error::io("read", &file))?, &file)?;
        let config = Config::load(&file.to_string_lossy(), &[])?;
        let file = folder.join(MODEL);
        let mut model = Model::load(&file, device)?;
        if *model.config() != config.model {
            return Err(Error::OtherModel { file });
        }
        model.set_loss_options(config.training.loss_options()?)?;
        Ok(TrainedRun { config, model })
    }

    /// The run folder that a path names: the path itself, or the folder of its `model.safetensors`. None for
    /// any other file: it may be an exported model.
    pub fn folder(path: &Path) -> Option<PathBuf> {
        if !path.is_file() {
            return Some(path.to_owned());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let is_in_run = path.ends_with(MODEL) && folder.join(CONFIG).is_file();
        is_in_run.then(|| folder.to_owned())
    }

    /// Writes the model with all that is needed to use it into one safetensors file, which
    /// [`TrainedModel::open`] opens. Other programs find PyTorch's names and shapes in it. Where the training data
    /// lies is not in it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn export(&self, file: &Path) -> Result<()> {
        let data = DataConfig { source: String::new(), ..self.config.data.clone() };
        let usage = Usage {
            data,
            metrics: self.config.metrics.clone(),
            class_weights: self.model.loss_options().class_weights.clone(),
            focal_gamma: self.model.loss_options().focal_gamma,
        };
        let usage = serde_json::to_value(usage)
            .map_err(|source| Error::BadUsage { file: file.to_owned(), source })?;
        Ok(self.model.save_with(file, &usage)?)
    }
}

/// A trained model, with what it takes to use it on other data.
pub struct TrainedModel {
    /// The model.
    pub model: Model,
    /// How samples for it are read. The source of an exported model is empty.
    pub data: DataConfig,
    /// The names of the metrics to measure; those that suit it if there are none.
    pub metrics: Vec<String>,
    /// The seed of its training, which also draws the validation part; none of an exported model.
    pub seed: Option<u64>,
}

/// What an exported file says beside the model.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Usage {
    data: DataConfig,
    metrics: Vec<String>,
    /// Of the loss that it was trained with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    class_weights: Vec<f64>,
    #[serde(default)]
    focal_gamma: f64,
}

impl TrainedModel {
    /// Opens the model of a run folder, or the file that [`TrainedRun::export`] wrote, on `device`.
    ///
    /// # Errors
    /// As [`TrainedRun::open`]; a model file that does not say how samples are read.
    pub fn open(path: &Path, device: &Device) -> Result<TrainedModel> {
        if let Some(folder) = TrainedRun::folder(path) {
            let TrainedRun { config, model } = TrainedRun::open(&folder, device)?;
            let Config { data, metrics, training, .. } = config;
            return Ok(TrainedModel { model, data, metrics, seed: Some(training.seed) });
        }
        let (mut model, usage) = Model::load_with(path, device)?;
        let usage = usage.ok_or_else(|| Error::NoUsage { file: path.to_owned() })?;
        let Usage { data, metrics, class_weights, focal_gamma } = serde_json::from_value(usage)
            .map_err(|source| Error::BadUsage { file: path.to_owned(), source })?;
        let options = LossOptions::default().with_class_weights(class_weights);
        model.set_loss_options(options.with_focal_gamma(focal_gamma))?;
        Ok(TrainedModel { model, data, metrics, seed: None })
    }
}

/// The error for a folder that lacks `file`.
pub(crate) fn no_run(folder: &Path, file: &'static str) -> Error {
    let beside = || {
        let parent = folder.parent().filter(|_| !folder.exists())?;
        let listed = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let entries = fs::read_dir(listed).ok()?.flatten();
        let runs = entries.filter(|entry| entry.path().join(CONFIG).is_file());
        let names: Vec<String> =
            runs.filter_map(|run| run.file_name().into_string().ok()).collect();
        let near = nearest(folder.file_name()?.to_str()?, names.iter().map(String::as_str))?;
        Some(parent.join(near).display().to_string())
    };
    Error::NoRun { folder: folder.to_owned(), file, nearest: beside() }
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
    fn an_exported_model_says_how_its_data_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = testing::config();
        config.data.source = "/home/somebody/data".into();
        config.data.series.id = Some("who".into());
        config.data.images.size = Some([16, 16]);
        config.metrics = vec!["accuracy".into()];
        let model = Model::new(&config.model, 1, candle_core::DType::F32, &Device::Cpu).unwrap();
        let file = folder.path().join("model.safetensors");
        model.save(&file).unwrap();
        let error = TrainedModel::open(&file, &Device::Cpu).err().unwrap();
        assert!(matches!(error, Error::NoUsage { .. }), "{error}");

        let mut run = TrainedRun { config, model };
        let weighted = LossOptions::default().with_class_weights(vec![1.0, 0.5, 3.0]);
        run.model.set_loss_options(weighted.clone()).unwrap();
        run.export(&file).unwrap();
        let bytes = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("somebody"), "the source is private");
        let opened = TrainedModel::open(&file, &Device::Cpu).unwrap();
        assert_eq!(opened.model.loss_options(), &weighted);
        assert_eq!(opened.metrics, run.config.metrics);
        assert_eq!(opened.data, DataConfig { source: String::new(), ..run.config.data });
        assert_eq!(opened.model.config(), run.model.config());
    }

    #[test]
    fn a_folder_that_is_not_there_may_be_a_typo() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("mnist-1")).unwrap();
        fs::create_dir_all(folder.path().join("notes-1")).unwrap();
        fs::write(folder.path().join("mnist-1").join(CONFIG), "").unwrap();
        let found = |name: &str| match no_run(&folder.path().join(name), CONFIG) {
            Error::NoRun { nearest, .. } => nearest,
            _ => None,
        };
        let near = folder.path().join("mnist-1").display().to_string();
        assert_eq!(found("mnits-1"), Some(near));
        assert_eq!(found("note-1"), None, "a folder that holds no run");
        assert_eq!(found("mnist-1"), None, "it is there");
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
