//! What a stack computes: layers, directions, residuals, masks.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Norm};
use fgn_nn::{
    Emit, Generator, Mode, Parameters, Recurrent, RecurrentConfig, RecurrentOptions,
    SequenceDropout, State,
};

use super::{INPUT_SIZE, assert_close, layer};
use crate::common::{all_numbers, check_gradients, flat, parameters, random, scramble, var};

const HIDDEN: usize = 5;
const STEPS: usize = 6;
const LENGTHS: [usize; 3] = [4, 6, 1];
/// Of a share counted over some thousand draws: four standard errors or more.
const SHARE_TOLERANCE: f64 = 0.05;

fn stack(cell: AnyCell) -> RecurrentConfig {
    RecurrentConfig { layers: 3, bidirectional: true, ..RecurrentConfig::new(cell, HIDDEN) }
}

/// Everything that a layer can be at once.
fn everything() -> RecurrentConfig {
    RecurrentConfig {
        layers: 2,
        bidirectional: true,
        residual: true,
        projection: Some(3),
        norm: Norm { pre: true, memory: true },
        input_dropout: SequenceDropout { rate: 0.3, per_step: true },
        dropout: SequenceDropout { rate: 0.3, per_step: false },
        hidden_dropout: SequenceDropout { rate: 0.4, per_step: false },
        weight_drop: 0.4,
        zoneout: vec![0.2, 0.3],
        clip: Some(20.0),
        ..RecurrentConfig::new(AnyCell::LSTM, HIDDEN)
    }
}

fn reversed(x: &Tensor) -> Tensor {
    let steps: Vec<_> = (0..x.dims()[0]).rev().map(|t| x.get(t).unwrap()).collect();
    Tensor::stack(&steps, 0).unwrap()
}

/// The same numbers from layers of one direction each, one by one.
#[test]
fn a_stack_is_its_layers_one_by_one() {
    for cell in AnyCell::all() {
        for residual in [false, true] {
            let config = RecurrentConfig { residual, ..stack(cell) };
            let (layer, list) = layer(&config);
            let x = random(&[STEPS, 3, INPUT_SIZE], 2);
            let found = layer.forward(&x, &RecurrentOptions::default()).unwrap();

            let mut expected = x;
            let mut finals = Vec::new();
            for index in 0..3 {
                let mut outputs = Vec::new();
                for direction in ["", "_reverse"] {
                    let suffix = format!("_l{index}{direction}");
                    let mut single = parameters(1);
                    let width = expected.dims()[2];
                    let alone = RecurrentConfig::new(cell, HIDDEN);
                    let alone = Recurrent::new(&mut single, "layer", width, &alone).unwrap();
                    for (name, var) in single.list() {
                        let name = name.replace("_l0", &suffix);
                        let (_, value) = list.iter().find(|(other, _)| *other == name).unwrap();
                        var.set(value.as_tensor()).unwrap();
                    }
                    let reverse = direction == "_reverse";
                    let input = if reverse { reversed(&expected) } else { expected.clone() };
                    let run = alone.forward(&input, &RecurrentOptions::default()).unwrap();
                    outputs.push(if reverse { reversed(&run.output) } else { run.output });
                    finals.push(run.state.tensors()[0].clone());
                }
                let output = Tensor::cat(&outputs, 2).unwrap();
                expected =
                    if residual && index > 0 { (expected + output).unwrap() } else { output };
            }
            assert_close(&found.output, &expected);
            for (found, expected) in found.state.tensors().iter().zip(&finals) {
                assert_close(found, expected);
            }
            assert_eq!(found.state.tensors().len(), finals.len());
        }
    }
}

