//! Weights of 8 bits, against a stream with the same weights.

use fgn_core::cells::{Forgetting, Readout, Unit, Z};
use fgn_core::{AnyCell, Block};
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::{
    DenseConfig, Embedding, Mode, Model, ModelConfig, NextToken, Precision, RecurrentConfig,
};

use crate::cells::{case, configs, expected, model};
use crate::program::{Case, Given, assert_close, disturb, outputs, parameter, random};

/// The largest error, relative to the larger of the number and 1, beside a stream in full precision whose weights are
/// rounded. Two orders of sums in `f32` differ by so much after 1,000 steps.
const BOUND: f64 = 3e-5;

/// And where a normalisation of seven units divides by what may be a small standard deviation.
const NORMALIZED_BOUND: f64 = 2e-4;

/// A row as its whole numbers and scale say.
fn rounded(row: &[f64]) -> Vec<f64> {
    let scale = row.iter().fold(0.0, |largest: f64, w| largest.max(w.abs())) as f32 / 127.0;
    let round = |w: &f64| f64::from((*w as f32 / scale).round()) * f64::from(scale);
    row.iter().map(round).collect()
}

#[test]
fn every_cell_computes_what_its_rounded_weights_say() {
    let models: Vec<_> = configs()
        .into_iter()
        .enumerate()
        .map(|(at, config)| model(config, at as u64 + 1))
        .collect();
    let cases: Vec<_> =
        models.iter().enumerate().map(|(at, model)| case(at, model, true)).collect();
    let Some(found) = outputs(&cases) else { return };
    for (at, ((case, model), found)) in cases.iter().zip(&models).zip(found).enumerate() {
        // Above a lower layer's rounding, a binary gate may switch.
        let config = &model.config().recurrent;
        let switches = (0..config.cell.spec().blocks.len()).any(|b| config.cell.has_threshold(b));
        if switches && config.layers > 1 {
            continue;
        }
        let x = random(at as u64, found.len() / 4 * 3, 1.0);
        round_recurrent(model);
        let expected = expected(model, &x, Precision::F32, rounded);
        assert_close(&case.what, &found, &expected, 1.0, NORMALIZED_BOUND);
    }
}

/// Sets the matrices of the recurrent layers to what their whole numbers say, but for the blocks with a threshold.
fn round_recurrent(model: &Model) {
    let config = &model.config().recurrent;
    let spec = config.cell.spec();
    for (name, _) in model.parameters() {
        let blocks = match name.split('.').next_back().unwrap_or_default() {
            matrix if matrix.starts_with("weight_ih") => spec.indices(Block::reads_input),
            matrix if matrix.starts_with("weight_hh") => spec.indices(Block::reads_hidden),
            matrix if matrix.starts_with("weight_hr") => Vec::new(),
            _ => continue,
        };
        round_rows(model, name, |row| {
            let block = blocks.get(row / config.hidden_size);
            !block.is_some_and(|&block| config.cell.has_threshold(block))
        });
    }
}

/// Sets a matrix of a model to what its whole numbers say.
fn round_parameter(model: &Model, name: &str) {
    round_rows(model, name, |_| true);
}

fn round_rows(model: &Model, name: &str, is_rounded: impl Fn(usize) -> bool) {
    let mut named = model.parameters().iter().filter(|(found, _)| found == name);
    let (_, var) = named.next().unwrap();
    let columns = var.dims()[1];
    let all = parameter(model, name);
    let rows = all.chunks(columns).enumerate();
    let rows = rows.flat_map(|(at, row)| if is_rounded(at) { rounded(row) } else { row.to_vec() });
    let numbers: Vec<f32> = rows.map(|w| w as f32).collect();
    var.set(&Tensor::from_vec(numbers, var.dims(), &Device::Cpu).unwrap()).unwrap();
}

#[test]
fn embedding_dense_layer_and_head_are_rounded_too() {
    let recurrent = RecurrentConfig::new(AnyCell::FGN, 9);
    let config = ModelConfig {
        dense: Some(DenseConfig { size: 8, dropout: 0.1 }),
        ..ModelConfig::new(Embedding::new(11, 5), recurrent, NextToken::new(11))
    };
    let model = Model::new(&config, 5, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, 5);
    let tokens: Vec<u32> = random(3, 500, 11.0).iter().map(|x| x.abs() as u32).collect();
    let case = Case::new(("tokens", "tokens"), &model, true, 11, Given::Tokens(tokens.clone()));
    round_parameter(&model, "input.embedding.weight");
    round_parameter(&model, "dense.weight");
    round_recurrent(&model);
    let tokens = Tensor::from_vec(tokens, (1, 500), &Device::Cpu).unwrap();
    let features = model.features(&tokens).unwrap();
    let x: Vec<f32> = features.tensor().flatten_all().unwrap().to_vec1().unwrap();
    let expected = expected(&model, &x, Precision::F32, rounded);
    let Some(found) = outputs(&[case]) else { return };
    assert_close("tokens", &found[0], &expected, 1.0, BOUND);
}

#[test]
fn what_a_threshold_depends_on_keeps_its_weights() {
    let cell = AnyCell::Fgn {
        unit: Unit::Lstm,
        z: Z::Linear,
        readout: Readout::Gated,
        forgetting: Forgetting::Binary,
    };
    let recurrent = RecurrentConfig::new(cell, 8);
    let config = ModelConfig::new(Embedding::new(11, 5), recurrent, NextToken::new(11));
    let model = Model::new(&config, 7, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, 7);
    let tokens: Vec<u32> = random(4, 1000, 11.0).iter().map(|x| x.abs() as u32).collect();
    let case = Case::new(("binary", "binary"), &model, true, 11, Given::Tokens(tokens.clone()));
    let tokens = Tensor::from_vec(tokens, (1, 1000), &Device::Cpu).unwrap();
    let x: Vec<f32> =
        model.features(&tokens).unwrap().tensor().flatten_all().unwrap().to_vec1().unwrap();
    let exact = model.forward(&tokens, Mode::Eval).unwrap().prediction;
    round_recurrent(&model);
    let expected = expected(&model, &x, Precision::F32, rounded);
    let Some(found) = outputs(&[case]) else { return };
    assert_close("binary", &found[0], &expected, 1.0, BOUND);
    // The rounding itself shows: the model in full precision is not meant.
    let exact: Vec<f32> = exact.output().tensor().flatten_all().unwrap().to_vec1().unwrap();
    let pairs = exact.iter().zip(&found[0]);
    let largest = pairs.fold(0.0, |largest: f32, (a, b)| largest.max((a - b).abs()));
    assert!(largest > 10.0 * BOUND as f32, "{largest}");
}
