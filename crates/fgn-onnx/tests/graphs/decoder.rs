//! The head `decoder`: its answers are those of the model's own search.

use std::collections::BTreeSet;

use fgn_core::AnyCell;
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::{Padded, Prediction};
use fgn_nn::{
    Attention, BlockConfig, Decoder, Embedding, ImageRows, InputConfig, Mode, Model, ModelConfig,
    ModelInput, RecurrentConfig, Series,
};
use fgn_onnx::{ExportOptions, export};

use crate::case::{Case, given, lengths, model, samples, tokens};
use crate::interpreter::Array;
use crate::structure;

fn padded(tensor: Tensor) -> Padded {
    let (batch, steps) = (tensor.dims()[0], tensor.dims()[1]);
    Padded::with_lengths(tensor, lengths(batch, steps)).unwrap()
}

/// The answers of the model to the samples, their lengths, and their probabilities' logarithms.
fn case(name: &str, model: &Model, samples: &Padded, options: &ExportOptions) -> Case {
    let exported = export(model, options).unwrap();
    structure::check(&exported);
    let found = model.forward(samples, Mode::Eval).unwrap();
    let Prediction::Tokens(answers) = found.prediction else { panic!("no tokens") };
    let device = &Device::Cpu;
    let lengths = answers.lengths().unwrap().to_vec();
    let log_probabilities = log_probabilities(model, samples, &answers);
    let of_all: Vec<_> = lengths.iter().map(|&length| length as i64).collect();
    let mut outputs = vec![
        ("answers".to_owned(), answers.tensor().to_dtype(DType::I64).unwrap()),
        ("answer_lengths".to_owned(), Tensor::new(of_all, device).unwrap()),
        ("log_probabilities".to_owned(), Tensor::new(log_probabilities, device).unwrap()),
    ];
    let names = exported.outputs().into_iter().skip(3).map(|port| port.name);
    outputs.extend(names.zip(found.state.tensors().iter().cloned()));
    let inputs = given(&exported, samples);
    Case { name: name.to_owned(), exported, inputs, outputs }
}

/// By the logits that the model gives each answer as a target.
fn log_probabilities(model: &Model, samples: &Padded, answers: &Padded) -> Vec<f32> {
    let input = ModelInput::new(samples).with_target(answers);
    let found = model.forward(input, Mode::Eval).unwrap();
    let logits = found.prediction.output().tensor().to_dtype(DType::F64).unwrap();
    let logits = logits.to_vec3::<f64>().unwrap();
    let tokens = answers.tensor().to_vec2::<u32>().unwrap();
    let of_answer = |(at, &length): (usize, &usize)| {
        let steps = logits[at].iter().zip(&tokens[at]).take(length);
        let logarithm = |(logits, &token): (&Vec<f64>, &u32)| {
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            logits[token as usize] - sum.ln()
        };
        steps.map(logarithm).sum::<f64>() as f32
    };
    answers.lengths().unwrap().iter().enumerate().map(of_answer).collect()
}

/// A model whose weights are so large that samples have different answers.
fn built(input: impl Into<InputConfig>, encoder: RecurrentConfig, decoder: Decoder) -> Model {
    let model = model(&ModelConfig::new(input, encoder, decoder));
    let mut state = 7_u32;
    let mut next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        3.0 * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    for (_, var) in model.parameters().iter().filter(|(name, _)| !name.contains("norm")) {
        let values = (0..var.elem_count()).map(&mut next).collect::<Vec<_>>();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    model
}

fn plain(recurrent: &RecurrentConfig) -> Decoder {
    Decoder { max_length: 6, ..Decoder::new(7, 3, recurrent.clone()) }
}

/// Decoders with every option, each over an encoder.
fn decoders() -> Vec<(RecurrentConfig, Decoder)> {
    let one = |cell| RecurrentConfig::new(cell, 4);
    let mut all = Vec::new();
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::GRU] {
        for beam_size in [1, 2, 9] {
            for length_penalty in [0.0, 0.6] {
                let head = Decoder { beam_size, length_penalty, ..plain(&one(cell)) };
                all.push((one(cell), head));
            }
        }
    }
    for attention in [Attention::None, Attention::General, Attention::Additive] {
        for input_feeding in [false, true] {
            for beam_size in [1, 3] {
                let encoder = one(AnyCell::FGN).with_bidirectional(true).with_layers(2);
                let own = encoder.clone().with_bidirectional(false);
                let head = Decoder { attention, input_feeding, beam_size, ..plain(&own) };
                all.push((encoder, head));
            }
        }
    }
    let projected = one(AnyCell::LSTM).with_projection(3);
    all.push((projected.clone(), Decoder { beam_size: 2, ..plain(&projected) }));
    let block = BlockConfig { conv: 3, ..BlockConfig::default() };
    let blocks = one(AnyCell::MIN_GRU).with_block(block).with_layers(2);
    all.push((blocks.clone(), Decoder { beam_size: 2, ..plain(&blocks) }));
    all
}

