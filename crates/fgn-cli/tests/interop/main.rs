//! The model of every recipe in ONNX Runtime, where a Python has it: `FGN_PYTHON`, or `python3`.
//!
//! `cargo xtask interop` runs this test in a Python that it sets up.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod case;
mod data;
mod samples;

use std::path::Path;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use fgn_nn::Model;
use fgn_train::{Config, RECIPES, run_files};
use serde_json::Value;

/// The largest difference allowed, relative to numbers above 1.
const TOLERANCE: f64 = 1e-5;
const STEPS: [usize; 3] = [1, 7, 100];
const BATCHES: [usize; 2] = [1, 3];

#[test]
fn the_model_of_every_recipe_predicts_in_onnx_runtime_what_it_predicts_here() {
    let python = std::env::var("FGN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", "import numpy, onnx, onnxruntime"]).output();
    if !probe.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: {python} has no onnx or onnxruntime; FGN_PYTHON names one that has");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let configs = RECIPES.iter().map(|(name, _)| {
        Config::load(name, &data::settings(name, folder.path()))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    let exports: Vec<_> = configs.map(|config| Export::new(config, folder.path())).collect();
    let found = differences(&python, folder.path());
    println!("{:<16} {:<54} largest difference", "recipe", "parts");
    let mut wrong = Vec::new();
    for export in &exports {
        let result = export.refused.clone().map_or_else(|| largest(&found, &export.name), Err);
        let shown =
            result.as_ref().map_or_else(String::clone, |difference| format!("{difference:.1e}"));
        println!("{:<16} {:<54} {shown}", export.name, export.parts);
        if result.is_ok_and(|difference| difference < TOLERANCE) {
            continue;
        }
        wrong.push(&*export.name);
    }
    assert!(wrong.is_empty(), "models that do not predict the same: {}", wrong.join(", "));
}

/// A model of the shape that a recipe has, written by `fgn export`.
struct Export {
    name: String,
    /// Input, layers and head.
    parts: String,
    /// Why it is not exported.
    refused: Option<String>,
}

impl Export {
    fn new(config: Config, folder: &Path) -> Export {
        let run = folder.join(format!("{}-run", config.name));
        std::fs::create_dir(&run).unwrap();
        let recurrent = &config.model.recurrent;
        let ways = if recurrent.bidirectional { " both ways" } else { "" };
        let parts = format!(
            "{}, {} x {}{ways}, {}",
            config.model.input.kind(),
            recurrent.layers,
            recurrent.cell,
            config.model.head.kind()
        );
        let model = scrambled(&config);
        std::fs::write(run.join(run_files::CONFIG), config.to_toml().unwrap()).unwrap();
        model.save(&run.join(run_files::MODEL)).unwrap();
        let file = folder.join(format!("{}.onnx", config.name));
        let done =
            Command::new(env!("CARGO_BIN_EXE_fgn")).arg("export").args([&run, &file]).output();
        let done = done.unwrap();
        let refused = (!done.status.success())
            .then(|| String::from_utf8_lossy(&done.stderr).trim().to_owned());
        if refused.is_none() {
            for (at, (steps, batch)) in samples::sizes(&model).into_iter().enumerate() {
                let case = case::case(&model, &samples::samples(&model, steps, batch));
                std::fs::write(folder.join(format!("{}.{at}.json", config.name)), case.to_string())
                    .unwrap();
            }
        }
        Export { name: config.name, parts, refused }
    }
}

/// The model before a training, with no parameter of zeros alone.
fn scrambled(config: &Config) -> Model {
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    for (at, (_, var)) in model.parameters().iter().enumerate() {
        let value = |n: usize| (1.0 + at as f64 + 0.7 * n as f64).sin() as f32 * 0.1;
        let values = (0..var.elem_count()).map(value).collect::<Vec<f32>>();
        let change = Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap();
        var.set(&(var.as_tensor() + change).unwrap()).unwrap();
    }
    model
}

/// What the script prints: for each file of a case the largest difference, or what is wrong.
fn differences(python: &str, folder: &Path) -> Value {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/differences.py");
    let done = Command::new(python).arg(here).arg(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// The largest difference of all cases of a model.
fn largest(found: &Value, name: &str) -> Result<f64, String> {
    let cases = found[name].as_array().ok_or("no case")?;
    let difference = |case: &Value| case.as_f64().ok_or_else(|| case.to_string());
    cases.iter().map(difference).try_fold(0.0, |most: f64, found| Ok(most.max(found?)))
}
