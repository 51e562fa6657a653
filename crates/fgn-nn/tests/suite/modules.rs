//! Small layers that are used alone: their values, by hand.

use std::slice::from_ref;

use candle_core::{DType, Device, Module, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{
    AttentionPool, BlockNorm, Error, Linear, Recurrent, RecurrentConfig, RecurrentOptions, RowNorm,
    TokenEmbedding,
};

use crate::common::{check_gradients, flat, parameters, random, scramble, var};

const DEVICE: &Device = &Device::Cpu;

#[test]
fn a_linear_map_without_a_bias() {
    let mut parameters = parameters(1);
    let layer = Linear::without_bias(&mut parameters, "map", 2, 3).unwrap();
    let [(name, weight)] = parameters.list() else { panic!("one parameter") };
    assert_eq!(name, "map.weight");
    weight.set(&Tensor::new(&[[1f64, 2.0], [3.0, 4.0], [5.0, 6.0]], DEVICE).unwrap()).unwrap();
    let x = Tensor::new(&[[[1f64, -1.0]], [[0.0, 2.0]]], DEVICE).unwrap();
    let expected = [-1.0, -1.0, -1.0, 4.0, 8.0, 12.0];
    let y = layer.forward(&x).unwrap();
    assert_eq!(y.dims(), [2, 1, 3]);
    assert_eq!(flat(&y), expected);
    assert_eq!(flat(&Module::forward(&layer, &x).unwrap()), expected);
}

#[test]
fn vectors_of_tokens_and_their_logits() {
    let mut parameters = parameters(1);
    let layer = TokenEmbedding::new(&mut parameters, "", 3, 2).unwrap();
    assert_eq!(parameters.list()[0].0, "weight");
    assert!(flat(layer.weight()).iter().all(|x| x.abs() <= 0.1));
    let vectors = Tensor::new(&[[1f64, 2.0], [3.0, 4.0], [5.0, 6.0]], DEVICE).unwrap();
    layer.weight().set(&vectors).unwrap();
    let tokens = Tensor::new(&[[2u32, 0]], DEVICE).unwrap();
    let found = layer.forward(&tokens).unwrap();
    assert_eq!((found.dims(), flat(&found)), (&[1, 2, 2][..], vec![5.0, 6.0, 1.0, 2.0]));
    let logits = layer.logits(&found).unwrap();
    let expected = vec![17.0, 39.0, 61.0, 5.0, 11.0, 17.0];
    assert_eq!((logits.dims(), flat(&logits)), (&[1, 2, 3][..], expected));
    check_gradients(parameters.list(), || layer.logits(&layer.forward(&tokens).unwrap()).unwrap());

    for wrong in [3, u32::MAX] {
        let error = layer.forward(&Tensor::new(&[0u32, wrong], DEVICE).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Token { found, last: 2 } if found == wrong), "{error}");
    }
    let error = layer.forward(&Tensor::new(&[0i64], DEVICE).unwrap()).unwrap_err();
    assert!(matches!(error, Error::DType { found: DType::I64, .. }), "{error}");
    let error = layer.logits(&tokens.to_dtype(DType::F64).unwrap().t().unwrap()).unwrap_err();
    assert!(error.to_string().contains("have shape [2, 1], expected [.., 2]"), "{error}");
    assert!(TokenEmbedding::new(&mut parameters, "none", 0, 2).is_err());
}

#[test]
fn norms_of_rows() {
    let x = Tensor::new(&[[3f64, -3.0, 3.0, -3.0], [1.0, 2.0, 3.0, 4.0]], DEVICE).unwrap();
    let row = |numbers: [f64; 4], scale: f64| numbers.map(|x| x / (scale + 1e-5).sqrt());
    // The mean squares are 9 and 7.5; the variances 9 and 1.25, around 0 and 2.5.
    let rms = [row([3.0, -3.0, 3.0, -3.0], 9.0), row([1.0, 2.0, 3.0, 4.0], 7.5)];
    let layer = [row([3.0, -3.0, 3.0, -3.0], 9.0), row([-1.5, -0.5, 0.5, 1.5], 1.25)];
    for (norm, expected) in [(BlockNorm::Rms, rms), (BlockNorm::Layer, layer)] {
        let mut parameters = parameters(1);
        let layer = RowNorm::new(&mut parameters, "norm", 4, norm).unwrap();
        let found = flat(&Module::forward(&layer, &x).unwrap());
        for (found, expected) in found.iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-12, "{norm:?}: {found}, expected {expected}");
        }
        scramble(parameters.list());
        let input = var("x", &[3, 2, 4], 2);
        let vars = [parameters.list(), from_ref(&input)].concat();
        check_gradients(&vars, || layer.forward(&input.1).unwrap());
        assert!(RowNorm::new(&mut parameters, "none", 0, norm).is_err());
    }
}

