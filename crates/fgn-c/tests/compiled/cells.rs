//! Every cell, with and without options, against the model in `f64`.

use fgn_core::{AnyCell, Norm};
use fgn_nn::candle_core::{DType, Device};
use fgn_nn::{Model, ModelConfig, RecurrentConfig, Regression, Series};

use crate::oracle::{exact, predicted, series};
use crate::program::{Case, Given, check, disturb, random};

pub(crate) const STEPS: usize = 1000;
pub(crate) const INPUTS: usize = 3;
const OUTPUTS: usize = 4;
/// The largest error, relative to the larger of the number and 1.
pub(crate) const BOUND: f64 = 1e-5;
/// The largest error of the model's own outputs in `f32`.
const STEADY: f64 = 5e-7;

/// The cells' models: each cell alone, and in two layers with all options that it can have.
fn configs() -> Vec<RecurrentConfig> {
    let cells = AnyCell::all().into_iter();
    let mut configs: Vec<_> =
        cells.flat_map(|cell| [RecurrentConfig::new(cell, 6), with_all_options(cell)]).collect();
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::GRU] {
        configs.extend(with_single_options(cell));
    }
    configs
}

pub(crate) fn is_valid(config: &RecurrentConfig) -> bool {
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

/// The models of the cells, each for the inputs of its place.
pub(crate) fn models() -> Vec<Model> {
    steady_models(configs())
}

/// A model of each configuration, for the inputs of its place.
pub(crate) fn steady_models(configs: Vec<RecurrentConfig>) -> Vec<Model> {
    configs.into_iter().enumerate().map(|(at, config)| steady_model(&config, at)).collect()
}

/// A model that does not magnify rounding errors, as a normalisation of seven units may do over and over: its parameters are
/// made smaller until its own outputs in `f32` are those in `f64`.
fn steady_model(recurrent: &RecurrentConfig, at: usize) -> Model {
    let config = model_config(recurrent.clone());
    let model = Model::new(&config, at as u64 + 1, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, at as u64 + 1);
    let given = series(&given(at), INPUTS);
    for _ in 0..10 {
        let (own, exact) = (predicted(&model, &given), predicted(&exact(&model), &given));
        if own.iter().zip(&exact).all(|(own, exact)| (own - exact).abs() <= STEADY) {
            return model;
        }
        for (_, var) in model.parameters() {
            var.set(&(var.as_tensor() * 0.8).unwrap()).unwrap();
        }
    }
    panic!("{recurrent:?} magnifies rounding errors");
}

pub(crate) fn case(at: usize, model: &Model, int8: bool) -> Case {
    let what = format!("{:?}", model.config().recurrent);
    let given = Given::Numbers(given(at));
    Case::new((what, format!("m{at}")), model, int8, OUTPUTS, given)
}

/// The inputs of a case.
pub(crate) fn given(at: usize) -> Vec<f32> {
    random(at as u64, STEPS * INPUTS, 1.0)
}

#[test]
fn every_cell_computes_what_its_model_computes() {
    let models = models();
    assert!(models.len() > 2 * AnyCell::all().len() + 12, "{}", models.len());
    let cases: Vec<_> =
        models.iter().enumerate().map(|(at, model)| case(at, model, false)).collect();
    check(&cases, |at| Some((predicted(&exact(&models[at]), &series(&given(at), INPUTS)), BOUND)));
}
