//! The run folder: what a training leaves behind.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use candle_core::Device;
use fgn_nn::Model;
use serde::Serialize;

use crate::{Config, EpochMetrics, Error, Evaluation, Observer, Result, draw_curves};

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
const CURVES: &str = "curves.svg";

/// Where runs are kept if nobody says otherwise.
const RUNS: &str = "runs";

/// An observer that writes a run folder:
/// - `config.toml`: the configuration, a recipe that repeats the run;
/// - `metrics.jsonl`: an [`EpochMetrics`] a line, and at last
///   `{"final": true, "test_loss": …, "test_accuracy": …}`;
/// - `model.safetensors`: the model after the last finished epoch;
/// - `curves.svg`: loss and accuracy over the epochs.
pub struct Recorder {
    folder: PathBuf,
    metrics: File,
    history: Vec<EpochMetrics>,
}

impl Recorder {
    /// Begins a run in `folder`, or in the first of `runs/<name>-1`, `runs/<name>-2`, … that is free.
    ///
    /// # Errors
    /// A folder that holds a run already, which stays as it is, or that cannot be written.
    pub fn create(folder: Option<&Path>, config: &Config) -> Result<Recorder> {
        let text = config.to_toml()?;
        let folder = match folder {
            Some(folder) => claim(folder)?,
            None => first_free(Path::new(RUNS), &config.name)?,
        };
        write_new(&folder, CONFIG)?
            .write_all(text.as_bytes())
            .map_err(Error::io("write", folder.join(CONFIG)))?;
        let metrics = write_new(&folder, METRICS)?;
        Ok(Recorder { folder, metrics, history: Vec::new() })
    }

    /// Where the run is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the run with the measure of its model on the test images.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self, test: &Evaluation) -> Result<()> {
        #[derive(Serialize)]
        struct Final {
            r#final: bool,
            test_loss: f64,
            test_accuracy: f64,
        }
        self.line(&Final { r#final: true, test_loss: test.loss, test_accuracy: test.accuracy() })
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let written = serde_json::to_string(value).map_err(std::io::Error::from);
        let written = written.and_then(|line| self.metrics.write_all((line + "\n").as_bytes()));
        written.map_err(Error::io("write", self.folder.join(METRICS)))
    }
}

impl Observer for Recorder {
    fn epoch(&mut self, metrics: &EpochMetrics, model: &Model) -> Result<()> {
        self.line(metrics)?;
        self.history.push(*metrics);
        model.save(&self.folder.join(MODEL))?;
        replace(&self.folder.join(CURVES), &draw_curves(&self.history)?)
    }
}

/// A finished run, opened again.
pub struct Run {
    /// What was trained, and how.
    pub config: Config,
    /// The model after the last epoch.
    pub model: Model,
}

impl Run {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    /// A folder without a run; a model file that is damaged, or of another architecture than
    /// `config.toml` beside it says.
    pub fn open(folder: &Path) -> Result<Run> {
        for file in [CONFIG, MODEL] {
            if !folder.join(file).is_file() {
                return Err(Error::NoRun { folder: folder.to_owned(), file });
            }
        }
        let config = Config::load(&folder.join(CONFIG).to_string_lossy(), &[])?;
        let file = folder.join(MODEL);
        let model = Model::load(&file, &Device::Cpu)?;
        if *model.config() != config.model {
            return Err(Error::OtherModel { file });
        }
        Ok(Run { config, model })
    }
}

fn claim(folder: &Path) -> Result<PathBuf> {
    if let Some(file) =
        [CONFIG, METRICS, MODEL, CURVES].into_iter().find(|file| folder.join(file).exists())
    {
        return Err(Error::RunExists { folder: folder.to_owned(), file });
    }
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    Ok(folder.to_owned())
}

fn first_free(parent: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let mut number = 1;
    loop {
        let folder = parent.join(format!("{name}-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io("create", folder)(error)),
        }
    }
}

/// Never over a file that is there, even one that came while we looked.
fn write_new(folder: &Path, file: &'static str) -> Result<File> {
    let path = folder.join(file);
    OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| {
        match error.kind() {
            ErrorKind::AlreadyExists => Error::RunExists { folder: folder.to_owned(), file },
            _ => Error::io("create", path)(error),
        }
    })
}

/// Beside it first, so that nobody ever reads half a file.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text).map_err(Error::io("write", &beside))?;
    fs::rename(&beside, path).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing, train};

    #[test]
    fn a_run_comes_back_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/run");
        let (config, dataset) = (testing::config(), testing::dataset());
        let mut recorder = Recorder::create(Some(&folder), &config).unwrap();
        let trained = train(&config, &dataset, &mut recorder).unwrap();
        recorder.finish(&trained.test).unwrap();

        let run = Run::open(&folder).unwrap();
        assert_eq!(run.config, config);
        assert_eq!(crate::evaluate(&run.model, &dataset.test).unwrap(), trained.test);
        let metrics = fs::read_to_string(folder.join(METRICS)).unwrap();
        let (epochs, last) = metrics.trim_end().rsplit_once('\n').unwrap();
        let expected = trained.history.iter().map(|epoch| serde_json::to_string(epoch).unwrap());
        assert!(epochs.lines().eq(expected), "{epochs}");
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["final"], true);
        assert_eq!(last["test_accuracy"], trained.test.accuracy());
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, [CONFIG, CURVES, METRICS, MODEL]);
    }

    #[test]
    fn the_first_free_number_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("a-2")).unwrap();
        let taken: Vec<_> = (0..3).map(|_| first_free(parent.path(), "a").unwrap()).collect();
        assert_eq!(taken, ["a-1", "a-3", "a-4"].map(|name| parent.path().join(name)));
    }

    #[test]
    fn a_folder_with_any_part_of_a_run_is_left_alone() {
        for file in [CONFIG, METRICS, MODEL, CURVES] {
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

    #[test]
    fn a_model_of_another_architecture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = testing::config();
        drop(Recorder::create(Some(folder.path()), &config).unwrap());
        config.model.recurrent.hidden_size += 1;
        let model = Model::new(&config.model, 1, candle_core::DType::F32, &Device::Cpu).unwrap();
        model.save(&folder.path().join(MODEL)).unwrap();
        let error = Run::open(folder.path()).err().unwrap();
        assert!(matches!(error, Error::OtherModel { .. }), "{error}");
    }
}