#[test]
fn attention_weights_the_steps_of_each_sequence() {
    let mut parameters = parameters(1);
    let layer = AttentionPool::new(&mut parameters, "pool", 1).unwrap();
    let query = Tensor::new(&[3f64.ln()], DEVICE).unwrap();
    parameters.list()[0].1.set(&query).unwrap();
    // Two sequences, of 2 and 3 steps: weights are 3^h.
    let outputs = [[[0f64], [0.0]], [[1.0], [1.0]], [[50.0], [2.0]]];
    let found = layer.forward(&Tensor::new(&outputs, DEVICE).unwrap(), Some(&[2, 3])).unwrap();
    assert_eq!(found.dims(), [2, 1]);
    let found = flat(&found);
    assert!((found[0] - 3.0 / 4.0).abs() < 1e-12, "{found:?}");
    assert!((found[1] - (3.0 + 18.0) / 13.0).abs() < 1e-12, "{found:?}");
    let all = Tensor::new(&[[[0f64]], [[1.0]], [[2.0]]], DEVICE).unwrap();
    let all = flat(&Module::forward(&layer, &all).unwrap());
    assert!((all[0] - 21.0 / 13.0).abs() < 1e-12, "{all:?}");
    assert!(AttentionPool::new(&mut parameters, "none", 0).is_err());
}

/// The hidden and cell states in PyTorch's shapes, against the outputs that they are.
#[test]
fn states_answer_to_h_and_c() {
    let x = random(&[5, 2, 3], 1);
    for config in [
        RecurrentConfig::new(AnyCell::LSTM, 4).with_layers(2).with_bidirectional(true),
        RecurrentConfig::new(AnyCell::LSTM, 4).with_layers(2).with_projection(3),
        RecurrentConfig::new(AnyCell::GRU, 4).with_layers(2),
    ] {
        let layer = Recurrent::new(&mut parameters(1), "rnn", 3, &config).unwrap();
        let run = layer.forward(&x, &RecurrentOptions::default()).unwrap();
        let (count, width) = (layer.zero_state(2).unwrap().tensors().len(), config.output_size());
        let directions = 1 + usize::from(config.bidirectional);
        let h = run.state.h().unwrap();
        assert_eq!(h.dims(), [count, 2, width / directions]);
        // The top layer ends at the last step, and its reverse direction at the first.
        let last = run.output.get(4).unwrap().narrow(1, 0, width / directions).unwrap();
        assert_eq!(flat(&h.get(count - directions).unwrap()), flat(&last));
        if config.bidirectional {
            let first = run.output.get(0).unwrap().narrow(1, 4, 4).unwrap();
            assert_eq!(flat(&h.get(count - 1).unwrap()), flat(&first));
        }
        let c = run.state.c();
        match config.cell == AnyCell::LSTM {
            true => {
                let c = c.as_ref().unwrap();
                assert_eq!(c.dims(), [count, 2, 4]);
                let row = run.state.tensors()[count - 1].get(1).unwrap();
                assert_eq!(flat(&c.get(count - 1).unwrap()), flat(&row));
            }
            false => {
                let expected = "states are those of the cell: h; expected one named c";
                assert_eq!(c.as_ref().unwrap_err().to_string(), expected);
            }
        }
        // And back.
        let same = layer.state(&h, c.as_ref().ok()).unwrap();
        let [one, other] = [&run.state, &same].map(|state| {
            let options = RecurrentOptions::default().with_state(state);
            flat(&layer.forward(&x, &options).unwrap().output)
        });
        assert_eq!(one, other);
        let error =
            layer.state(&h.narrow(1, 0, 1).unwrap().narrow(2, 0, 1).unwrap(), c.as_ref().ok());
        assert!(matches!(error, Err(Error::Shape { .. })));
        let missing = if c.is_ok() { layer.state(&h, None) } else { layer.state(&h, Some(&h)) };
        assert!(matches!(missing, Err(Error::Config { .. })));
    }
    // The one state of this cell is its cell state.
    let scan = RecurrentConfig::new(AnyCell::FGN_SCAN, 4);
    let scan = Recurrent::new(&mut parameters(1), "scan", 3, &scan).unwrap();
    let state = scan.forward(&x, &RecurrentOptions::default()).unwrap().state;
    assert_eq!(flat(&state.c().unwrap()), flat(&state.tensors()[0]));
    assert!(matches!(state.h(), Err(Error::State { expected: "h", .. })));
    let refused = scan.state(&state.c().unwrap(), None);
    assert!(matches!(refused, Err(Error::Config { .. })));
    // A state that no layer has returned.
    let state = fgn_nn::State::new(vec![random(&[2, 2, 4], 1)], false);
    let error = state.h().unwrap_err().to_string();
    assert!(error.contains("no layer has returned"), "{error}");
}
