//! A model, what it is given, and what it returns.

use std::collections::BTreeMap;

use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{Mode, Model, ModelConfig, ModelInput, State};
use fgn_onnx::{ExportOptions, OnnxModel, export};

use crate::interpreter::{self, Array};
use crate::structure;

/// The largest difference allowed, relative to numbers above 1.
pub(crate) const TOLERANCE: f64 = 1e-5;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) exported: OnnxModel,
    pub(crate) inputs: Vec<(String, Tensor)>,
    pub(crate) outputs: Vec<(String, Tensor)>,
}

/// A model whose parameters are all different from zero and one another.
pub(crate) fn model(config: &ModelConfig) -> Model {
    let model = Model::new(config, 1, DType::F32, &Device::Cpu).unwrap();
    for (at, (name, var)) in model.parameters().iter().enumerate() {
        let value = |n: usize| (1.0 + at as f64 + 0.7 * n as f64).sin() as f32 * 0.6;
        // Gains are near 1.
        let center = if name.contains("norm") && !name.contains("bias") { 1.0 } else { 0.0 };
        let values = (0..var.elem_count()).map(|n| value(n) + center).collect::<Vec<f32>>();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    model
}

/// Numbers that differ, `[..]` in `F32`.
pub(crate) fn samples(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|n| (0.3 + 1.3 * n as f64).sin() as f32).collect::<Vec<_>>();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// `[B, T]` in `U32`.
pub(crate) fn tokens(batch: usize, steps: usize, vocabulary: u32) -> Tensor {
    let tokens = (0..(batch * steps) as u32).map(|n| (n * 5 + n / 3) % vocabulary);
    Tensor::from_vec(tokens.collect::<Vec<_>>(), (batch, steps), &Device::Cpu).unwrap()
}

/// As many lengths, the first of which is `steps`.
pub(crate) fn lengths(batch: usize, steps: usize) -> Vec<usize> {
    (0..batch).map(|at| steps - (3 * at) % steps).collect()
}

impl Case {
    pub(crate) fn new(name: &str, model: &Model, samples: &Padded, state: Option<&State>) -> Case {
        Self::with(name, model, samples, state, &ExportOptions::default())
    }

    pub(crate) fn with(
        name: &str,
        model: &Model,
        samples: &Padded,
        state: Option<&State>,
        options: &ExportOptions,
    ) -> Case {
        let exported = export(model, options).unwrap();
        structure::check(&exported);
        let input = ModelInput::new(samples);
        let input = match state {
            Some(state) => input.with_state(state),
            None => input,
        };
        let found = model.forward(input, Mode::Eval).unwrap();
        let suffixes = suffixes(model);
        let mut inputs = given(&exported, samples);
        let states = |prefix: &str, state: &State| -> Vec<(String, Tensor)> {
            let names = suffixes.iter().map(|suffix| format!("{prefix}{suffix}"));
            names.zip(state.tensors().iter().cloned()).collect()
        };
        inputs.extend(state.into_iter().flat_map(|state| states("state", state)));
        let prediction = exported.outputs()[0].name.clone();
        let mut outputs = vec![(prediction, found.prediction.output().tensor().clone())];
        outputs.extend(states("next_state", &found.state));
        Case { name: name.to_owned(), exported, inputs, outputs }
    }

    /// Runs the graph and holds all that it returns against the model.
    pub(crate) fn check(&self) {
        let found = self.run();
        assert_eq!(found.len(), self.outputs.len(), "{}", self.name);
        for (name, expected) in &self.outputs {
            let expected = array(expected);
            let found = &found[name];
            assert_eq!(found.shape, expected.shape, "{}: {name}", self.name);
            for (found, expected) in found.numbers().iter().zip(expected.numbers()) {
                let difference = (found - expected).abs() / expected.abs().max(1.0);
                assert!(difference < TOLERANCE, "{}: {name}: {found} {expected}", self.name);
            }
        }
    }

    pub(crate) fn run(&self) -> BTreeMap<String, Array> {
        self.run_from(&[])
    }

    /// Runs the graph from those states.
    pub(crate) fn run_from(&self, states: &[(String, Array)]) -> BTreeMap<String, Array> {
        let graph = self.exported.proto().graph.as_ref().unwrap();
        let inputs = self.inputs.iter().map(|(name, tensor)| (name.as_str(), array(tensor)));
        let states = states.iter().map(|(name, state)| (name.as_str(), state.clone()));
        interpreter::run(graph, &inputs.chain(states).collect::<Vec<_>>())
    }
}

/// The samples and their lengths, by the names of the graph.
pub(crate) fn given(exported: &OnnxModel, samples: &Padded) -> Vec<(String, Tensor)> {
    let first = &exported.inputs()[0];
    let tensor = match first.dtype {
        "float64" => samples.tensor().to_dtype(DType::F64).unwrap(),
        "int64" => samples.tensor().to_dtype(DType::I64).unwrap(),
        _ => samples.tensor().to_dtype(DType::F32).unwrap(),
    };
    let mut inputs = vec![(first.name.clone(), tensor)];
    if let Some(lengths) = samples.lengths() {
        let lengths: Vec<i64> = lengths.iter().map(|&length| length as i64).collect();
        let lengths = Tensor::new(lengths, &Device::Cpu).unwrap();
        inputs.push(("lengths".to_owned(), lengths));
    }
    inputs
}

fn suffixes(model: &Model) -> Vec<String> {
    let config = model.recurrent().config();
    let ends = if config.bidirectional { &["", "_reverse"][..] } else { &[""] };
    let layer = |layer| ends.iter().map(move |end| format!("_l{layer}{end}"));
    (0..config.layers).flat_map(layer).collect()
}

pub(crate) fn array(tensor: &Tensor) -> Array {
    let flat = tensor.flatten_all().unwrap();
    match tensor.dtype() {
        DType::I64 => Array::ints(tensor.dims(), flat.to_vec1().unwrap()),
        _ => {
            let numbers = flat.to_dtype(DType::F64).unwrap().to_vec1().unwrap();
            Array::floats(tensor.dims(), numbers)
        }
    }
}
