//! Trainings with callbacks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use fgn_kernels::Isa;
use fgn_report::observers;
use fgn_train::{
    Config, DataConfig, End, EpochMetrics, Evaluation, Model, Observer, Override, RECIPES,
    ResumeOptions, Session, SessionOutcome, StepMetrics, open_data,
};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::errors::{Error, error, work};

/// What is trained, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    recipe: String,
    /// Keys and values, in order.
    overrides: Vec<(String, Value)>,
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    resume: Option<PathBuf>,
    is_continued: bool,
    report: bool,
}

/// The names of the recipes.
#[pyfunction]
pub(crate) fn recipes() -> Vec<&'static str> {
    RECIPES.iter().map(|(name, _)| *name).collect()
}

/// The instruction set that the kernels use.
#[pyfunction]
pub(crate) fn instruction_set() -> PyResult<&'static str> {
    Ok(Isa::active().map_err(error)?.name())
}

/// Runs a training, and returns what it gave as JSON. `None` if the run is finished already.
#[pyfunction]
#[pyo3(signature = (request, on_epoch, on_step))]
pub(crate) fn train(
    py: Python<'_>,
    request: &str,
    on_epoch: Option<Py<PyAny>>,
    on_step: Option<Py<PyAny>>,
) -> PyResult<Option<String>> {
    let request: Request = serde_json::from_str(request).map_err(error)?;
    let interrupt = Arc::new(AtomicBool::new(false));
    let callbacks = Callbacks { on_epoch, on_step, interrupt: interrupt.clone(), raised: None };
    work(py, move || {
        let Some(session) = session(&request)? else { return Ok(None) };
        let folder = session.folder().to_owned();
        let config = session.config().clone();
        let mut callbacks = callbacks;
        let outcome = match request.report {
            true => {
                let report = observers(&folder, &config).map_err(error)?;
                session.run(interrupt, &mut (report, &mut callbacks))
            }
            false => session.run(interrupt, &mut callbacks),
        };
        if let Some(raised) = callbacks.raised {
            return Err(noted(raised, &folder.to_string_lossy()));
        }
        Ok(Some(result(&outcome.map_err(error)?)))
    })
}

/// The session that is asked for; none if its run is finished already.
fn session(request: &Request) -> PyResult<Option<Session>> {
    let options = ResumeOptions { data: request.data.clone(), ..ResumeOptions::default() };
    if let Some(folder) = &request.resume {
        return Session::resume(folder, &options, &Device::Cpu).map(Some).map_err(error);
    }
    let (config, dataset) = Config::open(&request.recipe, &overrides(request)?).map_err(error)?;
    let dataset = dataset.map_or_else(|| open_data(&config.data), Ok).map_err(error)?;
    match &request.out {
        Some(folder) if request.is_continued => {
            Session::begin_or_resume(dataset, config, folder, &options, &Device::Cpu)
        }
        folder => Session::begin_on(dataset, config, folder.as_deref(), &Device::Cpu).map(Some),
    }
    .map_err(error)
}

fn overrides(request: &Request) -> PyResult<Vec<Override>> {
    let mut overrides = Vec::new();
    if let Some(path) = &request.data {
        let path = DataConfig::absolute(path).map_err(error)?;
        overrides.push(Override::new("data.source", path));
    }
    for (key, value) in &request.overrides {
        let value = toml::Value::try_from(value).map_err(|problem| {
            Error::new_err(format!("{key}: {value} is no value of a recipe: {problem}"))
        })?;
        overrides.push(Override::new(key, value));
    }
    Ok(overrides)
}

/// An exception that ended a training, with a note of where the run can be resumed.
fn noted(raised: PyErr, folder: &str) -> PyErr {
    Python::attach(|py| {
        let note = format!("The run in {folder} was saved; fgn.train(resume={folder:?}) goes on.");
        // Python 3.10 has no notes.
        let _ = raised.value(py).call_method1("add_note", (note,));
    });
    raised
}

fn result(outcome: &SessionOutcome) -> String {
    let end = match outcome.end {
        End::Interrupted => "interrupted",
        End::StoppedEarly => "stopped early",
        End::Finished => "finished",
    };
    let mut object = json!({
        "run": outcome.folder.to_string_lossy(),
        "end": end,
        "steps": outcome.step,
    });
    if let Some(trained) = &outcome.trained {
        object["epoch"] = trained.epoch.into();
        object["history"] = trained.history.iter().map(epoch_json).collect();
        object["test"] = measured(&trained.test);
    }
    object.to_string()
}

fn epoch_json(epoch: &EpochMetrics) -> Value {
    serde_json::to_value(epoch).unwrap_or(Value::Null)
}

/// Loss and metrics by name; what is not finite is `null`.
fn measured(test: &Evaluation) -> Value {
    let values = test.measures.iter().map(|(name, value)| (name.to_owned(), value.into()));
    values.collect::<Map<_, _>>().into()
}

/// Calls back into Python. An exception there, Ctrl-C's too, stops the training after the step and is kept.
struct Callbacks {
    on_epoch: Option<Py<PyAny>>,
    on_step: Option<Py<PyAny>>,
    interrupt: Arc<AtomicBool>,
    raised: Option<PyErr>,
}

impl Callbacks {
    fn call(&mut self, of_epoch: bool, values: impl FnOnce() -> Value) {
        if self.raised.is_some() {
            return;
        }
        let callback = if of_epoch { &self.on_epoch } else { &self.on_step };
        let done = Python::attach(|py| {
            py.check_signals()?;
            match callback {
                Some(callback) => callback.call1(py, (values().to_string(),)).map(drop),
                None => Ok(()),
            }
        });
        if let Err(raised) = done {
            self.raised = Some(raised);
            self.interrupt.store(true, Ordering::Relaxed);
        }
    }
}

impl Observer<Model> for Callbacks {
    fn step(&mut self, step: &StepMetrics) -> fgn_train::Result<()> {
        self.call(false, || {
            json!({
                "epoch": step.epoch,
                "step": step.step,
                "total": step.total,
                "loss": step.loss,
                "samples": step.samples,
                "learning_rate": step.learning_rate,
                "gradient_norm": step.gradient_norm,
            })
        });
        Ok(())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, _: &Model) -> fgn_train::Result<()> {
        self.call(true, || epoch_json(metrics));
        Ok(())
    }
}
