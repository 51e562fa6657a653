//! Traces of whole stacks, against the runs that they are of.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Norm};
use fgn_nn::{Emit, Error, Recurrent, RecurrentConfig, RecurrentOptions, State};

use super::{INPUT_SIZE, assert_close, layer};
use crate::common::{flat, random};

const HIDDEN: usize = 5;
const STEPS: usize = 6;
const LENGTHS: [usize; 3] = [4, 6, 1];
/// Of a mean of gates, each a sigmoid of some dozen products: a trace and the kernels' own count sum
/// them in another order, and the kernels' sigmoid is a polynomial.
const MEAN_TOLERANCE: f64 = 1e-10;

fn stack(cell: AnyCell) -> RecurrentConfig {
    RecurrentConfig { layers: 2, bidirectional: true, ..RecurrentConfig::new(cell, HIDDEN) }
}

/// Stacks of a cell with all that it can have.
fn stacks(cell: AnyCell) -> Vec<RecurrentConfig> {
    let spec = cell.spec();
    let projection = (spec.output_is_state && spec.memory.is_some()).then_some(3);
    let pre = spec.blocks.iter().any(|block| block.is_normalized());
    let norm = Norm { pre, memory: spec.memory.is_some() };
    let plain = stack(cell);
    vec![
        RecurrentConfig { projection, ..plain.clone() },
        RecurrentConfig { residual: true, norm, clip: Some(0.7), ..plain.clone() },
        RecurrentConfig { bidirectional: false, projection, ..plain },
    ]
}

fn states(layer: &Recurrent, seed: u64) -> State {
    let zero = layer.zero_state(LENGTHS.len()).unwrap();
    let random = |tensor: &Tensor| random(tensor.dims(), seed);
    State::new(zero.tensors().iter().map(random).collect(), layer.config().bidirectional)
}

#[test]
fn the_output_is_that_of_a_run() {
    for cell in AnyCell::all() {
        for config in stacks(cell) {
            let (layer, _) = layer(&config);
            let x = random(&[STEPS, 3, INPUT_SIZE], 2);
            let (state, directions) =
                (states(&layer, 3), config.layers * layer_directions(&config));
            for lengths in [None, Some(&LENGTHS[..])] {
                for emit in [Emit::All, Emit::Last, Emit::States] {
                    // A trace draws no masks, whatever the seed.
                    let run = RecurrentOptions {
                        emit,
                        lengths,
                        state: Some(&state),
                        ..RecurrentOptions::default()
                    };
                    let expected = layer.forward(&x, &run).unwrap().output;
                    let (output, traces) = layer
                        .trace(&x, &RecurrentOptions { seed: Some(7), telemetry: true, ..run })
                        .unwrap();
                    assert_close(&output, &expected);
                    assert!(!output.track_op());
                    assert_eq!(traces.len(), directions);
                }
            }
        }
    }
}

fn layer_directions(config: &RecurrentConfig) -> usize {
    1 + usize::from(config.bidirectional)
}

/// Telemetry sees the pre-activations alone: not what per-unit vectors add to them, and of a binary gate
/// its sigmoid.
fn is_counted_by_telemetry(cell: AnyCell) -> bool {
    let text = serde_json::to_string(&cell).unwrap();
    cell.spec().vectors.is_empty() && !text.contains("binary")
}

#[test]
fn the_means_are_what_telemetry_counts() {
    let mut cells = 0;
    for cell in AnyCell::all().into_iter().filter(|&cell| is_counted_by_telemetry(cell)) {
        for config in stacks(cell) {
            let (layer, _) = layer(&config);
            let x = random(&[STEPS, 3, INPUT_SIZE], 2);
            let state = states(&layer, 3);
            let lengths = Some(&LENGTHS[..]);
            let run = RecurrentOptions {
                lengths,
                state: Some(&state),
                telemetry: true,
                ..RecurrentOptions::default()
            };
            let expected = layer.forward(&x, &run).unwrap().gates;
            let (_, traces) = layer.trace(&x, &run).unwrap();
            assert_eq!(traces.len(), expected.len());
            for (found, expected) in traces.iter().zip(&expected) {
                let trace = &found.trace;
                assert_eq!(trace.gates.len(), expected.len());
                for (gate, expected) in trace.gates.iter().zip(expected) {
                    let summary = trace.summary(gate);
                    assert_eq!(summary.name, expected.name);
                    assert_eq!(
                        (&summary.closed, &summary.open),
                        (&expected.closed, &expected.open)
                    );
                    for (found, expected) in summary.mean.iter().zip(&expected.mean) {
                        let error = (found - expected).abs();
                        assert!(error < MEAN_TOLERANCE, "{cell} {}: {error}", gate.name);
                    }
                }
            }
        }
        cells += 1;
    }
    assert!(cells >= 10, "only {cells} cells were compared");
}

