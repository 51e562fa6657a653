//! Stacks step by step.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Norm};
use fgn_nn::{Error, Parameters, Precision, Recurrent, RecurrentConfig, RecurrentOptions, Stream};

use super::INPUT_SIZE;
use crate::common::{flat, random};

/// Of a few steps in `f32`, of numbers about 1: the order of sums differs.
const STREAM_TOLERANCE: f64 = 2e-6;
/// The same where numbers are divided by a standard deviation that may be small.
const NORM_TOLERANCE: f64 = 1e-4;
const STEPS: usize = 6;
const BATCH: usize = 2;
const HIDDEN: usize = 5;

fn single(config: &RecurrentConfig) -> Recurrent {
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    Recurrent::new(&mut parameters, "layer", INPUT_SIZE, config).unwrap()
}

fn stack(cell: AnyCell, layers: usize) -> RecurrentConfig {
    RecurrentConfig { layers, residual: layers > 1, ..RecurrentConfig::new(cell, HIDDEN) }
}

fn input(seed: u64) -> Tensor {
    random(&[STEPS, BATCH, INPUT_SIZE], seed).to_dtype(DType::F32).unwrap()
}

/// All steps, one after the other.
fn stepped(stream: &mut Stream, x: &Tensor) -> Vec<Vec<f32>> {
    stepped_to(HIDDEN, stream, x)
}

/// The same where the layer has another number of outputs.
fn stepped_to(size: usize, stream: &mut Stream, x: &Tensor) -> Vec<Vec<f32>> {
    let step = |t| {
        let x = x.get(t).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut found = vec![0.0; BATCH * size];
        stream.step(&x, &mut found).unwrap();
        found
    };
    (0..STEPS).map(step).collect()
}

fn assert_close(found: &[Vec<f32>], expected: &Tensor, what: &str) {
    assert_close_to(STREAM_TOLERANCE, found, expected, what);
}

fn assert_close_to(tolerance: f64, found: &[Vec<f32>], expected: &Tensor, what: &str) {
    let found = found.iter().flatten().map(|&x| f64::from(x));
    for (index, (found, expected)) in found.zip(flat(expected)).enumerate() {
        assert!((found - expected).abs() < tolerance, "{what}[{index}]: {found} {expected}");
    }
}

#[test]
fn a_stream_of_a_stack_computes_what_the_stack_does() {
    for cell in AnyCell::all() {
        for layers in [1, 2, 4] {
            let layer = single(&stack(cell, layers));
            let x = input(2);
            let run = layer.forward(&x, &RecurrentOptions::default()).unwrap();
            for threads in [1, 2] {
                let weights = layer.stream_weights(Precision::F32).unwrap();
                let mut stream = weights.stream(BATCH, threads).unwrap();
                let what = format!("{cell}, {layers} layers, {threads} threads");
                assert_close(&stepped(&mut stream, &x), &run.output, &what);
                let states = stream.state().unwrap();
                for (found, expected) in states.tensors().iter().zip(run.state.tensors()) {
                    assert_eq!(found.dims(), expected.dims());
                    assert_close(
                        &[flat(found).iter().map(|&x| x as f32).collect()],
                        expected,
                        &what,
                    );
                }
            }
        }
    }
}

#[test]
fn a_pass_and_a_stream_continue_from_each_other() {
    let layer = single(&stack(AnyCell::FGN, 3));
    let (first, second) = (input(2), input(3));
    let run = layer.forward(&first, &RecurrentOptions::default()).unwrap();
    let then = RecurrentOptions { state: Some(&run.state), ..RecurrentOptions::default() };
    let expected = layer.forward(&second, &then).unwrap().output;
    let mut stream = layer.stream_weights(Precision::F32).unwrap().stream(BATCH, 1).unwrap();
    stream.set_state(&run.state).unwrap();
    assert_close(&stepped(&mut stream, &second), &expected, "a stream from a run's state");

    let mut stream = layer.stream_weights(Precision::F32).unwrap().stream(BATCH, 1).unwrap();
    stepped(&mut stream, &first);
    let state = stream.state().unwrap();
    let then = RecurrentOptions { state: Some(&state), ..RecurrentOptions::default() };
    let found = layer.forward(&second, &then).unwrap().output;
    assert_close(&stepped(&mut stream, &second), &found, "a run from a stream's state");
}