#[test]
fn the_last_output_is_each_direction_s_own_last() {
    for residual in [false, true] {
        for config in [RecurrentConfig { residual, ..stack(AnyCell::LSTM) }, {
            RecurrentConfig { bidirectional: false, residual, ..stack(AnyCell::FGN) }
        }] {
            let (layer, _) = layer(&config);
            let x = random(&[STEPS, 3, INPUT_SIZE], 2);
            for lengths in [None, Some(&LENGTHS[..])] {
                let run = |emit| {
                    layer
                        .forward(
                            &x,
                            &RecurrentOptions { emit, lengths, ..RecurrentOptions::default() },
                        )
                        .unwrap()
                };
                let all = run(Emit::All).output.to_vec3::<f64>().unwrap();
                let last = run(Emit::Last);
                for (b, last) in last.output.to_vec2::<f64>().unwrap().iter().enumerate() {
                    let end = lengths.map_or(STEPS, |lengths| lengths[b]) - 1;
                    assert_eq!(last[..HIDDEN], all[end][b][..HIDDEN]);
                    assert_eq!(last[HIDDEN..], all[0][b][HIDDEN..]);
                }
                for (found, all) in last.state.tensors().iter().zip(run(Emit::All).state.tensors())
                {
                    assert_eq!(flat(found), flat(all));
                }
                // Looking for what is not a number changes nothing.
                let find_nan = RecurrentOptions {
                    emit: Emit::Last,
                    lengths,
                    find_nan: true,
                    ..RecurrentOptions::default()
                };
                assert_eq!(flat(&layer.forward(&x, &find_nan).unwrap().output), flat(&last.output));
            }
        }
    }
}

#[test]
fn all_states_of_all_steps() {
    for cell in AnyCell::all() {
        let (layer, _) = layer(&stack(cell));
        let x = random(&[STEPS, 3, INPUT_SIZE], 2);
        let lengths = Some(&LENGTHS[..]);
        let run = |emit| {
            layer
                .forward(&x, &RecurrentOptions { emit, lengths, ..RecurrentOptions::default() })
                .unwrap()
        };
        let (found, plain) = (run(Emit::States), run(Emit::All));
        assert_eq!(flat(&found.output), flat(&plain.output));
        assert!(plain.states.is_empty());
        assert_eq!(found.states.len(), 6);
        for (index, (states, last)) in found.states.iter().zip(plain.state.tensors()).enumerate() {
            let count = cell.spec().states.len();
            assert_eq!(states.dims(), [STEPS, 3, count, HIDDEN]);
            for (b, length) in LENGTHS.iter().enumerate() {
                let end = if index % 2 == 1 { 0 } else { length - 1 };
                for state in 0..count {
                    let found = states.get(end).unwrap().get(b).unwrap().get(state).unwrap();
                    let expected = last.get(state).unwrap().get(b).unwrap();
                    assert_eq!(flat(&found), flat(&expected));
                }
            }
        }
    }
}

/// A projected state is returned in its own width.
#[test]
fn a_projection_s_outputs_beside_its_states() {
    let (layer, _) = layer(&RecurrentConfig { projection: Some(2), ..stack(AnyCell::LSTM) });
    let x = random(&[STEPS, 3, INPUT_SIZE], 2);
    let run = |emit| {
        layer.forward(&x, &RecurrentOptions { emit, ..RecurrentOptions::default() }).unwrap()
    };
    let (states, all) = (run(Emit::States), run(Emit::All));
    assert_eq!(all.output.dims(), [STEPS, 3, 4]);
    assert_eq!(flat(&states.output), flat(&all.output));
    assert_eq!(run(Emit::Last).output.dims(), [3, 4]);
    assert_eq!(layer.config().output_size(), 4);
}

#[test]
fn batch_first_is_the_same_reversed() {
    let steps_first = RecurrentConfig { residual: true, ..stack(AnyCell::FGN) };
    let (expected, _) = layer(&steps_first);
    let (found, _) = layer(&RecurrentConfig { batch_first: true, ..steps_first });
    let x = random(&[STEPS, 3, INPUT_SIZE], 2);
    let resets =
        Tensor::from_vec((0..18).map(|n| u8::from(n % 5 == 0)).collect(), (STEPS, 3), &Device::Cpu);
    let resets = resets.unwrap();
    let turn = |tensor: &Tensor| tensor.transpose(0, 1).unwrap().contiguous().unwrap();
    let lengths = Some(&LENGTHS[..]);
    for emit in [Emit::All, Emit::Last, Emit::States] {
        let run = |layer: &Recurrent, x, resets| {
            let run = RecurrentOptions {
                emit,
                lengths,
                resets: Some(resets),
                ..RecurrentOptions::default()
            };
            layer.forward(x, &run).unwrap()
        };
        let expected = run(&expected, &x, &resets);
        let found = run(&found, &turn(&x), &turn(&resets));
        let output = if emit == Emit::Last { expected.output } else { turn(&expected.output) };
        assert_eq!(flat(&found.output), flat(&output));
        assert_eq!(found.output.dims(), output.dims());
        for (found, expected) in found.states.iter().zip(&expected.states) {
            assert_eq!(flat(found), flat(&turn(expected)));
        }
        for (found, expected) in found.state.tensors().iter().zip(expected.state.tensors()) {
            assert_eq!(flat(found), flat(expected));
        }
    }
}

