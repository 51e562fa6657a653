//! One training: its command, and what is in its folder.
//!
//! A run `TABLE/NAME` has its folder, and beside it a record `TABLE/NAME.json` of the command that made it and of the
//! machines that it ran on. A run of another command is never taken for this one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::metrics::Metrics;
use super::model_file;

/// A training that a table needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// `TABLE/NAME`: its folder, below that of all results.
    pub(super) name: String,
    /// The arguments of `fgn train`, without the folder.
    pub(super) args: Vec<String>,
    /// How long it takes from its beginning, estimated.
    pub(super) minutes: f64,
}

/// What there is of a run.
#[derive(Debug, PartialEq)]
pub(super) enum State {
    /// Nothing.
    Missing,
    /// Its beginning, and the share of its epochs that are done.
    Interrupted(f64),
    /// It ended with an error.
    Failed(String),
    /// All of it.
    Finished(Box<Outcome>),
}

/// A finished run.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) metrics: Metrics,
    pub(super) parameters: u64,
    /// Those that it ran on, one after the other.
    pub(super) machines: Vec<String>,
}

/// What is known of a run beside its folder.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// The arguments of `fgn train`.
    arguments: Vec<String>,
    machines: Vec<String>,
    /// How it ended, if that was with an error.
    failure: Option<String>,
}

/// The folder of all runs.
pub(super) struct Store {
    folder: PathBuf,
}

impl Run {
    /// The command as one would type it, without the folder.
    pub(super) fn command(&self) -> String {
        command(&self.args)
    }

    /// How long it still takes, estimated.
    pub(super) fn remaining(&self, state: &State) -> f64 {
        match state {
            State::Finished(_) => 0.0,
            State::Interrupted(done) => self.minutes * (1.0 - done),
            State::Missing | State::Failed(_) => self.minutes,
        }
    }
}

/// `fgn train` with these arguments, as one would type it into a shell.
pub(super) fn command(args: &[String]) -> String {
    format!("fgn train {}", typed(args))
}

