//! The kernels held against PyTorch: outputs, final states and every gradient of the networks that
//! `goldens/make.py` wrote. Stacks and directions are composed here, from runs of one layer each.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use fgn_core::{AnyCell, Form, Layout, Norm};
use fgn_kernels::{Options, sequence};
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
    head: Head,
    tensors: HashMap<String, Tensor>,
}

/// A golden's network as run here.
struct Run {
    /// `output`, and `final{place}` of each layer and direction.
    values: Vec<(String, Tensor)>,
    /// Of all numbers in `values`, each weighed differently.
    loss: Tensor,
}

impl Golden {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let text = header.metadata().as_ref().and_then(|all| all.get("golden"));
        let head = serde_json::from_str(text.ok_or("no `golden` in the metadata")?)?;
        Ok(Self { head, tensors: candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)? })
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, Failure> {
        self.tensors.get(name).ok_or_else(|| format!("no tensor `{name}`").into())
    }

    /// Whatever has a gradient in the file.
    fn variables(&self, dtype: DType) -> Result<BTreeMap<String, Var>, Failure> {
        let names = self.tensors.keys().filter_map(|name| name.strip_prefix("grad."));
        let variable = |name: &str| {
            let tensor = self.tensor(name)?.to_dtype(dtype)?;
            Ok((name.to_owned(), Var::from_tensor(&tensor)?))
        };
        names.map(variable).collect()
    }

    fn run(&self, variables: &BTreeMap<String, Var>) -> Result<Run, Failure> {
        let Head { cell, options, layers, bidirectional } = &self.head;
        let variable = |name: &str| variables.get(name).ok_or(format!("no variable `{name}`"));
        let ways = if *bidirectional { &["", "_reverse"][..] } else { &[""] };
        let mut x = variable("x")?.as_tensor().clone();
        let mut loss = Tensor::zeros((), x.dtype(), x.device())?;
        let mut values = Vec::new();
        for layer in 0..*layers {
            let mut outputs = Vec::new();
            for way in ways {
                let place = format!("_l{layer}{way}");
                let states = variable(&format!("states{place}"))?;
                let form = Form {
                    input: x.dim(2)?,
                    hidden: states.dim(2)?,
                    projection: options.projection,
                    norm: options.norm,
                };
                let weights = self.packed(variables, form, &place)?;
                let options = Options {
                    reverse: *way == "_reverse",
                    lengths: options.lengths.clone(),
                    resets: self.tensors.get("resets").cloned(),
                    projection: options.projection,
                    norm: options.norm,
                    zoneout: options.zoneout.clone(),
                    clip: options.clip,
                    ..Options::default()
                };
                let run = sequence(*cell, &x, &weights, states, &options)?;
                let start = 10.0 * values.len() as f64;
                loss = (loss + weighed(&run.states, |n| (n + start).cos())?)?;
                values.push((format!("final{place}"), run.states));
                outputs.push(run.output);
            }
            x = Tensor::cat(&outputs, 2)?;
        }
        loss = (loss + weighed(&x, f64::sin)?)?;
        values.push(("output".to_owned(), x));
        Ok(Run { values, loss })
    }

    /// The parameters of one layer and direction; biases that a network does without are zero.
    fn packed(
        &self,
        variables: &BTreeMap<String, Var>,
        form: Form,
        place: &str,
    ) -> Result<Tensor, Failure> {
        let x = &variables["x"];
        let mut parts = Vec::new();
        let layout = Layout::of(self.head.cell.spec(), form);
        for slot in layout.tensors() {
            let name = format!("weights.{}{place}", slot.name);
            parts.push(match variables.get(&name) {
                Some(found) if found.dims() == slot.shape => found.flatten_all()?,
                Some(found) => {
                    let (found, expected) = (found.dims(), &slot.shape);
                    return Err(format!("`{name}` has shape {found:?}, not {expected:?}").into());
                }
                None if slot.name.starts_with("bias_") => {
                    Tensor::zeros(slot.len(), x.dtype(), x.device())?
                }
                None => return Err(format!("no variable `{name}`").into()),
            });
        }
        Ok(Tensor::cat(&parts, 0)?)
    }

    fn check(&self, dtype: DType, tolerance: &Tolerance) -> Result<(), Failure> {
        let variables = self.variables(dtype)?;
        let run = self.run(&variables)?;
        for (name, found) in &run.values {
            compare(name, found, self.tensor(name)?, tolerance.values, 1.0)?;
        }
        let gradients = run.loss.backward()?;
        for (name, variable) in &variables {
            let name = format!("grad.{name}");
            let found = gradients.get(variable).ok_or(format!("no `{name}` was computed"))?;
            compare(&name, found, self.tensor(&name)?, tolerance.gradients, 0.0)?;
        }
        Ok(())
    }
}

/// The sum of the tensor's numbers, each times `by` of its place.
fn weighed(tensor: &Tensor, by: impl Fn(f64) -> f64) -> candle_core::Result<Tensor> {
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
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > tolerance * scale {
            return Err(format!("{name}[{place}] is {found}, expected {expected}").into());
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