#[test]
fn without_biases_they_are_zero() {
    let with = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::GRU, HIDDEN) };
    let (without, list) = layer(&RecurrentConfig { bias: false, ..with.clone() });
    assert_eq!(list.len(), 4);
    let (with, all) = layer(&with);
    for (name, var) in &all {
        let zeros = var.zeros_like().unwrap();
        let value = list.iter().find(|(other, _)| other == name);
        var.set(value.map_or(&zeros, |(_, value)| value.as_tensor())).unwrap();
    }
    let x = random(&[STEPS, 2, INPUT_SIZE], 2);
    let run =
        |layer: &Recurrent| flat(&layer.forward(&x, &RecurrentOptions::default()).unwrap().output);
    assert_eq!(run(&without), run(&with));
}

#[test]
fn gradients_of_all_that_a_layer_can_be() {
    let (layer, mut vars) = layer(&everything());
    let x = var("x", &[STEPS, 2, INPUT_SIZE], 2);
    let states: Vec<_> = (0..4).map(|n| var("states", &[2, 2, HIDDEN], 3 + n)).collect();
    vars.push(x.clone());
    // Of a projected hidden state the numbers beyond the projection count for nothing.
    for emit in [Emit::All, Emit::Last, Emit::States] {
        check_gradients(&vars, || {
            let tensors = states.iter().map(|(_, var)| var.as_tensor().clone()).collect();
            let state = State::new(tensors, true);
            let lengths = Some(&LENGTHS[1..]);
            let run = RecurrentOptions {
                state: Some(&state),
                emit,
                lengths,
                seed: Some(5),
                ..RecurrentOptions::default()
            };
            all_numbers(&layer.forward(&x.1, &run).unwrap())
        });
    }
}

#[test]
fn gradients_of_initial_states_through_a_residual_stack() {
    let config = RecurrentConfig { residual: true, layers: 2, ..stack(AnyCell::FGN) };
    let (layer, mut vars) = layer(&config);
    let x = var("x", &[4, 2, INPUT_SIZE], 2);
    let states: Vec<_> = (0..4).map(|n| var("states", &[2, 2, HIDDEN], 3 + n)).collect();
    vars.push(x.clone());
    vars.extend(states.iter().cloned());
    for emit in [Emit::All, Emit::Last] {
        check_gradients(&vars, || {
            let tensors = states.iter().map(|(_, var)| var.as_tensor().clone()).collect();
            let state = State::new(tensors, true);
            let run = RecurrentOptions {
                state: Some(&state),
                emit,
                lengths: Some(&[4, 2]),
                ..RecurrentOptions::default()
            };
            all_numbers(&layer.forward(&x.1, &run).unwrap())
        });
    }
}

#[test]
fn masks_follow_the_seed_on_any_number_of_threads() {
    let (layer, _) = layer(&everything());
    let x = random(&[STEPS, 7, INPUT_SIZE], 2);
    let run = |seed, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = RecurrentOptions { seed, ..RecurrentOptions::default() };
        pool.install(|| flat(&all_numbers(&layer.forward(&x, &run).unwrap())))
    };
    let first = run(Some(1), 1);
    for threads in [1, 2, 3] {
        assert_eq!(run(Some(1), threads), first);
    }
    assert_ne!(run(Some(2), 1), first);
    assert_ne!(run(None, 1), first);
    assert_eq!(run(None, 1), run(None, 2));
}

