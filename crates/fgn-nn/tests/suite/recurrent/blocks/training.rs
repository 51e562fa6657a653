//! Stacks of blocks in training: masks, models, files.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{
    BlockConfig, Classification, Decoder, Embedding, Generator, Mode, Model, ModelConfig,
    ModelInput, Parameters, Recurrent, RecurrentConfig, RecurrentOptions, Series,
};

use super::super::{INPUT_SIZE, layer};
use super::{BATCH, STEPS, dropped, everything, stack};
use crate::common::{flat, predicted, random, scramble};

#[test]
fn masks_are_drawn_in_training_alone() {
    let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
    let run = |block: BlockConfig, seed| {
        let options = RecurrentOptions { seed, ..RecurrentOptions::default() };
        flat(&layer(&stack(AnyCell::LSTM, block)).0.forward(&x, &options).unwrap().output)
    };
    let plain = run(everything(), None);
    assert_eq!(run(everything(), Some(1)), plain);
    let mut all = vec![plain.clone()];
    for block in [dropped(false), dropped(true)] {
        assert_eq!(run(block, None), plain);
        assert_eq!(run(block, Some(1)), run(block, Some(1)));
        for seed in [1, 2] {
            let found = run(block, Some(seed));
            assert!(!all.contains(&found));
            all.push(found);
        }
        let mut generator = Generator::seed_from_u64(1);
        let (layer, _) = layer(&stack(AnyCell::LSTM, block));
        assert!(layer.seed(&mut Mode::Train(&mut generator)).is_some());
        assert!(layer.seed(&mut Mode::Eval).is_none());
    }
}

#[test]
fn a_model_is_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let series = Series::new(2);
    let recurrent = stack(AnyCell::MIN_GRU, everything());
    let config = ModelConfig::new(series, recurrent, Classification::new(3));
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    model.save(&path).unwrap();
    let loaded = Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!(*loaded.config(), config);
    let x = random(&[2, 5, 2], 1);
    assert_eq!(flat(&predicted(&loaded, &x)), flat(&predicted(&model, &x)));
    let frozen = model.frozen().unwrap();
    assert_eq!(flat(&predicted(&frozen, &x)), flat(&predicted(&model, &x)));
}

#[test]
fn a_file_of_blocks_is_not_taken_for_a_plain_stack() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.safetensors");
    let blocks = stack(AnyCell::LSTM, everything());
    let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    // As many features as units: the shapes of the cells are those of a plain stack.
    Recurrent::new(&mut parameters, "layer", blocks.hidden_size, &blocks).unwrap();
    parameters.save(&path).unwrap();
    let load = |config: &RecurrentConfig| {
        let mut parameters = Parameters::load(&path, DType::F64, &Device::Cpu).unwrap();
        Recurrent::new(&mut parameters, "layer", blocks.hidden_size, config).map(drop)
    };
    load(&blocks).unwrap();
    let plain = RecurrentConfig { block: None, ..blocks.clone() };
    let error = load(&plain).unwrap_err().to_string();
    assert!(error.contains("unexpected tensor `layer.blocks.0.out.weight`"), "{error}");
}

#[test]
fn a_configuration_without_blocks_does_not_name_them() {
    let plain = RecurrentConfig::new(AnyCell::LSTM, 4);
    assert!(!serde_json::to_string(&plain).unwrap().contains("block"));
    let text = r#"{ "hidden_size": 4, "cell": { "name": "lstm" }, "block": {} }"#;
    let config: RecurrentConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.block, Some(BlockConfig::default()));
}

/// A decoder of blocks begins with the states of an encoder of blocks, windows included.
#[test]
fn an_encoder_and_a_decoder_of_blocks() {
    let recurrent = stack(AnyCell::GRU, dropped(false));
    let head = Decoder { max_length: 5, ..Decoder::new(4, 3, recurrent.clone()) };
    let config = ModelConfig::new(Embedding::new(6, 3), recurrent, head.clone());
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    let sources = Padded::new(Tensor::new(&[[1u32, 5, 0], [2, 2, 3]], &Device::Cpu).unwrap());
    let targets = Padded::new(Tensor::new(&[[1u32, 3], [0, 3]], &Device::Cpu).unwrap());
    let mut generator = Generator::seed_from_u64(1);
    let input = ModelInput::new(&sources).with_target(&targets);
    let output = model.forward(input, Mode::Train(&mut generator)).unwrap();
    let loss = crate::common::loss(&model, &output.prediction, &targets);
    let gradients = loss.backward().unwrap();
    for (name, var) in model.parameters() {
        assert!(gradients.get(var).is_some(), "{name}");
    }
    assert!(model.forward(&sources, Mode::Eval).is_ok());

    let narrow = BlockConfig { conv: 2, ..everything() };
    let head = Decoder { recurrent: Box::new(stack(AnyCell::GRU, narrow)), ..head };
    let error = ModelConfig { head: head.into(), ..config }.validate().unwrap_err().to_string();
    assert!(error.starts_with("`head.recurrent.block.conv` is 2, expected 4, as in"), "{error}");
}
