//! The observer that writes a run folder.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use fgn_data::DataConfig;
use fgn_nn::ModelConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::checkpoint::files::Checkpoint;
use crate::checkpoint::store::CheckpointStore;
use crate::config::Config;
use crate::difference::{first_difference, resumable};
use crate::durable::replace_file;
use crate::epoch_metrics::EpochMetrics;
use crate::error::{Error, Result};
use crate::final_metrics::FinalMetrics;
use crate::learner::Learner;
use crate::observer::{Finished, Observer, TrainingPlan};
use crate::run::{check_version, no_run};
use crate::run_files::{CHECKPOINTS, CONFIG, METRICS, MODEL};
use crate::run_folder;

/// Where runs are kept if nobody says otherwise.
const RUNS: &str = "runs";

/// An observer that writes a run folder:
/// - `config.toml`: the configuration, a recipe that repeats the run;
/// - `metrics.jsonl`: an [`EpochMetrics`] a line, and at last [`FinalMetrics`],
///   `{"final": true, "epoch": 3, "test_loss": …}`;
/// - `model.safetensors`: the model after the last finished epoch; of a finished run, that of the saved epoch;
/// - `checkpoints`: what an interrupted run resumes from.
pub struct Recorder {
    folder: PathBuf,
    store: CheckpointStore,
}

/// An interrupted run, ready to be resumed.
pub struct Resumed<M = ModelConfig, D = DataConfig> {
    /// Writes to the same folder.
    pub recorder: Recorder,
    /// What the run was begun with.
    pub config: Config<M, D>,
    /// What it resumes from; none if none was saved, and it begins anew.
    pub checkpoint: Option<Checkpoint>,
}

impl Recorder {
    /// Begins a run in `folder`, or in the first of `runs/<name>-1`, `runs/<name>-2`, … that is free. A new folder
    /// appears with the configuration in it, or not at all, also if the process is killed.
    ///
    /// # Errors
    /// A folder that holds a run already, which stays as it is, or that cannot be written; one in which another
    /// process is training.
    pub fn create<M: Serialize, D: Serialize>(
        folder: Option<&Path>,
        config: &Config<M, D>,
    ) -> Result<Recorder> {
        let text = config.to_toml()?;
        let store = |folder: &Path| {
            CheckpointStore::open(&folder.join(CHECKPOINTS), config.checkpoint.keep)
        };
        let Some(folder) = folder else {
            let folder = run_folder::make_first_free(Path::new(RUNS), &config.name, &text)?;
            return Ok(Recorder { store: store(&folder)?, folder });
        };
        if folder.exists() || !run_folder::make(folder, &text)? {
            run_folder::check_free(folder)?;
            let locked = store(folder)?;
            // Another process may have begun and ended before the lock was taken.
            run_folder::check_free(folder)?;
            replace_file(&folder.join(CONFIG), text.as_bytes())?;
            return Ok(Recorder { folder: folder.to_owned(), store: locked });
        }
        Ok(Recorder { folder: folder.to_owned(), store: store(folder)? })
    }

    /// Resumes the run in `folder`, from its last checkpoint; with `last_good`, from the last that is
    /// not damaged.
    ///
    /// # Errors
    /// A folder without a run, or with one that another process is writing; a damaged checkpoint; a
    /// `config.toml` that was changed, in another key than `data.source`, and `training.epochs` if there are more.
    pub fn resume<M: DeserializeOwned, D: DeserializeOwned>(
        folder: &Path,
        last_good: bool,
    ) -> Result<Resumed<M, D>> {
        let (file, checkpoints) = (folder.join(CONFIG), folder.join(CHECKPOINTS));
        if !file.is_file() && !checkpoints.is_dir() {
            return Err(no_run(folder, CONFIG));
        }
        let mut store = CheckpointStore::open(&checkpoints, 1)?;
        let checkpoint = store.last(last_good)?;
        let text = match (fs::read_to_string(&file), &checkpoint) {
            (Ok(text), Some(saved)) => {
                match first_difference(&text, &saved.config, &resumable(&text, &saved.config)) {
                    Some(difference) => return Err(Error::ConfigChanged { file, difference }),
                    None => text,
                }
            }
            (Ok(text), None) => text,
            // It was lost; the checkpoint has it.
            (Err(error), Some(saved)) if error.kind() == ErrorKind::NotFound => {
                replace_file(&file, saved.config.as_bytes())?;
                saved.config.clone()
            }
            (Err(error), None) if error.kind() == ErrorKind::NotFound => {
                return Err(no_run(folder, CONFIG));
            }
            (Err(error), _) => return Err(Error::io("read", file)(error)),
        };
        check_version(&text, &file)?;
        let config = Config::<M, D>::parse(&text, &file.to_string_lossy(), &[])?;
        config.check_settings()?;
        store.keep(config.checkpoint.keep);
        let recorder = Recorder { folder: folder.to_owned(), store };
        Ok(Resumed { recorder, config, checkpoint })
    }