/// Each kind of mask alone changes a run, and only one in training.
#[test]
fn every_kind_of_mask_is_drawn_in_training_alone() {
    let plain = || RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, HIDDEN) };
    let drop = SequenceDropout { rate: 0.5, per_step: false };
    let each = SequenceDropout { rate: 0.5, per_step: true };
    let x = random(&[STEPS, 2, INPUT_SIZE], 2);
    let run = |config: &RecurrentConfig, seed| {
        let run = RecurrentOptions { seed, ..RecurrentOptions::default() };
        flat(&layer(config).0.forward(&x, &run).unwrap().output)
    };
    let mut all = vec![run(&plain(), None)];
    assert_eq!(run(&plain(), Some(1)), all[0]);
    for config in [
        RecurrentConfig { input_dropout: drop, ..plain() },
        RecurrentConfig { input_dropout: each, ..plain() },
        RecurrentConfig { dropout: drop, ..plain() },
        RecurrentConfig { dropout: each, ..plain() },
        RecurrentConfig { hidden_dropout: drop, ..plain() },
        RecurrentConfig { hidden_dropout: each, ..plain() },
        RecurrentConfig { weight_drop: 0.5, ..plain() },
    ] {
        assert_eq!(run(&config, None), all[0]);
        let dropped = run(&config, Some(1));
        assert!(!all.contains(&dropped), "{config:?}");
        all.push(dropped);
        let mut generator = Generator::seed_from_u64(1);
        let (layer, _) = layer(&config);
        assert!(layer.seed(&mut Mode::Train(&mut generator)).is_some());
        assert!(layer.seed(&mut Mode::Eval).is_none());
    }
    let mut generator = Generator::seed_from_u64(1);
    assert!(layer(&plain()).0.seed(&mut Mode::Train(&mut generator)).is_none());
}

/// A layer whose output is its masked input, up to a hyperbolic tangent.
fn identity(config: &RecurrentConfig, size: usize) -> Recurrent {
    let mut parameters = parameters(1);
    let layer = Recurrent::new(&mut parameters, "layer", size, config).unwrap();
    for (name, var) in parameters.list() {
        let value = match name.contains("weight_ih") {
            true => (Tensor::eye(size, DType::F64, &Device::Cpu).unwrap() * 0.01).unwrap(),
            false => var.zeros_like().unwrap(),
        };
        var.set(&value).unwrap();
    }
    layer
}

#[test]
fn inputs_are_dropped_per_step_or_per_sequence_and_keep_their_mean() {
    let (size, steps, batch) = (40, 30, 5);
    for per_step in [false, true] {
        let input_dropout = SequenceDropout { rate: 0.3, per_step };
        let config = RecurrentConfig { input_dropout, ..RecurrentConfig::new(AnyCell::RNN, size) };
        let layer = identity(&config, size);
        let x = Tensor::ones((steps, batch, size), DType::F64, &Device::Cpu).unwrap();
        let run = RecurrentOptions { seed: Some(3), ..RecurrentOptions::default() };
        let output = layer.forward(&x, &run).unwrap().output.to_vec3::<f64>().unwrap();
        let kept = (0.01 / 0.7_f64).tanh();
        let whole = output.iter().flatten().flatten();
        assert!(whole.clone().all(|&y| y == 0.0 || (y - kept).abs() < 1e-6));
        let zeros = whole.filter(|&&y| y == 0.0).count() as f64;
        let share = zeros / (steps * batch * size) as f64;
        let tolerance = if per_step { SHARE_TOLERANCE } else { 3.0 * SHARE_TOLERANCE };
        assert!((share - 0.3).abs() < tolerance, "{share}");
        assert_eq!(output.iter().all(|step| *step == output[0]), !per_step);
        assert_ne!(output[0][0], output[0][1]);
    }
}

