//! A model that learns to answer.

use candle_core::{DType, Device};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use fgn_core::AnyCell;
use fgn_nn::{
    Decoder, Embedding, Generator, LossOptions, Mode, Model, ModelConfig, ModelInput,
    RecurrentConfig,
};

use super::{answers, batch};

const SYMBOLS: u32 = 5;
const BATCH: usize = 32;

/// Short sequences, and the same ones reversed with the end token.
fn drawn(generator: &mut Generator) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let mut below = |count: u64| generator.next_u64() % count;
    let one = |below: &mut dyn FnMut(u64) -> u64| -> Vec<u32> {
        let length = 2 + below(3);
        (0..length).map(|_| below(u64::from(SYMBOLS)) as u32).collect()
    };
    let sources: Vec<_> = (0..BATCH).map(|_| one(&mut below)).collect();
    let reversed = |source: &Vec<u32>| source.iter().rev().copied().chain([SYMBOLS]).collect();
    let targets = sources.iter().map(reversed).collect();
    (sources, targets)
}

fn slices(rows: &[Vec<u32>]) -> Vec<&[u32]> {
    rows.iter().map(|row| &row[..]).collect()
}

#[test]
fn short_sequences_are_reversed() {
    let recurrent = RecurrentConfig::new(AnyCell::GRU, 32);
    let head = Decoder { beam_size: 2, max_length: 8, ..Decoder::new(6, 16, recurrent.clone()) };
    let config = ModelConfig::new(Embedding::new(SYMBOLS as usize, 16), recurrent, head);
    let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
    let vars = model.parameters().iter().map(|(_, var)| var.clone()).collect();
    let options = ParamsAdamW { lr: 0.01, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(vars, options).unwrap();
    let mut generator = Generator::seed_from_u64(1);
    for _ in 0..300 {
        let (sources, targets) = drawn(&mut generator);
        let (sources, targets) = (batch(&slices(&sources)), batch(&slices(&targets)));
        let input = ModelInput::new(&sources).with_target(&targets);
        let output = model.forward(input, Mode::Train(&mut generator)).unwrap();
        let loss = model.loss(&output.prediction, &targets, &LossOptions::default()).unwrap();
        optimizer.backward_step(&loss.mean).unwrap();
    }
    let (sources, targets) = drawn(&mut generator);
    let found = answers(&model, &batch(&slices(&sources)));
    let right = found.iter().zip(&targets).filter(|(found, target)| found == target).count();
    assert!(right * 10 >= BATCH * 9, "only {right} of {BATCH} answers are right");
}
