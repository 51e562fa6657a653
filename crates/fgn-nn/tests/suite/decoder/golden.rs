//! An encoder-decoder held against PyTorch's: `goldens/decoder.py` wrote the logits, the loss and all gradients.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::Padded;
use fgn_nn::serde_json::{self, Value};
use fgn_nn::{
    Decoder, Embedding, Generator, LossOptions, Mode, Model, ModelConfig, ModelInput,
    RecurrentConfig,
};
use serde::Deserialize;

use crate::common::flat;

const TOLERANCE: f64 = 1e-10;

#[derive(Deserialize)]
struct Golden {
    start: u32,
    end: u32,
    source: Vec<Vec<u32>>,
    source_lengths: Vec<usize>,
    target: Vec<Vec<u32>>,
    target_lengths: Vec<usize>,
    parameters: BTreeMap<String, Value>,
    logits: Vec<Vec<Vec<f64>>>,
    loss: f64,
    gradients: BTreeMap<String, Value>,
}

/// The vocabulary of the target, in which the golden has a start token, an end token, and then the others. Here the
/// end token is the last one, and it is the start, too.
const VOCABULARY: u32 = 8;

impl Golden {
    fn read() -> Golden {
        let golden: Golden =
            serde_json::from_str(include_str!("../../goldens/decoder.json")).unwrap();
        assert_eq!((golden.start, golden.end), (0, 1));
        golden
    }

    /// The golden's token in place of which one is predicted here.
    fn predicted(&self, token: u32) -> u32 {
        match token {
            0 => self.start,
            7 => self.end,
            other => other + 1,
        }
    }

    /// The golden's token in place of which one is read here.
    fn read_token(&self, token: u32) -> u32 {
        match token {
            0 => self.end,
            7 => self.start,
            other => other + 1,
        }
    }

    /// A token of the golden, as it is here.
    fn token(&self, token: u32) -> u32 {
        (0..VOCABULARY).find(|&own| self.predicted(own) == token).unwrap()
    }

    /// One of the golden's tensors, for the parameter of that name here.
    fn tensor(&self, tensors: &BTreeMap<String, Value>, name: &str) -> Tensor {
        let theirs = match name {
            "input.embedding.weight" => "source_embedding.weight".to_owned(),
            "head.embedding.weight" => "target_embedding.weight".to_owned(),
            _ => match name.strip_prefix("head.") {
                Some(own) => own.replace("recurrent.", "decoder."),
                None => name.replace("recurrent.", "encoder."),
            },
        };
        let value =
            tensors.get(&theirs).unwrap_or_else(|| panic!("no {theirs} for {name}")).clone();
        let tensor = match serde_json::from_value::<Vec<f64>>(value.clone()) {
            Ok(values) => Tensor::new(values, &Device::Cpu).unwrap(),
            Err(_) => {
                let rows: Vec<Vec<f64>> = serde_json::from_value(value).unwrap();
                Tensor::new(rows, &Device::Cpu).unwrap()
            }
        };
        let row = |token| match name {
            "head.embedding.weight" => Some(self.read_token(token)),
            "head.output.weight" | "head.output.bias" => Some(self.predicted(token)),
            _ => None,
        };
        let rows: Option<Vec<u32>> = (0..VOCABULARY).map(row).collect();
        let Some(rows) = rows else { return tensor };
        tensor.index_select(&Tensor::new(rows, &Device::Cpu).unwrap(), 0).unwrap()
    }
}

/// Rows `[T, B]` as a batch `[B, T]`.
fn batch(rows: Vec<Vec<u32>>, lengths: &[usize]) -> Padded {
    let rows = Tensor::new(rows, &Device::Cpu).unwrap().t().unwrap().contiguous().unwrap();
    Padded::with_lengths(rows, lengths.to_vec()).unwrap()
}

fn assert_close(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < TOLERANCE, "{name}[{at}]: {found}, not {expected}");
    }
}

#[test]
fn logits_loss_and_gradients_are_those_of_pytorch() {
    let golden = Golden::read();
    let recurrent = RecurrentConfig::new(AnyCell::LSTM, 6);
    let head = Decoder::new(VOCABULARY as usize, 5, recurrent.clone());
    let config = ModelConfig::new(Embedding::new(7, 5), recurrent, head);
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    assert_eq!(model.parameters().len(), golden.parameters.len());
    for (name, var) in model.parameters() {
        var.set(&golden.tensor(&golden.parameters, name)).unwrap();
    }

    let source = batch(golden.source.clone(), &golden.source_lengths);
    let own = |row: &Vec<u32>| row.iter().map(|&token| golden.token(token)).collect();
    let target = batch(golden.target.iter().map(own).collect(), &golden.target_lengths);
    let mut generator = Generator::seed_from_u64(1);
    let input = ModelInput::new(&source).with_target(&target);
    let prediction = model.forward(input, Mode::Train(&mut generator)).unwrap().prediction;
    let (logits, _) = prediction.rows(&target).unwrap();
    let mut expected = Vec::new();
    for (sample, &length) in golden.target_lengths.iter().enumerate() {
        for row in &golden.logits[..length] {
            let theirs = |token| row[sample][golden.predicted(token) as usize];
            expected.extend((0..VOCABULARY).map(theirs));
        }
    }
    assert_close("logits", &flat(&logits), &expected);

    let loss = model.loss(&prediction, &target, &LossOptions::default()).unwrap();
    assert_close("loss", &flat(&loss.mean), &[golden.loss]);
    let gradients = loss.mean.backward().unwrap();
    for (name, var) in model.parameters() {
        let expected = flat(&golden.tensor(&golden.gradients, name));
        assert_close(name, &flat(gradients.get(var).unwrap()), &expected);
    }
}