/// The hidden state of a network whose recurrent weights are all dropped but for a few shows which.
#[test]
fn recurrent_weights_are_dropped_for_all_steps_and_sequences() {
    let size = 30;
    let config = RecurrentConfig { weight_drop: 0.5, ..RecurrentConfig::new(AnyCell::RNN, size) };
    let mut list = parameters(1);
    let layer = Recurrent::new(&mut list, "layer", size, &config).unwrap();
    for (name, var) in list.list() {
        let value = if name.contains("weight_hh") { 1e-3 } else { 0.0 };
        var.set(&Tensor::full(value, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    // A sequence of zeros from a hidden state of a single 1 outputs a column of the weights.
    let eye = Tensor::eye(size, DType::F64, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let state = State::new(vec![eye], false);
    let x = Tensor::zeros((1, size, size), DType::F64, &Device::Cpu).unwrap();
    let run = |seed| {
        let run = RecurrentOptions {
            state: Some(&state),
            seed: Some(seed),
            ..RecurrentOptions::default()
        };
        flat(&layer.forward(&x, &run).unwrap().output)
    };
    let weights = run(1);
    assert!(weights.iter().all(|&w| w == 0.0 || (w - 2e-3_f64.tanh()).abs() < 1e-9));
    let share = weights.iter().filter(|&&w| w == 0.0).count() as f64 / (size * size) as f64;
    assert!((share - 0.5).abs() < 2.0 * SHARE_TOLERANCE, "{share}");
    assert_ne!(run(2), weights);
}

#[test]
fn the_initialisation_of_a_lower_layer_does_not_depend_on_the_stack() {
    let one = RecurrentConfig::new(AnyCell::LSTM, HIDDEN);
    let drawn = |config: &RecurrentConfig| {
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
        Recurrent::new(&mut parameters, "layer", INPUT_SIZE, config).unwrap();
        parameters.list().to_vec()
    };
    let (one, many) = (drawn(&one), drawn(&stack(AnyCell::LSTM)));
    for (name, var) in &one {
        let (_, other) = many.iter().find(|(other, _)| other == name).unwrap();
        assert_eq!(flat(var), flat(other));
    }
    let names: Vec<_> = many.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[4], "layer.weight_ih_l0_reverse");
    assert_eq!(names[8], "layer.weight_ih_l1");
    assert_eq!(many[8].1.dims(), [4 * HIDDEN, 2 * HIDDEN]);
    assert_ne!(flat(&many[8].1), flat(&many[12].1));
}

#[test]
fn detached_is_outside_the_graph() {
    let (layer, _) = layer(&everything());
    let x = random(&[STEPS, 2, INPUT_SIZE], 2);
    let run = layer
        .detached()
        .forward(&x, &RecurrentOptions { seed: Some(1), ..RecurrentOptions::default() })
        .unwrap();
    assert!(!run.output.track_op());
    assert!(layer.forward(&x, &RecurrentOptions::default()).unwrap().output.track_op());
}

#[test]
fn a_frozen_layer_gives_the_same_and_learns_no_more() {
    let (layer, list) = layer(&everything());
    scramble(&list);
    let frozen = layer.frozen().unwrap();
    let x = random(&[STEPS, 2, INPUT_SIZE], 2);
    for seed in [None, Some(1)] {
        let run = RecurrentOptions { seed, ..RecurrentOptions::default() };
        let found = frozen.forward(&x, &run).unwrap();
        let expected = layer.forward(&x, &run).unwrap();
        assert_eq!(flat(&found.output), flat(&expected.output));
        assert!(!found.output.track_op());
    }
    let outputs = || {
        let run = |seed| {
            frozen
                .forward(&x, &RecurrentOptions { seed, ..RecurrentOptions::default() })
                .unwrap()
                .output
        };
        let traced = frozen.trace(&x, &RecurrentOptions::default()).unwrap().0;
        [run(None), run(Some(1)), traced].map(|output| flat(&output))
    };
    let before = outputs();
    for (_, var) in &list {
        var.set(&(var.as_tensor() * 0.5).unwrap()).unwrap();
    }
    assert_eq!(outputs(), before);
}

#[test]
fn telemetry_is_given_for_every_layer_and_direction() {
    let (layer, list) = layer(&stack(AnyCell::GRU));
    scramble(&list);
    let x = random(&[STEPS, 2, INPUT_SIZE], 2);
    let run = layer
        .forward(&x, &RecurrentOptions { telemetry: true, ..RecurrentOptions::default() })
        .unwrap();
    assert_eq!(run.gates.len(), 6);
    for gates in &run.gates {
        let names: Vec<_> = gates.iter().map(|gate| gate.name).collect();
        assert_eq!(names, ["r", "z"]);
        assert!(gates.iter().all(|gate| gate.mean.iter().all(|mean| (0.0..1.0).contains(mean))));
    }
    assert!(layer.forward(&x, &RecurrentOptions::default()).unwrap().gates.is_empty());
}
