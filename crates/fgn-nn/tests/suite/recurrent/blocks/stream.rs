//! Stacks of blocks step by step.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::Catalogue;
use fgn_nn::{
    Embedding, Model, ModelConfig, NextItem, Parameters, Precision, Recurrent, RecurrentOptions,
    Stream,
};

use super::super::INPUT_SIZE;
use super::{BATCH, HIDDEN, STEPS, blocks, everything, stack};
use crate::common::{flat, random};

/// Of a few steps in `f32`, of numbers about 1: the order of sums differs.
const TOLERANCE: f64 = 1e-5;

fn single(cell: AnyCell, block: fgn_nn::BlockConfig) -> Recurrent {
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    Recurrent::new(&mut parameters, "layer", INPUT_SIZE, &stack(cell, block)).unwrap()
}

fn stepped(stream: &mut Stream, x: &Tensor) -> Vec<f64> {
    let step = |t| {
        let x = x.get(t).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut found = vec![0.0; BATCH * HIDDEN];
        stream.step(&x, &mut found).unwrap();
        found.into_iter().map(f64::from).collect::<Vec<_>>()
    };
    (0..STEPS).flat_map(step).collect()
}

fn input(seed: u64) -> Tensor {
    random(&[STEPS, BATCH, INPUT_SIZE], seed).to_dtype(DType::F32).unwrap()
}

fn assert_close(found: &[f64], expected: &Tensor, what: &str) {
    let expected = flat(expected);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < TOLERANCE, "{what}: {found} {expected}");
    }
}

#[test]
fn a_stream_computes_what_the_stack_does() {
    for cell in AnyCell::all() {
        for block in blocks() {
            let layer = single(cell, block);
            let (first, second) = (input(2), input(3));
            let run = layer.forward(&first, &RecurrentOptions::default()).unwrap();
            let what = format!("{cell} {block:?}");
            let weights = layer.stream_weights(Precision::F32).unwrap();
            let mut stream = weights.stream(BATCH, 1).unwrap();
            assert_close(&stepped(&mut stream, &first), &run.output, &what);
            let state = stream.state().unwrap();
            for (found, expected) in state.tensors().iter().zip(run.state.tensors()) {
                assert_eq!(found.dims(), expected.dims());
                assert_close(&flat(found), expected, &what);
            }
            // Both continue from each other.
            let then = RecurrentOptions { state: Some(&state), ..RecurrentOptions::default() };
            let expected = layer.forward(&second, &then).unwrap().output;
            assert_close(&stepped(&mut stream, &second), &expected, &what);
            let mut other = weights.stream(BATCH, 2).unwrap();
            other.set_state(&run.state).unwrap();
            assert_close(&stepped(&mut other, &second), &expected, &what);
            assert!(weights.bytes() > 0);
        }
    }
}

#[test]
fn a_sequence_of_a_stream_is_reset() {
    let layer = single(AnyCell::LSTM, everything());
    let x = input(2);
    let mut stream = layer.stream_weights(Precision::F32).unwrap().stream(BATCH, 1).unwrap();
    let first = stepped(&mut stream, &x);
    stream.reset(1).unwrap();
    let again = stepped(&mut stream, &x);
    for (first, again) in first.chunks(BATCH * HIDDEN).zip(again.chunks(BATCH * HIDDEN)) {
        assert_eq!(first[HIDDEN..2 * HIDDEN], again[HIDDEN..2 * HIDDEN]);
        assert_ne!(first[..HIDDEN], again[..HIDDEN]);
        assert_ne!(first[2 * HIDDEN..], again[2 * HIDDEN..]);
    }
    assert!(stream.reset(BATCH).is_err());
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let layer = single(AnyCell::LSTM, everything());
    let mut stream = layer.stream_weights(Precision::F32).unwrap().stream(BATCH, 1).unwrap();
    let mut output = [0.0; BATCH * HIDDEN];
    let error = stream.step(&[0.0; 5], &mut output).unwrap_err().to_string();
    assert!(error.contains("inputs of a stream have shape [5], expected [9]: 3 for"), "{error}");
    let error = stream.step(&[0.0; 9], &mut output[1..]).unwrap_err().to_string();
    assert!(error.contains("outputs of a stream have shape [11], expected [12]"), "{error}");
    let other = single(AnyCell::LSTM, blocks()[0]).zero_state(BATCH).unwrap();
    let error = stream.set_state(&other).unwrap_err().to_string();
    assert!(error.contains("have shape [2, 3, 4], expected [5, 3, 4]"), "{error}");
}

/// The sessions of a recommender hold the windows of convolutions: they do not mix.
#[test]
fn sessions_are_kept_apart() {
    let names: Vec<String> = (0..6).map(|item| format!("item {item}")).collect();
    let catalogue = Catalogue::new(names, vec![1; 6]).unwrap();
    let recurrent = stack(AnyCell::MIN_GRU, everything());
    let config = ModelConfig::new(Embedding::new(6, 3), recurrent, NextItem::new(catalogue));
    let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
    let mut recommender = model.recommender(Precision::F32).unwrap();
    let items: [&[u32]; 2] = [&[1, 5, 2, 0, 3], &[4, 4, 0, 2, 1]];
    let alone = items.map(|items| {
        let mut session = recommender.session();
        items.iter().for_each(|&item| recommender.read(&mut session, item).unwrap());
        session
    });
    let mut mixed = [recommender.session(), recommender.session()];
    for event in 0..5 {
        for (session, items) in mixed.iter_mut().zip(items) {
            recommender.read(session, items[event]).unwrap();
        }
    }
    assert_eq!(mixed, alone);
    assert_ne!(mixed[0], mixed[1]);
}
