//! Every layer's gradient against central differences in `f64`.

use crate::common::{
    all_numbers, check_gradients, check_gradients_but, flat, model_config, parameters, random,
    recurrent_config, scramble, var,
};
use std::slice::from_ref;

use candle_core::{DType, Device, Tensor};
use fgn_core::cells::Forgetting;
use fgn_core::{AnyCell, Layout, Role};
use fgn_nn::{
    Dense, DenseConfig, Dropout, Emit, InitConfig, InputConfig, InputLayer, Linear, Mode, Model,
    ModelConfig, Recurrent, RecurrentConfig, Run, SequenceDropout, State, cross_entropy,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn input_layer(config: &InputConfig) {
    let mut parameters = parameters(1);
    let layer = InputLayer::new(&mut parameters, "input", config).unwrap();
    scramble(parameters.list());
    let [height, width] = config.image_size().unwrap();
    let images = var("images", &[3, height, width], 2);
    let vars = [parameters.list(), from_ref(&images)].concat();
    check_gradients(&vars, || layer.forward(&images.1).unwrap());
}

#[test]
fn image_conv() {
    input_layer(&InputConfig::ImageConv { height: 8, width: 12, channels: [2, 3] });
}

#[test]
fn image_rows() {
    input_layer(&InputConfig::ImageRows { height: 5, width: 3 });
}

#[test]
fn image_pixels() {
    for permutation_seed in [None, Some(3)] {
        input_layer(&InputConfig::ImagePixels { height: 5, width: 3, permutation_seed });
    }
}

#[test]
fn linear() {
    let mut parameters = parameters(1);
    let layer = Linear::new(&mut parameters, "head", 5, 3).unwrap();
    scramble(parameters.list());
    let x = var("x", &[4, 5], 2);
    let vars = [parameters.list(), from_ref(&x)].concat();
    check_gradients(&vars, || layer.forward(&x.1).unwrap());
}

#[test]
fn dense_with_dropout() {
    let mut parameters = parameters(1);
    let config = DenseConfig { size: 7, dropout: 0.4 };
    let layer = Dense::new(&mut parameters, "dense", 5, &config).unwrap();
    scramble(parameters.list());
    let x = var("x", &[2, 3, 5], 2);
    let vars = [parameters.list(), from_ref(&x)].concat();
    check_gradients(&vars, || {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        layer.forward(&x.1, &mut Mode::Train(&mut rng)).unwrap()
    });
}

#[test]
fn dropout() {
    let dropout = Dropout::new(0.3).unwrap();
    let x = var("x", &[3, 11], 2);
    check_gradients(from_ref(&x), || {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        dropout.forward(&x.1, &mut Mode::Train(&mut rng)).unwrap()
    });
}

#[test]
fn recurrent_with_every_cell() {
    let (input_size, hidden_size) = (3, 5);
    for cell in AnyCell::all() {
        let mut parameters = parameters(1);
        let config = recurrent_config(cell, hidden_size, InitConfig::default());
        let layer = Recurrent::new(&mut parameters, "", input_size, &config).unwrap();
        scramble(parameters.list());
        let x = var("x", &[4, 2, input_size], 2);
        let states = var("states", &[cell.spec().states.len(), 2, hidden_size], 3);
        if cell.spec().divisor.is_some() {
            states.1.set(&(states.1.abs().unwrap() + 0.5).unwrap()).unwrap();
        }
        let vars = [parameters.list(), &[x.clone(), states.clone()]].concat();

        // A binary gate's gradient is straight-through: no derivative of what it computes.
        let binary = matches!(cell, AnyCell::Fgn { forgetting: Forgetting::Binary, .. });
        let layout = Layout::new(cell.spec(), input_size, hidden_size);
        let feeds_binary_gate = |name: &str, place: usize| {
            let slot = layout.tensors().iter().find(|slot| name == format!("{}_l0", slot.name));
            let forgetting = |slot: &fgn_core::TensorSlot| {
                let block = place / (slot.len() / slot.blocks.len());
                cell.spec().blocks[slot.blocks[block]].role == Role::Forgetting
            };
            binary && (name == "x" || slot.is_some_and(forgetting))
        };
        for emit in [Emit::All, Emit::Last] {
            check_gradients_but(&vars, feeds_binary_gate, || {
                let state = State::new(vec![states.1.as_tensor().clone()], false);
                let run = Run { state: Some(&state), emit, ..Run::default() };
                all_numbers(&layer.forward(&x.1, &run).unwrap())
            });
        }
    }
}

#[test]
fn cross_entropy_with_ties_and_large_logits() {
    let target = Tensor::new(&[2u32, 0, 1, 2], &Device::Cpu).unwrap();
    let logits = var("logits", &[4, 3], 2);
    check_gradients(from_ref(&logits), || cross_entropy(&logits.1, &target).unwrap());

    let rows = [[1e4, 1e4, -1e4], [0.0, 0.0, 0.0], [-1e4, 1e4, 0.0], [1e-3, 2e-3, 3e-3]];
    logits.1.set(&Tensor::new(&rows, &Device::Cpu).unwrap()).unwrap();
    let loss = cross_entropy(&logits.1, &target).unwrap();
    let gradient = loss.backward().unwrap().remove(&logits.1).unwrap();
    let softmax = candle_nn::ops::softmax(&logits.1, 1).unwrap();
    let mut expected = flat(&softmax);
    for (row, class) in target.to_vec1::<u32>().unwrap().into_iter().enumerate() {
        expected[3 * row + class as usize] -= 1.0;
    }
    for (found, expected) in flat(&gradient).iter().zip(&expected) {
        assert!((found - expected / 4.0).abs() < 1e-15, "{found} {}", expected / 4.0);
    }
}

#[test]
fn whole_model() {
    let model = Model::new(&model_config(), 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    let images = random(&[3, 8, 12], 2);
    let target = Tensor::new(&[2u32, 0, 1], &Device::Cpu).unwrap();
    check_gradients(model.parameters(), || {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let logits = model.forward(&images, Mode::Train(&mut rng)).unwrap();
        cross_entropy(&logits, &target).unwrap()
    });
}

#[test]
fn whole_model_of_a_stack() {
    let drop = SequenceDropout { rate: 0.3, each_step: false };
    let recurrent = RecurrentConfig {
        layers: 2,
        bidirectional: true,
        residual: true,
        dropout: drop,
        hidden_dropout: drop,
        weight_drop: 0.3,
        ..RecurrentConfig::new(AnyCell::GRU, 4)
    };
    let config = ModelConfig { recurrent, ..model_config() };
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    let images = random(&[3, 8, 12], 2);
    check_gradients(model.parameters(), || {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        model.forward(&images, Mode::Train(&mut rng)).unwrap()
    });

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    let loaded = Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!(*loaded.config(), config);
    let logits = |model: &Model| flat(&model.forward(&images, Mode::Eval).unwrap());
    assert_eq!(logits(&loaded), logits(&model));
}
