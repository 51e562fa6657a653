//! The run folder: what a training leaves behind.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use candle_core::Device;
use fgn_nn::{Model, ModelConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::{self, durable::replace};
use crate::tensorboard::Events;
use crate::{
    Checkpoint, Config, DataConfig, EpochMetrics, Error, Evaluation, Learner, Observer, Plan,
    Result, Step, Store, draw_curves,
};

const CONFIG: &str = "config.toml";
pub(crate) const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
const CURVES: &str = "curves.svg";
pub(crate) const GATES: &str = "gates.jsonl";
pub(crate) const REPORT: &str = "report.html";
const CHECKPOINTS: &str = "checkpoints";

/// Where runs are kept if nobody says otherwise.
const RUNS: &str = "runs";

/// An observer that writes a run folder:
/// - `config.toml`: the configuration, a recipe that repeats the run;
/// - `metrics.jsonl`: an [`EpochMetrics`] a line, and at last
///   `{"final": true, "test_loss": …, "test_accuracy": …}`;
/// - `model.safetensors`: the model after the last finished epoch;
/// - `curves.svg`: loss and accuracy over the epochs;
/// - `events.out.tfevents.…`: the same, and the steps between, for TensorBoard; a file more each time that
///   the run goes on;
/// - `checkpoints`: what the run goes on from when it was interrupted.
pub struct Recorder {
    folder: PathBuf,
    store: Store,
    history: Vec<EpochMetrics>,
    /// The configuration, as TOML.
    config: String,
    /// From the start of the training on.
    events: Option<Events>,
}

/// An interrupted run, ready to go on.
pub struct Resumed<M = ModelConfig, D = DataConfig> {
    /// Writes on in the same folder.
    pub recorder: Recorder,
    /// What the run was begun with.
    pub config: Config<M, D>,
    /// Where it goes on; at the beginning, if none was saved.
    pub checkpoint: Option<Checkpoint>,
}

impl Recorder {
    /// Begins a run in `folder`, or in the first of `runs/<name>-1`, `runs/<name>-2`, … that is free.
    ///
    /// # Errors
    /// A folder that holds a run already, which stays as it is, or that cannot be written.
    pub fn create<M: Serialize, D: Serialize>(
        folder: Option<&Path>,
        config: &Config<M, D>,
    ) -> Result<Recorder> {
        let text = config.to_toml()?;
        let folder = match folder {
            Some(folder) => claim(folder)?,
            None => first_free(Path::new(RUNS), &config.name)?,
        };
        let store = Store::open(&folder.join(CHECKPOINTS), config.checkpoint.keep)?;
        replace(&folder.join(CONFIG), text.as_bytes())?;
        Ok(Recorder::new(folder, store, text))
    }

    /// Goes on with the run in `folder`, from its last checkpoint; with `last_good`, from the last that is
    /// not damaged.
    ///
    /// # Errors
    /// A folder without a run, or with one that another process is writing; a damaged checkpoint; a
    /// `config.toml` that was changed.
    pub fn resume<M: DeserializeOwned, D: DeserializeOwned>(
        folder: &Path,
        last_good: bool,
    ) -> Result<Resumed<M, D>> {
        let (file, checkpoints) = (folder.join(CONFIG), folder.join(CHECKPOINTS));
        if !file.is_file() && !checkpoints.is_dir() {
            return Err(Error::NoRun { folder: folder.to_owned(), file: CONFIG });
        }
        let mut store = Store::open(&checkpoints, 1)?;
        let checkpoint = store.last(last_good)?;
        let text = match (fs::read_to_string(&file), &checkpoint) {
            (Ok(text), Some(saved)) if text != saved.config => {
                return Err(Error::ConfigChanged { file });
            }
            (Ok(text), _) => text,
            // It was lost; the checkpoint has it.
            (Err(error), Some(saved)) if error.kind() == ErrorKind::NotFound => {
                replace(&file, saved.config.as_bytes())?;
                saved.config.clone()
            }
            (Err(error), None) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NoRun { folder: folder.to_owned(), file: CONFIG });
            }
            (Err(error), _) => return Err(Error::io("read", file)(error)),
        };
        let config = Config::<M, D>::parse(&text, &file.to_string_lossy(), &[])?;
        config.check_settings()?;
        store.keep(config.checkpoint.keep);
        let recorder = Recorder::new(folder.to_owned(), store, text);
        Ok(Resumed { recorder, config, checkpoint })
    }

    fn new(folder: PathBuf, store: Store, config: String) -> Recorder {
        Recorder { folder, store, history: Vec::new(), config, events: None }
    }

    /// Where the run is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the run: with the model that the training gave, and its measure on the test samples.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self, model: &impl Learner, test: &Evaluation) -> Result<()> {
        #[derive(Serialize)]
        struct Final {
            r#final: bool,
            test_loss: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            test_accuracy: Option<f64>,
        }
        model.save(&self.folder.join(MODEL))?;
        self.events.as_mut().map_or(Ok(()), |events| events.finish(test))?;
        self.line(&Final { r#final: true, test_loss: test.loss, test_accuracy: test.accuracy() })
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
    /// What was written after the checkpoint that the training goes on from is written again.
    fn start(&mut self, plan: &Plan) -> Result<()> {
        self.history.clone_from(&plan.history);
        let lines = self.history.iter().map(serde_json::to_string);
        let lines = lines.map(|line| Ok(line? + "\n")).collect::<serde_json::Result<String>>();
        let path = self.folder.join(METRICS);
        replace(&path, lines.map_err(|error| Error::io("write", &path)(error.into()))?.as_bytes())?;
        self.events = Some(Events::begin(&self.folder, plan, &self.config)?);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        self.events.as_mut().map_or(Ok(()), |events| events.step(step))
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        self.line(metrics)?;
        self.events.as_mut().map_or(Ok(()), |events| events.epoch(metrics))?;
        self.history.push(*metrics);
        model.save(&self.folder.join(MODEL))?;
        replace(&self.folder.join(CURVES), draw_curves(&self.history)?.as_bytes())
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.store.save(checkpoint).map(drop)
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
    /// Opens the run in `folder`, its model on `device`.
    ///
    /// # Errors
    /// A folder without a run; a model file that is damaged, or of another architecture than
    /// `config.toml` beside it says.
    pub fn open(folder: &Path, device: &Device) -> Result<Run> {
        for file in [CONFIG, MODEL] {
            if !folder.join(file).is_file() {
                return Err(Error::NoRun { folder: folder.to_owned(), file });
            }
        }
        let config = Config::load(&folder.join(CONFIG).to_string_lossy(), &[])?;
        let file = folder.join(MODEL);
        let model = Model::load(&file, device)?;
        if *model.config() != config.model {
            return Err(Error::OtherModel { file });
        }
        Ok(Run { config, model })
    }
}

fn claim(folder: &Path) -> Result<PathBuf> {
    let there = |file: &&str| folder.join(file).exists();
    // Without a checkpoint in it, that folder is what is left of a run killed as it began.
    let saved = checkpoint::steps(&folder.join(CHECKPOINTS)).is_ok_and(|steps| !steps.is_empty());
    let saved = saved.then_some(CHECKPOINTS);
    let files = [CONFIG, METRICS, MODEL, CURVES, GATES, REPORT];
    if let Some(file) = files.into_iter().find(there).or(saved) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorboard::is_event_file;
    use crate::{testing, train};

    #[test]
    fn a_run_comes_back_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/run");
        let (config, dataset) = (testing::config(), testing::dataset());
        let mut recorder = Recorder::create(Some(&folder), &config).unwrap();
        let trained = train(&config, &dataset, &mut recorder).unwrap();
        recorder.finish(&trained.model, &trained.test).unwrap();

        let run = Run::open(&folder, &Device::Cpu).unwrap();
        assert_eq!(run.config, config);
        assert_eq!(crate::evaluate(&run.model, &dataset.test).unwrap(), trained.test);
        let metrics = fs::read_to_string(folder.join(METRICS)).unwrap();
        let (epochs, last) = metrics.trim_end().rsplit_once('\n').unwrap();
        let expected = trained.history.iter().map(|epoch| serde_json::to_string(epoch).unwrap());
        assert!(epochs.lines().eq(expected), "{epochs}");
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["final"], true);
        assert_eq!(last["test_accuracy"].as_f64(), trained.test.accuracy());
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        let events = files.remove(3);
        assert!(events.to_str().is_some_and(is_event_file), "{events:?}");
        assert_eq!(files, [CHECKPOINTS, CONFIG, CURVES, METRICS, MODEL]);
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
        for file in [CONFIG, METRICS, MODEL, CURVES, GATES, REPORT] {
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
        let error = Run::open(folder.path(), &Device::Cpu).err().unwrap();
        assert!(matches!(error, Error::OtherModel { .. }), "{error}");
    }
}