/// Each layer and direction is at its index, its steps in the input's order.
#[test]
fn the_reverse_direction_stands_in_the_order_of_the_input() {
    let (layer, _) = layer(&stack(AnyCell::FGN));
    let x = random(&[STEPS, 1, INPUT_SIZE], 2);
    let changed = Tensor::cat(
        &[x.narrow(0, 0, 2).unwrap(), random(&[1, 1, INPUT_SIZE], 9), x.narrow(0, 3, 3).unwrap()],
        0,
    );
    let trace = |x: &Tensor| layer.trace(x, &RecurrentOptions::default()).unwrap().1;
    let (one, other) = (trace(&x), trace(&changed.unwrap()));
    let directions: Vec<_> = one.iter().map(|found| (found.layer, found.reverse)).collect();
    assert_eq!(directions, [(0, false), (0, true), (1, false), (1, true)]);
    for (one, other) in one.iter().zip(&other).take(2) {
        let retained = |trace: &fgn_nn::Trace| trace.retained.clone().unwrap();
        let (left, right) = (retained(&one.trace), retained(&other.trace));
        // The third step was changed: forwards it shows from there on, backwards up to there.
        for step in 0..STEPS {
            let row = step * HIDDEN..(step + 1) * HIDDEN;
            let changes = if one.reverse { step <= 2 } else { step >= 2 };
            assert_eq!(left[row.clone()] != right[row], changes, "step {step} of {}", one.reverse);
        }
    }
}

#[test]
fn batch_first_is_the_same_transposed() {
    let (steps_first, _) = layer(&stack(AnyCell::GRU));
    let (batch_first, _) = layer(&RecurrentConfig { batch_first: true, ..stack(AnyCell::GRU) });
    let x = random(&[STEPS, 3, INPUT_SIZE], 2);
    let resets: Vec<u8> = (0..18).map(|n| u8::from(n % 5 == 0)).collect();
    let resets = Tensor::from_vec(resets, (STEPS, 3), &Device::Cpu).unwrap();
    let transposed = |tensor: &Tensor| tensor.transpose(0, 1).unwrap().contiguous().unwrap();
    let run = |resets| RecurrentOptions {
        lengths: Some(&LENGTHS),
        resets: Some(resets),
        ..RecurrentOptions::default()
    };
    let (output, traces) = steps_first.trace(&x, &run(&resets)).unwrap();
    let (found, same) = batch_first.trace(&transposed(&x), &run(&transposed(&resets))).unwrap();
    assert_eq!(flat(&found), flat(&transposed(&output)));
    assert_eq!(same, traces);
}

#[test]
fn what_a_run_refuses_a_trace_refuses() {
    let (layer, _) = layer(&stack(AnyCell::LSTM));
    let wide = random(&[STEPS, 3, INPUT_SIZE + 1], 2);
    let refused = layer.trace(&wide, &RecurrentOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::Shape { .. }), "{refused}");
    let x = random(&[STEPS, 3, INPUT_SIZE], 2);
    let single = x.to_dtype(DType::F32).unwrap();
    let refused = layer.trace(&single, &RecurrentOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::DType { .. }), "{refused}");
    let state = layer.zero_state(2).unwrap();
    let run = RecurrentOptions { state: Some(&state), ..RecurrentOptions::default() };
    assert!(matches!(layer.trace(&x, &run), Err(Error::Shape { .. })));
    let run = RecurrentOptions { lengths: Some(&[1, 2]), ..RecurrentOptions::default() };
    assert!(layer.trace(&x, &run).is_err());
    let run = RecurrentOptions {
        lengths: Some(&[1, 7, 2]),
        emit: Emit::Last,
        ..RecurrentOptions::default()
    };
    assert!(layer.trace(&x, &run).is_err());
}
