//! Whole models, with each kind of input layer and head, against the model itself.

use fgn_core::AnyCell;
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::{Catalogue, Moments};
use fgn_nn::{
    Classification, Ctc, DenseConfig, Embedding, HeadConfig, ImagePixels, ImageRows, Model,
    ModelConfig, NextItem, NextToken, RecurrentConfig, RecurrentOptions, Regression, Series,
};

use crate::oracle::{exact, numbers, parameter, predicted, round_all, tokens};
use crate::program::{Case, Given, assert_close, check, disturb, outputs, random};

const BOUND: f64 = 1e-5;

fn build(config: &ModelConfig, seed: u64) -> Model {
    let model = Model::new(config, seed, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, seed);
    model
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
    let expected = predicted(&exact(&model), &sample);
    let case = Case::new(("series", "series"), &model, false, 2, Given::Numbers(numbers));
    let all = outputs(&[case]);
    let values = [(0, 50.0), (1, 2.0)].into_iter();
    for ((target, found), (value, std)) in
        all.iter().flat_map(|found| values.clone().map(move |value| (found, value)))
    {
        let found: Vec<_> = found[0].chunks(2).map(|row| row[value]).collect();
        let expected: Vec<_> = expected.chunks(2).map(|row| row[value]).collect();
        // In parts of the standard deviation: the mean is not part of the measure.
        let bound = 1e-5 * std / expected[0].abs().max(std);
        assert_close(&format!("{target}: value {value}"), &found, &expected, std, bound.max(1e-6));
    }
}

/// Holds models of `vocabulary` tokens, in floats and in 8 bits, against what `expected` says of the exact model and random
/// tokens.
fn check_tokens(
    configs: &[(&str, ModelConfig)],
    (steps, vocabulary): (usize, usize),
    expected: impl Fn(&Model, &[u32]) -> Vec<f64>,
) {
    let models: Vec<_> =
        configs.iter().zip(1..).map(|((_, config), seed)| build(config, seed)).collect();
    let given = random(2, steps, vocabulary as f32);
    let given: Vec<u32> = given.iter().map(|x| x.abs() as u32).collect();
    for int8 in [false, true] {
        let case = |(&(name, _), model): (&(&str, ModelConfig), &Model)| {
            Case::new((name, name), model, int8, vocabulary, Given::Tokens(given.clone()))
        };
        let cases: Vec<_> = configs.iter().zip(&models).map(case).collect();
        check(&cases, |at| {
            let model = exact(&models[at]);
            if int8 {
                round_all(&model);
            }
            Some((expected(&model, &given), BOUND))
        });
    }
}

#[test]
fn tokens_give_the_logits_of_the_next() {
    const STEPS: usize = 400;
    const V: usize = 13;
    let recurrent = |size| RecurrentConfig::new(AnyCell::FGN, size);
    let tied = |size| NextToken { tied: Some(size), dropout: 0.2, ..NextToken::new(V) };
    let embedding = || Embedding { dropout: 0.1, ..Embedding::new(V, 6) };
    let clusters = NextToken { cutoffs: vec![4, 5, 10], ..NextToken::new(V) };
    let models = [
        ("plain", ModelConfig::new(embedding(), recurrent(8), NextToken::new(V))),
        ("tied", ModelConfig::new(embedding(), recurrent(6), tied(6))),
        ("projected", ModelConfig::new(embedding(), recurrent(10), tied(6))),
        ("clusters", ModelConfig::new(embedding(), recurrent(6), clusters)),
        ("labels", ModelConfig::new(embedding(), recurrent(7), Ctc::new(V))),
    ];
    check_tokens(&models, (STEPS, V), |model, given| predicted(model, &tokens(given)));
}

/// The scores of all items after each step: products of the items' vectors with the outputs, which are computed here.
fn scores(model: &Model, given: &[u32]) -> Vec<f64> {
    let HeadConfig::NextItem(head) = &model.config().head else { panic!("no items") };
    let x = model.features(&tokens(given)).unwrap();
    let outputs = model.recurrent().forward(x.tensor(), &RecurrentOptions::default()).unwrap();
    let size = model.config().recurrent.output_size();
    let product = |matrix: &[f64], x: &[f64]| -> Vec<f64> {
        let rows = matrix.chunks(x.len());
        rows.map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    };
    let has = |name: &str| model.parameters().iter().any(|(found, _)| found == name);
    let vectors = if head.tied.is_some() { "input.embedding.weight" } else { "head.weight" };
    let vectors = parameter(model, vectors);
    let of_step = |x: &[f64]| {
        let mut x = x.to_vec();
        if has("head.projection.weight") {
            x = product(&parameter(model, "head.projection.weight"), &x);
        }
        let mut scores = product(&vectors, &x);
        if head.bias {
            let bias = parameter(model, "head.bias");
            scores.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
        }
        scores
    };
    numbers(&outputs.output).chunks(size).flat_map(of_step).collect()
}

#[test]
fn items_are_scored() {
    const STEPS: usize = 300;
    const V: usize = 17;
    let names = (0..V).map(|item| format!("item {item}")).collect();
    let items = NextItem::new(Catalogue::new(names, vec![1; V]).unwrap());
    let embedding = || Embedding::new(V, 5);
    let recurrent = |size| RecurrentConfig::new(AnyCell::GRU, size);
    let tied = NextItem { tied: Some(5), ..items.clone() };
    let models = [
        ("plain", ModelConfig::new(embedding(), recurrent(8), items.clone())),
        ("bare", ModelConfig::new(embedding(), recurrent(8), NextItem { bias: false, ..items })),
        ("tied", ModelConfig::new(embedding(), recurrent(5), tied.clone())),
        (
            "projected",
            ModelConfig::new(embedding(), recurrent(9), NextItem { bias: false, ..tied }),
        ),
    ];
    check_tokens(&models, (STEPS, V), |model, given| {
        let scores = scores(model, given);
        // The head's own ranking, which it gives after the last step.
        let best = predicted(model, &tokens(given))[0] as usize;
        let last = &scores[scores.len() - V..];
        assert!(last.iter().all(|&score| score <= last[best]), "{last:?}: {best}");
        scores
    });
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
    check(&cases, |at| {
        let (_, shape, model) = &models[at];
        let sample = Tensor::from_vec(image(shape), &shape[..], &Device::Cpu).unwrap();
        Some((predicted(&exact(model), &sample), BOUND))
    });
}