#[test]
fn a_sequence_of_a_stream_is_reset() {
    let layer = single(&stack(AnyCell::LSTM, 2));
    let x = input(2);
    let mut stream = layer.stream_weights(Precision::F32).unwrap().stream(BATCH, 1).unwrap();
    let first = stepped(&mut stream, &x);
    stream.reset(1).unwrap();
    let again = stepped(&mut stream, &x);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(first[HIDDEN..], again[HIDDEN..]);
        assert_ne!(first[..HIDDEN], again[..HIDDEN]);
    }
    assert!(stream.reset(BATCH).is_err());
}

#[test]
fn a_stream_takes_all_options_that_make_sense_step_by_step() {
    for cell in AnyCell::all() {
        let memory = cell.spec().memory.is_some();
        let pre = cell.spec().blocks.iter().any(|block| block.is_normalized());
        let projection = (memory && cell.spec().output_is_state).then_some(3);
        let config = RecurrentConfig {
            projection,
            norm: Norm { pre, memory },
            zoneout: vec![0.2; cell.spec().states.len()],
            clip: Some(0.5),
            ..stack(cell, 3)
        };
        let (layer, x) = (single(&config), input(2));
        let run = layer.forward(&x, &RecurrentOptions::default()).unwrap();
        let mut stream = layer.stream_weights(Precision::F32).unwrap().stream(BATCH, 2).unwrap();
        let found = stepped_to(config.output_size(), &mut stream, &x);
        assert_close_to(NORM_TOLERANCE, &found, &run.output, &cell.to_string());
    }
}

#[test]
fn what_a_stream_does_not_take_is_named() {
    let lstm = || RecurrentConfig::new(AnyCell::LSTM, HIDDEN);
    let both = RecurrentConfig { bidirectional: true, ..lstm() };
    let error = single(&both).stream_weights(Precision::F32).err().unwrap();
    assert!(error.to_string().starts_with("`recurrent.bidirectional` is true"), "{error}");
    assert!(matches!(error, Error::Config { .. }));
    let mut wide = crate::common::parameters(1);
    let wide = Recurrent::new(&mut wide, "layer", INPUT_SIZE, &lstm()).unwrap();
    let error = wide.stream_weights(Precision::F32).err().unwrap().to_string();
    assert!(error.contains("in F32, got") && error.contains("in F64"), "{error}");

    let layer = single(&stack(AnyCell::LSTM, 2));
    let weights = layer.stream_weights(Precision::Int8).unwrap();
    assert!(weights.bytes() > 0);
    assert!(weights.stream(0, 1).is_err());
    let mut stream = weights.stream(BATCH, 1).unwrap();
    let error = stream.step(&[0.0; 6], &mut [0.0; 9]).unwrap_err().to_string();
    assert!(error.contains("outputs of a stream have shape [9], expected [10]"), "{error}");
    let error = stream.step(&[0.0; 5], &mut [0.0; 10]).unwrap_err().to_string();
    assert!(error.contains("expected inputs of 2 · 3 numbers, got 5"), "{error}");
    let error = stream.set_state(&layer.zero_state(3).unwrap()).unwrap_err().to_string();
    assert!(
        error.contains("states of a stream have shape [2, 3, 5], expected [2, 2, 5]"),
        "{error}"
    );
    let other = single(&stack(AnyCell::LSTM, 3)).zero_state(2).unwrap();
    let error = stream.set_state(&other).unwrap_err().to_string();
    assert!(error.contains("have shape [3], expected [2]"), "{error}");
}