    /// Writes down the configuration of data that was moved.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn replace_config(&self, text: &str) -> Result<()> {
        replace_file(&self.folder.join(CONFIG), text.as_bytes())
    }

    /// The run folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let path = self.folder.join(METRICS);
        let written = serde_json::to_string(value).map_err(std::io::Error::from).and_then(|line| {
            // In one piece, so that whoever reads meets whole lines.
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all((line + "\n").as_bytes())
        });
        written.map_err(Error::io("write", path))
    }
}

impl<M: Learner> Observer<M> for Recorder {
    /// What was written after the checkpoint that the training resumes from is written again.
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        let lines = plan.history.iter().map(serde_json::to_string);
        let lines = lines.map(|line| Ok(line? + "\n")).collect::<serde_json::Result<String>>();
        let path = self.folder.join(METRICS);
        let lines = lines.map_err(|error| Error::io("write", &path)(error.into()))?;
        replace_file(&path, lines.as_bytes())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        self.line(metrics)?;
        model.save(&self.folder.join(MODEL))
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.store.save(checkpoint).map(drop)
    }

    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        finished.model.save(&self.folder.join(MODEL))?;
        let test = finished.test.measures.clone();
        self.line(&FinalMetrics { epoch: finished.epoch, test }.line())
    }
}

/// The epochs in the `metrics.jsonl` of the run folder `folder`; none if there is no such file.
///
/// # Errors
/// A file that cannot be read.
pub fn read_metrics(folder: &Path) -> Result<Vec<EpochMetrics>> {
    let file = folder.join(METRICS);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io("read", file)(error)),
    };
    let mut history = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match serde_json::from_str(line) {
            Ok(metrics) => history.push(metrics),
            // The last line holds the evaluation on the test set.
            Err(_) if line.contains("\"final\":true") => {}
            Err(error) => warn!("{}:{number} is left out: {error}", file.display()),
        }
    }
    Ok(history)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::evaluate;
    use crate::run::TrainedRun;
    use crate::run_files;
    use crate::testing;
    use crate::train::train;

    #[test]
    fn a_run_comes_back_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/run");
        let (config, dataset) = (testing::config(), testing::dataset());
        let mut recorder = Recorder::create(Some(&folder), &config).unwrap();
        let trained = train(&config, &dataset, &mut recorder).unwrap();
        drop(recorder);

        let run = TrainedRun::open(&folder, &candle_core::Device::Cpu).unwrap();
        assert_eq!(run.config, config);
        assert_eq!(evaluate(&run.model, &dataset.test).unwrap(), trained.test);
        let metrics = fs::read_to_string(folder.join(METRICS)).unwrap();
        let (epochs, last) = metrics.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(read_metrics(&folder).unwrap(), trained.history);
        let expected = trained.history.iter().map(|epoch| serde_json::to_string(epoch).unwrap());
        assert!(epochs.lines().eq(expected), "{epochs}");
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["final"], true);
        assert_eq!(last["test_accuracy"].as_f64(), trained.test.get("accuracy"));
        assert_eq!(last["epoch"], trained.epoch);
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, [CHECKPOINTS, CONFIG, METRICS, MODEL]);
    }

    #[test]
    fn a_folder_with_any_part_of_a_run_is_left_alone() {
        for file in run_files::ALL {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), "precious").unwrap();
            let error = Recorder::create(Some(folder.path()), &testing::config()).err().unwrap();
            assert!(matches!(error, Error::RunExists { .. }), "{error}");
            assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), "precious");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "harmless").unwrap();
        Recorder::create(Some(folder.path()), &testing::config()).unwrap();
    }
}
