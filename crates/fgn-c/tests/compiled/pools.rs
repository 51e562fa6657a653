//! Heads that pool the outputs of all steps, against the model on every sequence so far.

use fgn_core::AnyCell;
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::{Moments, Padded};
use fgn_nn::{
    BlockConfig, Classification, Embedding, HeadConfig, ImageRows, InputConfig, Mode, Model,
    ModelConfig, Pool, RecurrentConfig, Regression, Series,
};

use crate::oracle::{exact, numbers, parameter, predicted, round_all, set};
use crate::program::{Case, Given, check, disturb, random};

const STEPS: usize = 1000;
const POOLS: [Pool; 3] = [Pool::Mean, Pool::Max, Pool::Attention];
const BOUND: f64 = 1e-5;

fn build(
    input: impl Into<InputConfig>,
    recurrent: RecurrentConfig,
    head: impl Into<HeadConfig>,
    seed: u64,
) -> Model {
    let config = ModelConfig::new(input, recurrent, head);
    let model = Model::new(&config, seed, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, seed);
    model
}

/// Makes the scores of attention so large that their exponentials alone are out of the range of `float`.
fn magnify_scores(model: &Model) {
    for (name, var) in model.parameters() {
        if name == "head.attention.query" {
            set(var, parameter(model, name).iter().map(|q| q * 1500.0).collect());
        }
    }
}

/// The predictions for the first steps of a sequence: for each number of steps up to the whole.
fn prefixes(model: &Model, sequence: &Tensor) -> Vec<f64> {
    let steps = sequence.dim(0).unwrap();
    let mut predictions = Vec::new();
    for lengths in (1..=steps).collect::<Vec<_>>().chunks(100) {
        let longest = lengths[lengths.len() - 1];
        let samples = vec![sequence.narrow(0, 0, longest).unwrap(); lengths.len()];
        let samples = Tensor::stack(&samples, 0).unwrap();
        let samples = Padded::with_lengths(samples, lengths.to_vec()).unwrap();
        let found = model.forward(&samples, Mode::Eval).unwrap().prediction;
        predictions.extend(numbers(found.output().tensor()));
    }
    predictions
}

#[test]
fn a_step_predicts_for_the_steps_so_far() {
    let classes = |pool| Classification { pool, ..Classification::new(3) };
    let scale = Moments { mean: vec![0.5, -1.0], std: vec![2.0, 0.25] };
    let values = |pool| Regression { pool, scale: Some(scale.clone()), ..Regression::new(2) };
    let block = BlockConfig { conv: 3, ..BlockConfig::default() };
    let lstm = RecurrentConfig::new(AnyCell::LSTM, 7);
    let fgn = RecurrentConfig::new(AnyCell::FGN, 6).with_layers(2);
    let mut models = Vec::new();
    for (pool, seed) in POOLS.into_iter().zip(1..) {
        models.push((3, build(Series::new(2), lstm.clone(), classes(pool), seed)));
        models.push((3, build(Series::new(2), lstm.clone(), classes(pool), seed)));
        magnify_scores(&models[models.len() - 1].1);
        models.push((2, build(Series::new(2), fgn.clone().with_block(block), values(pool), seed)));
    }
    let given = random(1, 2 * STEPS, 1.0);
    let case = |(at, (outputs, model)): (usize, &(usize, Model))| {
        let what = format!("{:?}", model.config().head);
        Case::new((what, format!("m{at}")), model, false, *outputs, Given::Numbers(given.clone()))
    };
    let cases: Vec<_> = models.iter().enumerate().map(case).collect();
    let sequence = Tensor::from_slice(&given, (STEPS, 2), &Device::Cpu).unwrap();
    check(&cases, |at| Some((prefixes(&exact(&models[at].1), &sequence), BOUND)));
}

#[test]
fn tokens_and_whole_images_are_pooled() {
    let gru = || RecurrentConfig::new(AnyCell::GRU, 5);
    let head = |pool| Classification { pool, ..Classification::new(4) };
    let tokens: Vec<u32> = random(2, 50, 9.0).iter().map(|x| x.abs() as u32).collect();
    let image: Vec<f32> = random(3, 8 * 3, 1.0).iter().map(|x| x.abs()).collect();
    let models: Vec<_> = POOLS
        .into_iter()
        .zip(1..)
        .map(|(pool, seed)| {
            let of_tokens = build(Embedding::new(9, 3), gru(), head(pool), seed);
            (of_tokens, build(ImageRows::new(8, 3), gru(), head(pool), seed))
        })
        .collect();
    let case = |(at, (of_tokens, of_images)): (usize, &(Model, Model))| {
        let what = format!("{:?}", of_tokens.config().head);
        let (tokens, image) = (Given::Tokens(tokens.clone()), Given::Image(image.clone()));
        [
            Case::new((&*what, format!("t{at}")), of_tokens, true, 4, tokens),
            Case::new((&*what, format!("i{at}")), of_images, false, 4, image),
        ]
    };
    let cases: Vec<_> = models.iter().enumerate().flat_map(case).collect();
    let tokens = Tensor::new(&tokens[..], &Device::Cpu).unwrap();
    let image = Tensor::from_slice(&image, (1, 8, 3), &Device::Cpu).unwrap();
    check(&cases, |at| {
        let (of_tokens, of_images) = &models[at / 2];
        if at % 2 == 1 {
            return Some((predicted(&exact(of_images), &image), BOUND));
        }
        let of_tokens = exact(of_tokens);
        round_all(&of_tokens);
        Some((prefixes(&of_tokens, &tokens), BOUND))
    });
}
