//! The models themselves, in `f64`: what the C source should compute.

use fgn_core::Block;
use fgn_nn::candle_core::{DType, Device, Tensor, Var};
use fgn_nn::{Mode, Model};

/// The same model with the same parameters, in `f64`.
pub(crate) fn exact(model: &Model) -> Model {
    let exact = Model::new(model.config(), 1, DType::F64, &Device::Cpu).unwrap();
    for (name, var) in exact.parameters() {
        set(var, parameter(model, name));
    }
    exact
}

/// Sets the numbers of a parameter.
pub(crate) fn set(var: &Var, numbers: Vec<f64>) {
    let numbers = Tensor::from_vec(numbers, var.dims(), &Device::Cpu).unwrap();
    var.set(&numbers.to_dtype(var.dtype()).unwrap()).unwrap();
}

/// The numbers of a parameter, widened.
pub(crate) fn parameter(model: &Model, name: &str) -> Vec<f64> {
    let mut found = model.parameters().iter().filter(|(found, _)| found == name);
    let (_, var) = found.next().unwrap();
    numbers(var.as_tensor())
}

/// The numbers of a tensor, widened.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// What a model predicts of samples.
pub(crate) fn predicted(model: &Model, samples: &Tensor) -> Vec<f64> {
    let found = model.forward(samples, Mode::Eval).unwrap().prediction;
    numbers(found.output().tensor())
}

/// A sequence of numbers as a batch of one sample.
pub(crate) fn series(numbers: &[f32], features: usize) -> Tensor {
    let shape = (1, numbers.len() / features, features);
    Tensor::from_slice(numbers, shape, &Device::Cpu).unwrap()
}

/// A sequence of tokens as a batch of one sample.
pub(crate) fn tokens(tokens: &[u32]) -> Tensor {
    Tensor::from_slice(tokens, (1, tokens.len()), &Device::Cpu).unwrap()
}

/// A row as its whole numbers of 8 bits and its scale say.
fn rounded(row: &[f64]) -> Vec<f64> {
    let scale = row.iter().fold(0.0, |largest: f64, w| largest.max(w.abs())) as f32 / 127.0;
    let round = |w: &f64| f64::from((*w as f32 / scale).round()) * f64::from(scale);
    row.iter().map(|w| if scale > 0.0 { round(w) } else { 0.0 }).collect()
}

/// Sets a matrix of a model in `f64` to what its whole numbers say: the rows that are rounded, by their index.
fn round_rows(model: &Model, name: &str, is_rounded: impl Fn(usize) -> bool) {
    let mut named = model.parameters().iter().filter(|(found, _)| found == name);
    let (_, var) = named.next().unwrap();
    let all = parameter(model, name);
    let rows = all.chunks(var.dims()[1]).enumerate();
    let rows = rows.flat_map(|(at, row)| if is_rounded(at) { rounded(row) } else { row.to_vec() });
    set(var, rows.collect());
}

/// Whether the cell has a binary gate.
pub(crate) fn has_threshold(model: &Model) -> bool {
    let cell = model.config().recurrent.cell;
    (0..cell.spec().blocks.len()).any(|block| cell.has_threshold(block))
}

/// Sets all matrices of a model in `f64` to what their whole numbers say, but for what a threshold depends on.
pub(crate) fn round_all(model: &Model) {
    let config = &model.config().recurrent;
    let (cell, spec) = (config.cell, config.cell.spec());
    let has_threshold = has_threshold(model);
    for (name, var) in model.parameters() {
        let is_before = ["input.", "dense.", "recurrent.embed."];
        let is_before = is_before.iter().any(|start| name.starts_with(start));
        let blocks = match name.split('.').next_back().unwrap_or_default() {
            _ if var.dims().len() < 2 || name.contains(".conv.") => continue,
            _ if is_before && has_threshold => continue,
            matrix if matrix.starts_with("weight_ih") => spec.indices(Block::reads_input),
            matrix if matrix.starts_with("weight_hh") => spec.indices(Block::reads_hidden),
            _ => Vec::new(),
        };
        round_rows(model, name, |row| {
            let block = blocks.get(row / config.hidden_size);
            !block.is_some_and(|&block| cell.has_threshold(block))
        });
    }
}
