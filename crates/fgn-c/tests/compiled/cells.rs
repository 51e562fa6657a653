//! Every cell, with and without options, against a stream of the recurrent layer.

use fgn_core::{AnyCell, Norm};
use fgn_nn::candle_core::{DType, Device};
use fgn_nn::{Model, ModelConfig, Precision, RecurrentConfig, Regression, Series};

use crate::program::{Case, Given, assert_close, disturb, outputs, parameter, random};

pub(crate) const STEPS: usize = 1000;
const INPUTS: usize = 3;
const OUTPUTS: usize = 4;
/// The largest error, relative to the larger of the number and 1.
const BOUND: f64 = 1e-5;

/// The cells' models: each cell alone, and in two layers with all options that it can have.
pub(crate) fn configs() -> Vec<RecurrentConfig> {
    let cells = AnyCell::all().into_iter();
    let mut configs: Vec<_> =
        cells.flat_map(|cell| [RecurrentConfig::new(cell, 6), with_all_options(cell)]).collect();
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::GRU] {
        configs.extend(with_single_options(cell));
    }
    configs
}

fn is_valid(config: &RecurrentConfig) -> bool {
    model_config(config.clone()).validate().is_ok()
}

fn with_all_options(cell: AnyCell) -> RecurrentConfig {
    let mut config = RecurrentConfig { layers: 2, residual: true, ..RecurrentConfig::new(cell, 7) };
    let options: [fn(&RecurrentConfig) -> RecurrentConfig; 5] = [
        |config| RecurrentConfig { projection: Some(5), ..config.clone() },
        |config| RecurrentConfig { norm: Norm { pre: true, ..config.norm }, ..config.clone() },
        |config| RecurrentConfig { norm: Norm { memory: true, ..config.norm }, ..config.clone() },
        |config| RecurrentConfig { zoneout: vec![0.2], ..config.clone() },
        |config| RecurrentConfig { clip: Some(0.75), ..config.clone() },
    ];
    for option in options {
        let with = option(&config);
        if is_valid(&with) {
            config = with;
        }
    }
    assert!(is_valid(&config), "{config:?}");
    config
}

fn with_single_options(cell: AnyCell) -> Vec<RecurrentConfig> {
    let plain = RecurrentConfig::new(cell, 6);
    let both = Norm { pre: true, memory: true };
    let configs = vec![
        RecurrentConfig { bias: false, ..plain.clone() },
        RecurrentConfig { bias: false, norm: Norm { pre: true, memory: false }, ..plain.clone() },
        RecurrentConfig { layers: 3, ..plain.clone() },
        RecurrentConfig { projection: Some(2), layers: 3, residual: true, ..plain.clone() },
        RecurrentConfig { norm: Norm { memory: true, pre: false }, ..plain.clone() },
        RecurrentConfig { norm: both, ..plain.clone() },
        RecurrentConfig { zoneout: vec![0.3, 0.1], ..plain.clone() },
        RecurrentConfig { clip: Some(0.25), ..plain },
    ];
    configs.into_iter().filter(is_valid).collect()
}

fn model_config(recurrent: RecurrentConfig) -> ModelConfig {
    let head = Regression { per_step: true, ..Regression::new(OUTPUTS) };
    ModelConfig::new(Series::new(INPUTS), recurrent, head)
}

pub(crate) fn model(recurrent: RecurrentConfig, seed: u64) -> Model {
    let model = Model::new(&model_config(recurrent), seed, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, seed);
    model
}

pub(crate) fn case(at: usize, model: &Model, int8: bool) -> Case {
    let what = format!("{:?}", model.config().recurrent);
    let given = Given::Numbers(random(at as u64, STEPS * INPUTS, 1.0));
    Case::new((what, format!("m{at}")), model, int8, OUTPUTS, given)
}

/// The head's outputs for those of a stream, with the head's weights as `held` has them.
pub(crate) fn expected(
    model: &Model,
    x: &[f32],
    precision: Precision,
    held: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let weights = model.recurrent().stream_weights(precision).unwrap();
    let mut stream = weights.stream(1, 1).unwrap();
    let size = model.config().recurrent.output_size();
    let bias = parameter(model, "head.bias");
    let weight = parameter(model, "head.weight");
    let rows: Vec<Vec<f64>> = weight.chunks(size).map(held).collect();
    let mut output = vec![0.0; size];
    let features =
        model.config().dense.as_ref().map_or(model.config().input.features(), |d| d.size);
    let mut all = Vec::new();
    for x in x.chunks(features) {
        stream.step(x, &mut output).unwrap();
        all.extend(rows.iter().zip(&bias).map(|(row, bias)| {
            bias + row.iter().zip(&output).map(|(w, &y)| w * f64::from(y)).sum::<f64>()
        }));
    }
    all
}

#[test]
fn every_cell_computes_what_its_stream_computes() {
    let configs = configs();
    assert!(configs.len() > 2 * AnyCell::all().len() + 12, "{}", configs.len());
    let models: Vec<_> =
        configs.into_iter().enumerate().map(|(at, config)| model(config, at as u64 + 1)).collect();
    let cases: Vec<_> =
        models.iter().enumerate().map(|(at, model)| case(at, model, false)).collect();
    let Some(found) = outputs(&cases) else { return };
    for (at, ((case, model), found)) in cases.iter().zip(&models).zip(found).enumerate() {
        let x = random(at as u64, STEPS * INPUTS, 1.0);
        let expected = expected(model, &x, Precision::F32, <[f64]>::to_vec);
        assert_close(&case.what, &found, &expected, 1.0, BOUND);
    }
}
