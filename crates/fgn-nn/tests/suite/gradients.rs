//! Every layer's gradient against central differences in `f64`.

use crate::common::{
    all_numbers, check_gradients, check_gradients_but, flat, model_config, output, parameters,
    predicted, random, recurrent_config, scramble, var,
};
use std::slice::from_ref;

use candle_core::{DType, Device, Tensor};
use fgn_core::cells::Forgetting;
use fgn_core::{AnyCell, Layout, Role};
use fgn_nn::fgn_schema::{InputSchema, Moments, Padded};
use fgn_nn::{
    Classification, Dense, DenseConfig, Dropout, Embedding, Emit, Encoded, Generator, HeadConfig,
    ImageConv, ImagePixels, ImageRows, InitConfig, InputConfig, Linear, LossOptions, Mode, Model,
    ModelConfig, Recurrent, RecurrentConfig, RecurrentOptions, Regression, SequenceDropout, Series,
    State, cross_entropy,
};

fn input_layer(config: impl Into<InputConfig>) {
    let config = config.into();
    let mut parameters = parameters(1);
    let layer = config.build(&mut parameters, "input").unwrap();
    scramble(parameters.list());
    let shape = match config.samples() {
        InputSchema::Image { height, width, channels: 1 } => vec![3, height, width],
        InputSchema::Image { height, width, channels } => vec![3, height, width, channels],
        InputSchema::Series { features } => vec![3, 4, features],
        other => panic!("{other}"),
    };
    let samples = var("samples", &shape, 2);
    let vars = [parameters.list(), from_ref(&samples)].concat();
    check_gradients(&vars, || {
        let samples = Padded::new(samples.1.as_tensor().clone());
        layer.forward(&samples, &mut Mode::Eval).unwrap().tensor().clone()
    });
}

#[test]
fn image_conv() {
    for in_channels in [1, 3] {
        input_layer(ImageConv { in_channels, ..ImageConv::new(8, 12, [2, 3]) });
    }
}

#[test]
fn image_rows() {
    for in_channels in [1, 3] {
        input_layer(ImageRows { in_channels, ..ImageRows::new(5, 3) });
    }
}

#[test]
fn image_pixels() {
    for permutation_seed in [None, Some(3)] {
        for in_channels in [1, 3] {
            input_layer(ImagePixels { in_channels, permutation_seed, ..ImagePixels::new(5, 3) });
        }
    }
}

#[test]
fn series() {
    let scale = Moments { mean: vec![0.3, -0.2], std: vec![0.5, 2.0] };
    for scale in [None, Some(scale)] {
        input_layer(Series { scale, ..Series::new(2) });
    }
}

#[test]
fn embedding() {
    let mut parameters = parameters(1);
    let config = InputConfig::from(Embedding::new(5, 3));
    let layer = config.build(&mut parameters, "input").unwrap();
    let tokens = Tensor::new(&[[1u32, 2, 0, 4], [3, 4, 4, 0]], &Device::Cpu).unwrap().into();
    check_gradients(parameters.list(), || {
        layer.forward(&tokens, &mut Mode::Eval).unwrap().tensor().clone()
    });
}

/// The loss of a head, of a sample or of each step that is not padding.
fn head(config: impl Into<HeadConfig>, target: &Padded, options: &LossOptions) {
    let config = config.into();
    let mut parameters = parameters(1);
    let head = config.build(&mut parameters, "head", 4).unwrap();
    scramble(parameters.list());
    let shape = if head.emit() == Emit::All { vec![3, 2, 4] } else { vec![2, 4] };
    let encoded = var("encoded", &shape, 2);
    let state = State::new(Vec::new(), false);
    let vars = [parameters.list(), from_ref(&encoded)].concat();
    check_gradients(&vars, || {
        let encoded = Encoded::new(&encoded.1, Some(&[3, 1]), &state);
        let prediction = head.forward(&encoded, None, &mut Mode::Eval).unwrap();
        head.loss(&prediction, target, options).unwrap().mean
    });
}

fn padded(target: Tensor) -> Padded {
    Padded::with_lengths(target, vec![3, 1]).unwrap()
}

#[test]
fn classification() {
    let smoothed = LossOptions::default().with_label_smoothing(0.1);
    let weighted = smoothed.clone().with_class_weights(vec![0.5, 2.0, 1.5]);
    let focal = LossOptions::default().with_focal_gamma(2.0);
    let both = focal.clone().with_class_weights(vec![0.5, 2.0, 1.5]).with_focal_gamma(0.5);
    for options in [LossOptions::default(), smoothed, weighted, focal, both] {
        let config = Classification::new(3);
        let target = Tensor::new(&[2u32, 0], &Device::Cpu).unwrap().into();
        head(config.clone(), &target, &options);
        let target = Tensor::new(&[[2u32, 0, 1], [1, 9, 9]], &Device::Cpu).unwrap();
        head(Classification { per_step: true, ..config }, &padded(target), &options);
    }
}

#[test]
fn regression() {
    let scale = Moments { mean: vec![5.0, -1.0], std: vec![3.0, 0.25] };
    for scale in [None, Some(scale)] {
        let config = Regression { scale, ..Regression::new(2) };
        head(config.clone(), &random(&[2, 2], 3).into(), &LossOptions::default());
        let target = padded(random(&[2, 3, 2], 3));
        head(Regression { per_step: true, ..config }, &target, &LossOptions::default());
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
        let mut generator = Generator::seed_from_u64(5);
        layer.forward(&x.1, &mut Mode::Train(&mut generator)).unwrap()
    });
}

#[test]
fn dropout() {
    let dropout = Dropout::new(0.3).unwrap();
    let x = var("x", &[3, 11], 2);
    check_gradients(from_ref(&x), || {
        let mut generator = Generator::seed_from_u64(5);
        dropout.forward(&x.1, &mut Mode::Train(&mut generator)).unwrap()
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
        let feeds_binary_gate = |name: &str, index: usize| {
            let slot = layout.tensors().iter().find(|slot| name == format!("{}_l0", slot.name));
            let forgetting = |slot: &fgn_core::TensorSlot| {
                let block = index / (slot.len() / slot.blocks.len());
                cell.spec().blocks[slot.blocks[block]].role == Role::Forgetting
            };
            binary && (name == "x" || slot.is_some_and(forgetting))
        };
        for emit in [Emit::All, Emit::Last] {
            check_gradients_but(&vars, feeds_binary_gate, || {
                let state = State::new(vec![states.1.as_tensor().clone()], false);
                let run =
                    RecurrentOptions { state: Some(&state), emit, ..RecurrentOptions::default() };
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
        let mut generator = Generator::seed_from_u64(5);
        let found = model.forward(&images, Mode::Train(&mut generator)).unwrap();
        cross_entropy(&output(&found.prediction), &target).unwrap()
    });
}

#[test]
fn whole_model_of_a_stack() {
    let drop = SequenceDropout { rate: 0.3, per_step: false };
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
        let mut generator = Generator::seed_from_u64(5);
        output(&model.forward(&images, Mode::Train(&mut generator)).unwrap().prediction)
    });

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    let loaded = Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!(*loaded.config(), config);
    let logits = |model: &Model| flat(&predicted(model, &images));
    assert_eq!(logits(&loaded), logits(&model));
}
