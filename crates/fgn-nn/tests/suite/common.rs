//! What the tests of this crate share.
use candle_core::{DType, Device, Result, Tensor, Var};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{Padded, Prediction};
use fgn_nn::{
    Classification, DenseConfig, ImageConv, InitConfig, LossOptions, Mode, Model, ModelConfig,
    ModelInput, Parameters, RecurrentConfig, RecurrentOutput,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Distance of a central difference: the cube root of the rounding error of an `f64`, about.
const STEP: f64 = 1e-5;
/// The error of a central difference, relative to the largest derivative with respect to the same tensor
/// (at least 1): truncation is about STEP², rounding about 1e-16 / STEP.
const FINITE_DIFFERENCE_TOLERANCE: f64 = 1e-8;

pub(crate) type Named = (String, Var);

pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(crate) fn var(name: &str, shape: &[usize], seed: u64) -> Named {
    (name.to_owned(), Var::from_tensor(&random(shape, seed)).unwrap())
}

pub(crate) fn parameters(seed: u64) -> Parameters<'static> {
    Parameters::new(seed, DType::F64, &Device::Cpu).unwrap()
}

/// Sets every parameter, biases too, to numbers without any structure.
pub(crate) fn scramble(list: &[Named]) {
    for (index, (_, var)) in list.iter().enumerate() {
        let values = random(var.dims(), 1000 + index as u64);
        var.set(&(values * 0.7).unwrap()).unwrap();
    }
}

/// Compares the gradients of `output` (of any shape, weighted by fixed random numbers) with respect to all
/// `vars` with central differences, except elements that `skip` names.
pub(crate) fn check_gradients_but(
    vars: &[Named],
    skip: impl Fn(&str, usize) -> bool,
    output: impl Fn() -> Tensor,
) {
    let weights = random(output().dims(), 99);
    let loss = || (output() * &weights)?.sum_all();
    let value = || -> Result<f64> { loss()?.to_scalar() };
    let gradients = loss().unwrap().backward().unwrap();
    for (name, var) in vars {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!(gradient.dims(), var.dims(), "{name}");
        let gradient = flat(gradient);
        let scale = gradient.iter().fold(1.0, |max: f64, x| max.max(x.abs()));
        assert!(gradient.iter().any(|&x| x != 0.0), "the gradient with respect to {name} is zero");
        let first = flat(var);
        for index in (0..first.len()).filter(|&index| !skip(name, index)) {
            let at = |x: f64| {
                let mut values = first.clone();
                values[index] = x;
                var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
                value()
            };
            let above = at(first[index] + STEP).unwrap();
            let below = at(first[index] - STEP).unwrap();
            at(first[index]).unwrap();
            let expected = (above - below) / (2.0 * STEP);
            assert!(
                (gradient[index] - expected).abs() <= FINITE_DIFFERENCE_TOLERANCE * scale,
                "{name}[{index}]: gradient {}, central difference {expected}",
                gradient[index],
            );
        }
    }
}

pub(crate) fn check_gradients(vars: &[Named], output: impl Fn() -> Tensor) {
    check_gradients_but(vars, |_, _| false, output);
}

/// RecurrentOutput and final states of a run, one after the other.
pub(crate) fn all_numbers(run: &RecurrentOutput) -> Tensor {
    let tensors = [&run.output].into_iter().chain(run.state.tensors()).chain(&run.states);
    let flat: Vec<_> = tensors.map(|tensor| tensor.flatten_all().unwrap()).collect();
    Tensor::cat(&flat, 0).unwrap()
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().unwrap();
    flat.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

pub(crate) fn recurrent_config(
    cell: AnyCell,
    hidden_size: usize,
    init: InitConfig,
) -> RecurrentConfig {
    RecurrentConfig { init, ..RecurrentConfig::new(cell, hidden_size) }
}

/// A small model of every part.
pub(crate) fn model_config() -> ModelConfig {
    let input = ImageConv::new(8, 12, [2, 3]);
    let recurrent = recurrent_config(AnyCell::FGN, 4, InitConfig::default());
    ModelConfig {
        dense: Some(DenseConfig { size: 5, dropout: 0.3 }),
        ..ModelConfig::new(input, recurrent, Classification::new(3))
    }
}

/// The output of a prediction, in inference.
pub(crate) fn predicted<'a>(model: &Model, input: impl Into<ModelInput<'a>>) -> Tensor {
    output(&model.forward(input, Mode::Eval).unwrap().prediction)
}

pub(crate) fn output(prediction: &Prediction) -> Tensor {
    prediction.output().tensor().clone()
}

/// The mean loss of a model, without options.
pub(crate) fn loss(model: &Model, prediction: &Prediction, target: &Padded) -> Tensor {
    model.loss(prediction, target, &LossOptions::default()).unwrap().mean
}
