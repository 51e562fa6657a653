//! Whole models, with each kind of input layer and head, against the model itself.

use fgn_core::AnyCell;
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::Moments;
use fgn_nn::{
    Classification, DenseConfig, Embedding, ImagePixels, ImageRows, Mode, Model, ModelConfig,
    NextToken, RecurrentConfig, Regression, Series,
};

use crate::program::{Case, Given, assert_close, disturb, outputs, random};

fn build(config: &ModelConfig, seed: u64) -> Model {
    let model = Model::new(config, seed, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, seed);
    model
}

/// The model's own prediction for one sample.
fn predicted(model: &Model, sample: &Tensor) -> Vec<f64> {
    let found = model.forward(sample, Mode::Eval).unwrap().prediction;
    let tensor = found.output().tensor().to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn scaled_series_give_values_in_units_of_the_targets() {
    const STEPS: usize = 500;
    // Numbers with a large offset, whose mean is no `float`; and small ones.
    let scale = Moments { mean: vec![1_700_000.3, -2e-4], std: vec![2.5, 1e-4] };
    let head = Regression {
        per_step: true,
        scale: Some(Moments { mean: vec![1000.0, -0.5], std: vec![50.0, 2.0] }),
        ..Regression::new(2)
    };
    let config = ModelConfig {
        dense: Some(DenseConfig { size: 9, dropout: 0.3 }),
        ..ModelConfig::new(
            Series { scale: Some(scale), ..Series::new(2) },
            RecurrentConfig { layers: 2, residual: true, ..RecurrentConfig::new(AnyCell::LSTM, 8) },
            head,
        )
    };
    let model = build(&config, 1);
    let noise = random(1, 2 * STEPS, 2.0);
    let numbers: Vec<f32> = noise
        .chunks(2)
        .flat_map(|pair| [1_700_000.0 + 2.5 * pair[0], 1e-4 * pair[1] - 2e-4])
        .collect();
    let sample = Tensor::from_slice(&numbers, (1, STEPS, 2), &Device::Cpu).unwrap();
    let expected = predicted(&model, &sample);
    let case = Case::new(("series", "series"), &model, false, 2, Given::Numbers(numbers));
    let Some(found) = outputs(&[case]) else { return };
    for (value, std) in [(0, 50.0), (1, 2.0)] {
        let found: Vec<_> = found[0].chunks(2).map(|row| row[value]).collect();
        let expected: Vec<_> = expected.chunks(2).map(|row| row[value]).collect();
        // In parts of the standard deviation: the mean is not part of the measure.
        let bound = 1e-5 * std / expected[0].abs().max(std);
        assert_close(&format!("value {value}"), &found, &expected, std, bound.max(1e-6));
    }
}

#[test]
fn tokens_give_the_logits_of_the_next() {
    const STEPS: usize = 400;
    const V: usize = 13;
    let recurrent = |size| RecurrentConfig::new(AnyCell::FGN, size);
    let tied = |size| NextToken { tied: Some(size), dropout: 0.2, ..NextToken::new(V) };
    let embedding = || Embedding { dropout: 0.1, ..Embedding::new(V, 6) };
    let models = [
        ("plain", ModelConfig::new(embedding(), recurrent(8), NextToken::new(V))),
        ("tied", ModelConfig::new(embedding(), recurrent(6), tied(6))),
        ("projected", ModelConfig::new(embedding(), recurrent(10), tied(6))),
    ];
    let models: Vec<_> =
        models.iter().zip(1..).map(|((name, config), seed)| (*name, build(config, seed))).collect();
    let tokens: Vec<u32> = random(2, STEPS, V as f32).iter().map(|x| x.abs() as u32).collect();
    let case = |(name, model): &(&str, Model)| {
        Case::new((*name, *name), model, false, V, Given::Tokens(tokens.clone()))
    };
    let cases: Vec<_> = models.iter().map(case).collect();
    let Some(found) = outputs(&cases) else { return };
    let sample = Tensor::from_slice(&tokens, (1, STEPS), &Device::Cpu).unwrap();
    for ((name, model), found) in models.iter().zip(found) {
        assert_close(name, &found, &predicted(model, &sample), 1.0, 1e-5);
    }
}

#[test]
fn images_are_run_as_a_whole() {
    let recurrent = || RecurrentConfig::new(AnyCell::GRU, 7);
    let rows = ImageRows { in_channels: 3, ..ImageRows::new(6, 4) };
    let pixels = ImagePixels::new(5, 4);
    let permuted = ImagePixels { permutation_seed: Some(3), ..pixels };
    let colours = ImagePixels { in_channels: 3, ..permuted };
    let per_step = || Classification { per_step: true, ..Classification::new(3) };
    let models = [
        ("rows", vec![1, 6, 4, 3], ModelConfig::new(rows, recurrent(), Classification::new(3))),
        ("pixels", vec![1, 5, 4], ModelConfig::new(pixels, recurrent(), Classification::new(3))),
        (
            "permuted",
            vec![1, 5, 4],
            ModelConfig::new(permuted, recurrent(), Classification::new(3)),
        ),
        ("colours", vec![1, 5, 4, 3], ModelConfig::new(colours, recurrent(), per_step())),
    ];
    let models: Vec<_> = models
        .into_iter()
        .zip(1..)
        .map(|((name, shape, config), seed)| (name, shape, build(&config, seed)))
        .collect();
    let image = |shape: &[usize]| -> Vec<f32> {
        random(9, shape.iter().product(), 1.0).into_iter().map(f32::abs).collect()
    };
    let case = |(name, shape, model): &(&str, Vec<usize>, Model)| {
        let outputs = if *name == "colours" { 3 * 20 } else { 3 };
        Case::new((*name, *name), model, false, outputs, Given::Image(image(shape)))
    };
    let cases: Vec<_> = models.iter().map(case).collect();
    let Some(found) = outputs(&cases) else { return };
    for ((name, shape, model), found) in models.iter().zip(found) {
        let sample = Tensor::from_vec(image(shape), &shape[..], &Device::Cpu).unwrap();
        assert_close(name, &found, &predicted(model, &sample), 1.0, 1e-5);
    }
}
