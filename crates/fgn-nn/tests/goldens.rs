//! Recurrent layers held against PyTorch: outputs, final states and every gradient of the networks that
//! `goldens/make.py` wrote, whose parameters are loaded as they stand in its files.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use fgn_core::{AnyCell, Norm};
use fgn_nn::{Parameters, Recurrent, RecurrentConfig, RecurrentOptions, State};
use safetensors::SafeTensors;
use serde::Deserialize;

/// How far a tensor's numbers may be off, relative to the largest of them (of values: at least 1).
struct Tolerance {
    values: f64,
    gradients: f64,
}

const F32: Tolerance = Tolerance { values: 1e-5, gradients: 1e-4 };
const F64: Tolerance = Tolerance { values: 1e-10, gradients: 1e-10 };

type Failure = Box<dyn std::error::Error>;

/// What stands in a golden's metadata.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    cell: AnyCell,
    options: Beside,
    layers: usize,
    bidirectional: bool,
}

/// The options of the runs.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Beside {
    lengths: Option<Vec<usize>>,
    projection: Option<usize>,
    norm: Norm,
    zoneout: Vec<f64>,
    clip: Option<f64>,
}

struct Golden {
    path: PathBuf,
    head: Head,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let text = header.metadata().as_ref().and_then(|all| all.get("golden"));
        // The files were written when the cells' key for it was `activation`.
        let text = text.ok_or("no `golden` in the metadata")?.replace("activation", "nonlinearity");
        let head = serde_json::from_str(&text)?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
        Ok(Self { path: path.to_owned(), head, tensors })
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, Failure> {
        self.tensors.get(name).ok_or_else(|| format!("no tensor `{name}`").into())
    }

    /// Whatever begins with `prefix` and has a gradient in the file.
    fn variables(&self, prefix: &str, dtype: DType) -> Result<BTreeMap<String, Var>, Failure> {
        let names = self.tensors.keys().filter_map(|name| name.strip_prefix("grad."));
        let variable = |name: &str| {
            let tensor = self.tensor(name)?.to_dtype(dtype)?;
            Ok((name.to_owned(), Var::from_tensor(&tensor)?))
        };
        names.filter(|name| name.starts_with(prefix)).map(variable).collect()
    }

    fn config(&self) -> Result<RecurrentConfig, Failure> {
        let Head { cell, options, layers, bidirectional } = &self.head;
        let hidden = self.tensor("states_l0")?.dim(2)?;
        Ok(RecurrentConfig {
            layers: *layers,
            bidirectional: *bidirectional,
            bias: self.tensors.contains_key("weights.bias_ih_l0"),
            projection: options.projection,
            norm: options.norm,
            zoneout: options.zoneout.clone(),
            clip: options.clip,
            ..RecurrentConfig::new(*cell, hidden)
        })
    }

    fn check(&self, dtype: DType, tolerance: &Tolerance) -> Result<(), Failure> {
        let config = self.config()?;
        let mut parameters = Parameters::load(&self.path, dtype, &Device::Cpu)?;
        let mut variables = self.variables("x", dtype)?;
        let x = variables["x"].as_tensor().clone();
        let layer = Recurrent::new(&mut parameters, "weights", x.dim(2)?, &config)?;
        variables.extend(parameters.list().iter().cloned());
        // Their names are in the order of layers and directions.
        let states = self.variables("states", dtype)?;
        let first = states.values().map(|var| var.as_tensor().clone()).collect();
        let first = State::new(first, config.bidirectional);
        let finals: Vec<_> = states.keys().map(|name| name.replace("states", "final")).collect();
        variables.extend(states);

        let run = layer.forward(
            &x,
            &RecurrentOptions {
                state: Some(&first),
                lengths: self.head.options.lengths.as_deref(),
                resets: self.tensors.get("resets"),
                ..RecurrentOptions::default()
            },
        )?;
        compare("output", &run.output, self.tensor("output")?, tolerance.values, 1.0)?;
        let mut loss = weighted(&run.output, f64::sin)?;
        for (index, (name, found)) in finals.iter().zip(run.state.tensors()).enumerate() {
            compare(name, found, self.tensor(name)?, tolerance.values, 1.0)?;
            let start = 10.0 * index as f64;
            loss = (loss + weighted(found, |n| (n + start).cos())?)?;
        }
        let gradients = loss.backward()?;
        let all = self.variables("", dtype)?;
        if !all.keys().eq(variables.keys()) {
            return Err(format!("gradients by {:?} are not all", variables.keys()).into());
        }
        for (name, variable) in &variables {
            let name = format!("grad.{name}");
            let found = gradients.get(variable).ok_or(format!("no `{name}` was computed"))?;
            compare(&name, found, self.tensor(&name)?, tolerance.gradients, 0.0)?;
        }
        Ok(())
    }
}

/// The sum of the tensor's numbers, each times `by` of its index.
fn weighted(tensor: &Tensor, by: impl Fn(f64) -> f64) -> candle_core::Result<Tensor> {
    let weights: Vec<f64> = (0..tensor.elem_count()).map(|n| by(n as f64)).collect();
    let weights = Tensor::from_vec(weights, tensor.shape(), tensor.device())?;
    (tensor * weights.to_dtype(tensor.dtype())?)?.sum_all()
}

fn compare(
    name: &str,
    found: &Tensor,
    expected: &Tensor,
    tolerance: f64,
    least_scale: f64,
) -> Result<(), Failure> {
    if found.dims() != expected.dims() {
        let (found, expected) = (found.dims(), expected.dims());
        return Err(format!("{name} has shape {found:?}, expected {expected:?}").into());
    }
    let numbers = |tensor: &Tensor| tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
    let (found, expected) = (numbers(found)?, numbers(expected)?);
    let scale = expected.iter().fold(least_scale, |max, number| max.max(number.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > tolerance * scale {
            return Err(format!("{name}[{index}] is {found}, expected {expected}").into());
        }
    }
    Ok(())
}

fn paths() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect();
    paths.sort();
    paths
}

/// Runs all goldens, so that a failure tells of every one that is off.
fn check_all(dtype: DType, tolerance: &Tolerance) {
    let paths = paths();
    assert!(paths.len() > 50, "only {} goldens found", paths.len());
    let mut failures = Vec::new();
    for path in &paths {
        let checked = Golden::read(path).and_then(|golden| golden.check(dtype, tolerance));
        if let Err(failure) = checked {
            failures.push(format!("{}: {failure}", path.file_stem().unwrap().display()));
        }
    }
    let (off, all) = (failures.len(), paths.len());
    assert!(failures.is_empty(), "{off} of {all} goldens are off:\n{}", failures.join("\n"));
}

#[test]
fn goldens_in_f64() {
    check_all(DType::F64, &F64);
}

#[test]
fn goldens_in_f32() {
    check_all(DType::F32, &F32);
}