/// All of them, over series; and over images and tokens.
pub(crate) fn cases() -> Vec<Case> {
    let options = ExportOptions::default();
    let x = padded(samples(&[4, 5, 2]));
    let mut cases: Vec<_> = decoders()
        .into_iter()
        .map(|(encoder, head)| {
            let name = format!("{encoder:?} {head:?}");
            case(&name, &built(Series::new(2), encoder, head), &x, &options)
        })
        .collect();
    let lstm = RecurrentConfig::new(AnyCell::LSTM, 4);
    let head = Decoder { beam_size: 2, ..plain(&lstm) };
    let images = built(ImageRows::new(4, 5), lstm.clone(), head.clone());
    cases.push(case("images", &images, &samples(&[3, 4, 5]).into(), &options));
    let texts = built(Embedding::new(7, 3), lstm, head);
    cases.push(case("texts", &texts, &padded(tokens(3, 6, 7)), &options));
    let float32 = options.with_float32(true);
    cases.push(case("texts in float32", &texts, &padded(tokens(3, 6, 7)), &float32));
    cases
}

#[test]
fn answers_are_those_that_the_model_finds() {
    let cases = cases();
    cases.iter().for_each(Case::check);
    // The cases are worth something: answers end early, late, and not at all.
    let lengths = cases.iter().flat_map(|case| case.outputs[1].1.to_vec1::<i64>().unwrap());
    assert_eq!(BTreeSet::from_iter(lengths), BTreeSet::from([1, 2, 3, 4, 5, 6]));
}

#[test]
fn the_longest_answer_may_be_given() {
    let lstm = RecurrentConfig::new(AnyCell::LSTM, 4);
    let head = Decoder { beam_size: 2, ..plain(&lstm) };
    let x = padded(samples(&[4, 5, 2]));
    let options = ExportOptions::default();
    let long = case("long", &built(Series::new(2), lstm.clone(), head.clone()), &x, &options);
    for max_length in [1, 3] {
        let head = Decoder { max_length, ..head.clone() };
        let short = case("short", &built(Series::new(2), lstm.clone(), head), &x, &options);
        let given = ("max_length".to_owned(), Array::ints(&[], vec![max_length as i64]));
        assert_eq!(long.run_from(&[given]), short.run());
    }
}

#[test]
fn the_outputs_are_answers_with_their_lengths_and_probabilities() {
    let lstm = RecurrentConfig::new(AnyCell::LSTM, 4);
    let model = built(Embedding::new(7, 3), lstm.clone(), plain(&lstm));
    let exported = export(&model, &ExportOptions::default()).unwrap();
    let inputs: Vec<_> = exported.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        inputs,
        [
            "tokens int64[batch, time]",
            "lengths int64[lengths] (optional)",
            "state_l0 float32[2, state_batch, 4] (optional)",
            "max_length int64[] (optional)",
        ]
    );
    let outputs: Vec<_> = exported.outputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        outputs,
        [
            "answers int64[batch, answer]",
            "answer_lengths int64[batch]",
            "log_probabilities float32[batch]",
            "next_state_l0 float32[2, batch, 4]",
        ]
    );
}
