//! States passed on, detached, reset, saved.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{Emit, Error, RecurrentConfig, RecurrentOptions, State};
use tempfile::TempDir;

use super::{INPUT_SIZE, assert_close, layer};
use crate::common::{flat, random, var};

fn stack(cell: AnyCell) -> RecurrentConfig {
    RecurrentConfig { layers: 2, residual: true, ..RecurrentConfig::new(cell, 5) }
}

#[test]
fn a_sequence_in_two_halves_is_the_whole() {
    for cell in AnyCell::all() {
        let (layer, _) = layer(&stack(cell));
        let x = random(&[6, 2, INPUT_SIZE], 2);
        let whole = layer.forward(&x, &RecurrentOptions::default()).unwrap();
        assert_eq!(whole.output.dims(), [6, 2, 5]);
        let first =
            layer.forward(&x.narrow(0, 0, 2).unwrap(), &RecurrentOptions::default()).unwrap();
        let rest = x.narrow(0, 2, 4).unwrap();
        let run = RecurrentOptions {
            state: Some(&first.state),
            emit: Emit::Last,
            ..RecurrentOptions::default()
        };
        let rest = layer.forward(&rest, &run).unwrap();
        assert_close(&rest.output, &whole.output.get(5).unwrap());
        for (rest, whole) in rest.state.tensors().iter().zip(whole.state.tensors()) {
            assert_close(rest, whole);
        }
    }
}

#[test]
fn a_gradient_ends_where_a_state_is_detached() {
    let (layer, _) = layer(&stack(AnyCell::LSTM));
    let [(_, before), (_, after)] = [1, 2].map(|seed| var("x", &[4, 2, INPUT_SIZE], seed));
    let first = layer.forward(&before, &RecurrentOptions::default()).unwrap();
    let loss = |state: &State| {
        let run = RecurrentOptions { state: Some(state), ..RecurrentOptions::default() };
        layer.forward(&after, &run).unwrap().output.sum_all().unwrap()
    };
    let (continued, detached) = (loss(&first.state), loss(&first.state.detach()));
    assert_eq!(flat(&continued), flat(&detached));
    let gradients = continued.backward().unwrap();
    assert!(flat(gradients.get(&before).unwrap()).iter().any(|&d| d != 0.0));
    let expected = flat(gradients.get(&after).unwrap());
    let gradients = detached.backward().unwrap();
    assert!(gradients.get(&before).is_none());
    assert_eq!(flat(gradients.get(&after).unwrap()), expected);
}

#[test]
fn chosen_sequences_are_reset() {
    for cell in [AnyCell::LSTM, AnyCell::GRU, AnyCell::FGN_SCAN] {
        let (layer, _) = layer(&stack(cell));
        let x = random(&[4, 3, INPUT_SIZE], 2);
        let state = layer.forward(&x, &RecurrentOptions::default()).unwrap().state;
        let run = |state: Option<&State>| {
            let run = RecurrentOptions { state, ..RecurrentOptions::default() };
            layer.forward(&x, &run).unwrap().output.to_vec3::<f64>().unwrap()
        };
        let (continued, fresh) = (run(Some(&state)), run(None));
        let reset = run(Some(&state.reset(&[0, 2]).unwrap()));
        for t in 0..4 {
            assert_eq!(reset[t][0], fresh[t][0]);
            assert_eq!(reset[t][1], continued[t][1]);
            assert_eq!(reset[t][2], fresh[t][2]);
            assert_ne!(continued[t][0], fresh[t][0]);
        }
        assert!(matches!(state.reset(&[3]), Err(Error::Shape { .. })));
    }
}

#[test]
fn a_reset_clears_what_is_not_a_number_and_stops_gradients() {
    let state = Tensor::new(&[[[f64::NAN, 1.0], [2.0, 3.0]]], &Device::Cpu).unwrap();
    let var = candle_core::Var::from_tensor(&state).unwrap();
    let state = State::new(vec![var.as_tensor().clone()], false).reset(&[0]).unwrap();
    assert_eq!(flat(&state.tensors()[0]), [0.0, 0.0, 2.0, 3.0]);
    let gradients = state.tensors()[0].sum_all().unwrap().backward().unwrap();
    assert_eq!(flat(gradients.get(&var).unwrap()), [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn a_saved_state_is_restored_to_the_bit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.safetensors");
    for bidirectional in [false, true] {
        let (layer, _) = layer(&RecurrentConfig { bidirectional, ..stack(AnyCell::LSTM) });
        let x = random(&[4, 3, INPUT_SIZE], 2);
        let state = layer.forward(&x, &RecurrentOptions::default()).unwrap().state;
        state.save(&path).unwrap();
        let restored = State::load(&path, DType::F64, &Device::Cpu).unwrap();
        let run = |state| {
            let run = RecurrentOptions { state: Some(state), ..RecurrentOptions::default() };
            flat(&layer.forward(&x, &run).unwrap().output)
        };
        assert_eq!(run(&state), run(&restored));
    }
    let load = || State::load(&path, DType::F32, &Device::Cpu).map(drop).unwrap_err().to_string();
    let tensors = [("other".to_owned(), random(&[2], 1))];
    candle_core::safetensors::save(&tensors.into(), &path).unwrap();
    let error = load();
    assert!(error.contains("state.safetensors: unexpected tensor `other` of shape [2]"), "{error}");
    let tensors = ["states_l0", "states_l2"].map(|name| (name.to_owned(), random(&[1, 1, 1], 1)));
    candle_core::safetensors::save(&tensors.into(), &path).unwrap();
    assert!(load().contains("unexpected tensor `states_l2` of shape [1, 1, 1]"));
    std::fs::write(&path, b"no safetensors").unwrap();
    assert!(load().contains("not a complete safetensors file"));
    std::fs::remove_file(&path).unwrap();
    assert!(load().contains("cannot read"));
}