/// Arguments as one would type them into a shell.
pub(super) fn typed(args: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:@+%".contains(c);
    let words = args.iter().map(|word| match word.chars().all(plain) && !word.is_empty() {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Store {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Store {
        Store { folder: folder.into() }
    }

    /// The folder of the run called `name`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What there is of `run`.
    ///
    /// # Errors
    /// A file that cannot be read; a run that another command made.
    pub(super) fn state(&self, run: &Run) -> Result<State> {
        let folder = self.path(&run.name);
        let has_begun = folder.join("config.toml").is_file();
        let Some(record) = self.record(run)? else {
            let shown = folder.display();
            ensure!(!has_begun, "{shown}: a run that no table made: there is no {shown}.json");
            return Ok(State::Missing);
        };
        let is_of_run = record.arguments == run.args;
        if !is_of_run && !has_begun {
            // Nothing came of the other command.
            return Ok(State::Missing);
        }
        ensure!(
            is_of_run,
            "{shown}: expected a run of `{}`, found one of `{}`: remove the folder and {shown}.json",
            run.command(),
            command(&record.arguments),
            shown = folder.display(),
        );
        let metrics = read_metrics(&folder.join("metrics.jsonl"))?;
        if metrics.is_finished() {
            let parameters = model_file::parameters(&folder.join("model.safetensors"))?;
            let (name, machines) = (run.name.clone(), record.machines);
            return Ok(State::Finished(Box::new(Outcome { name, metrics, parameters, machines })));
        }
        Ok(match record.failure {
            Some(failure) => State::Failed(failure),
            None if has_begun => State::Interrupted(share_done(&folder, metrics.epochs())),
            None => State::Missing,
        })
    }

    /// Notes that `run` begins, or goes on, on `machine`.
    pub(super) fn begin(&self, run: &Run, machine: &str) -> Result<()> {
        let of_run = |record: &Record| record.arguments == run.args;
        let mut record = self.record(run)?.filter(of_run).unwrap_or_default();
        record.arguments.clone_from(&run.args);
        record.failure = None;
        if record.machines.last().map(|last| &last[..]) != Some(machine) {
            record.machines.push(machine.into());
        }
        self.write(run, &record)
    }

    /// Notes that `run` ended with an error.
    pub(super) fn fail(&self, run: &Run, failure: &str) -> Result<()> {
        let mut record = self.record(run)?.unwrap_or_default();
        record.failure = Some(failure.into());
        self.write(run, &record)
    }

    fn record_path(&self, run: &Run) -> PathBuf {
        self.folder.join(format!("{}.json", run.name))
    }

    fn record(&self, run: &Run) -> Result<Option<Record>> {
        let path = self.record_path(run);
        let Some(text) = read_if_there(&path)? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).with_context(|| path.display().to_string())
    }

    /// A kill at any moment leaves the record as it was, or as it is now.
    fn write(&self, run: &Run, record: &Record) -> Result<()> {
        let path = self.record_path(run);
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let new = path.with_extension("json.new");
            fs::write(&new, serde_json::to_string_pretty(record)? + "\n")?;
            fs::rename(&new, &path)
        };
        write().with_context(|| path.display().to_string())
    }
}

fn read_metrics(path: &Path) -> Result<Metrics> {
    let text = read_if_there(path)?.unwrap_or_default();
    Metrics::parse(&text).with_context(|| path.display().to_string())
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The share of a run's epochs that are done, from 0 to 1; 0 where its `config.toml` does not say how many there are.
fn share_done(folder: &Path, done: u64) -> f64 {
    let epochs = || {
        let text = fs::read_to_string(folder.join("config.toml")).ok()?;
        let config: toml::Table = text.parse().ok()?;
        config.get("training")?.get("epochs")?.as_integer().filter(|epochs| *epochs > 0)
    };
    epochs().map_or(0.0, |epochs| (done as f64 / epochs as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let args = ["names", "--seed", "1"].map(String::from).to_vec();
        Run { name: "text/names-seed1".into(), args, minutes: 8.0 }
    }

    /// A folder with these files of the run.
    fn store(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        fs::create_dir_all(store.path(&run().name)).unwrap();
        for (file, content) in files {
            fs::write(store.path(&run().name).join(file), content).unwrap();
        }
        (folder, store)
    }

    const CONFIG: (&str, &[u8]) = ("config.toml", b"[training]\nepochs = 4\n");

    #[test]
    fn what_is_finished_is_never_run_again_and_what_is_interrupted_goes_on() {
        let epoch = "{\"epoch\":1,\"step\":3}\n";
        let (_folder, fresh) = store(&[]);
        assert_eq!(fresh.state(&run()).unwrap(), State::Missing);
        fresh.begin(&run(), "A").unwrap();
        assert_eq!(fresh.state(&run()).unwrap(), State::Missing);

        let (_folder, begun) = store(&[CONFIG, ("metrics.jsonl", epoch.as_bytes())]);
        begun.begin(&run(), "A").unwrap();
        let state = begun.state(&run()).unwrap();
        assert_eq!(state, State::Interrupted(0.25));
        assert_eq!(run().remaining(&state), 6.0);

        let last = format!("{epoch}{{\"final\":true,\"epoch\":1,\"test_loss\":0.5}}\n");
        let header = br#"{"a":{"shape":[5]}}"#;
        let model = [&(header.len() as u64).to_le_bytes()[..], header].concat();
        let files = [CONFIG, ("metrics.jsonl", last.as_bytes()), ("model.safetensors", &model)];
        let (_folder, done) = store(&files);
        done.begin(&run(), "A").unwrap();
        done.begin(&run(), "A").unwrap();
        done.begin(&run(), "B").unwrap();
        let state = done.state(&run()).unwrap();
        assert_eq!(run().remaining(&state), 0.0);
        let State::Finished(outcome) = state else { panic!("{state:?}") };
        assert_eq!(outcome.parameters, 5);
        assert_eq!(outcome.machines, ["A", "B"]);
    }

    #[test]
    fn a_failure_is_remembered_until_the_run_begins_again() {
        let (_folder, store) = store(&[CONFIG]);
        store.begin(&run(), "A").unwrap();
        store.fail(&run(), "exit status: 1").unwrap();
        let state = store.state(&run()).unwrap();
        assert_eq!(state, State::Failed("exit status: 1".into()));
        assert_eq!(run().remaining(&state), 8.0);
        store.begin(&run(), "A").unwrap();
        assert_eq!(store.state(&run()).unwrap(), State::Interrupted(0.0));
    }

    #[test]
    fn a_run_of_another_command_is_an_error() {
        let (_folder, store) = store(&[CONFIG]);
        let error = store.state(&run()).unwrap_err().to_string();
        assert!(error.contains("no table made"), "{error}");
        store.begin(&run(), "A").unwrap();
        let other = Run { args: vec!["names".into()], ..run() };
        let error = store.state(&other).unwrap_err().to_string();
        assert!(error.contains("found one of `fgn train names --seed 1`"), "{error}");
    }

    #[test]
    fn a_command_of_which_nothing_came_may_be_another_one() {
        let (_folder, store) = store(&[]);
        let other = Run { args: vec!["nmaes".into()], ..run() };
        store.begin(&other, "A").unwrap();
        store.fail(&other, "exit status: 2").unwrap();
        assert_eq!(store.state(&run()).unwrap(), State::Missing);
        store.begin(&run(), "B").unwrap();
        assert_eq!(store.record(&run()).unwrap().unwrap().machines, ["B"]);
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let args = ["mnist", "--set", r#"model.recurrent.cell={ name = "fgn" }"#, "a'b", ""];
        let expected =
            r#"fgn train mnist --set 'model.recurrent.cell={ name = "fgn" }' 'a'\''b' ''"#;
        assert_eq!(command(&args.map(String::from)), expected);
    }
}
