//! Passes over stacks of blocks: lengths, resets, what is returned.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{Emit, Recurrent, RecurrentConfig, RecurrentOptions, State};

use super::super::{INPUT_SIZE, assert_close, layer};
use super::{BATCH, HIDDEN, LENGTHS, STEPS, blocks, dropped, everything, resets, stack};
use crate::common::{Named, all_numbers, check_gradients, flat, random, scramble, var};

fn run(layer: &Recurrent, x: &Tensor, options: RecurrentOptions<'_>) -> Tensor {
    layer.forward(x, &options).unwrap().output
}

/// Spreads the features of the residual stream, so that no norm divides by a number near zero: there, central differences
/// are not exact.
fn spread(list: &[Named]) {
    let (_, bias) = list.iter().find(|(name, _)| name == "layer.embed.bias").unwrap();
    let width = bias.elem_count();
    let values = (0..width).map(|at| [2.5, -2.0, 3.0, -1.5][at % 4]).collect();
    bias.set(&Tensor::from_vec(values, width, &Device::Cpu).unwrap()).unwrap();
}

#[test]
fn gradients() {
    for cell in [AnyCell::LSTM, AnyCell::MIN_GRU, AnyCell::FGN] {
        for block in blocks().into_iter().chain([dropped(false), dropped(true)]) {
            let (layer, mut vars) = layer(&stack(cell, block));
            spread(&vars);
            let x = var("x", &[STEPS, BATCH, INPUT_SIZE], 2);
            let rows = layer.zero_state(BATCH).unwrap().tensors()[0].dims()[0];
            let states = [3, 4].map(|seed| var("states", &[rows, BATCH, HIDDEN], seed));
            vars.push(x.clone());
            vars.extend(states.iter().cloned());
            let lengths = Some(&LENGTHS[..]);
            for emit in [Emit::All, Emit::Last] {
                check_gradients(&vars, || {
                    let tensors = states.iter().map(|(_, var)| var.as_tensor().clone());
                    let state = State::new(tensors.collect(), false);
                    let (state, seed) = (Some(&state), Some(5));
                    let options =
                        RecurrentOptions { state, seed, emit, lengths, ..Default::default() };
                    all_numbers(&layer.forward(&x.1, &options).unwrap())
                });
            }
        }
    }
}

#[test]
fn gradients_in_both_directions() {
    for block in blocks().into_iter().filter(|block| block.conv == 0) {
        let config = RecurrentConfig { bidirectional: true, ..stack(AnyCell::GRU, block) };
        let (layer, mut vars) = layer(&config);
        spread(&vars);
        let x = var("x", &[STEPS, BATCH, INPUT_SIZE], 2);
        vars.push(x.clone());
        let lengths = Some(&LENGTHS[..]);
        check_gradients(&vars, || {
            let options = RecurrentOptions { lengths, ..RecurrentOptions::default() };
            all_numbers(&layer.forward(&x.1, &options).unwrap())
        });
    }
}

/// Each sequence has the outputs and the state that it has alone; outputs past its length are zero, and what its inputs
/// are there has no effect, not even on gradients.
#[test]
fn sequences_have_their_own_lengths() {
    for block in blocks() {
        for bidirectional in [false, true] {
            if bidirectional && block.conv > 0 {
                continue;
            }
            let config = RecurrentConfig { bidirectional, ..stack(AnyCell::LSTM, block) };
            let (layer, list) = layer(&config);
            let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
            let mut numbers = flat(&x);
            for (at, number) in numbers.iter_mut().enumerate() {
                if at / INPUT_SIZE / BATCH >= LENGTHS[at / INPUT_SIZE % BATCH] {
                    *number = f64::NAN;
                }
            }
            let padded = Tensor::from_vec(numbers, x.shape(), &Device::Cpu).unwrap();
            let lengths = Some(&LENGTHS[..]);
            let options = RecurrentOptions { lengths, ..RecurrentOptions::default() };
            let found = layer.forward(&padded, &options).unwrap();
            for (sequence, length) in LENGTHS.into_iter().enumerate() {
                let of = |x: &Tensor| x.narrow(1, sequence, 1).unwrap();
                let own = of(&x).narrow(0, 0, length).unwrap();
                let alone = layer.forward(&own, &RecurrentOptions::default()).unwrap();
                let output = of(&found.output);
                assert_close(&output.narrow(0, 0, length).unwrap(), &alone.output);
                for step in length..STEPS {
                    let past = flat(&output.narrow(0, step, 1).unwrap());
                    assert!(past.iter().all(|&x| x == 0.0));
                }
                for (found, alone) in found.state.tensors().iter().zip(alone.state.tensors()) {
                    assert_close(&of(found), alone);
                }
            }
            let gradients = found.output.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            for (name, var) in &list {
                let gradient = flat(gradients.get(var).unwrap());
                assert!(gradient.iter().all(|x| x.is_finite()), "{name}");
            }
        }
    }
}

/// A reset begins a new sequence, in the convolution too.
#[test]
fn resets_begin_new_sequences() {
    for block in blocks() {
        let (layer, _) = layer(&stack(AnyCell::LSTM, block));
        let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
        let (resets, state) = (resets(), layer.zero_state(BATCH).unwrap());
        let scrambled = state.tensors().iter().map(|tensor| random(tensor.dims(), 3));
        let state = State::new(scrambled.collect(), false);
        let options = RecurrentOptions {
            resets: Some(&resets),
            state: Some(&state),
            ..RecurrentOptions::default()
        };
        let found = layer.forward(&x, &options).unwrap();
        let all = resets.to_vec2::<u8>().unwrap();
        for sequence in 0..BATCH {
            let of = |x: &Tensor| x.narrow(1, sequence, 1).unwrap();
            let mut carried = State::new(state.tensors().iter().map(of).collect(), false);
            for (step, resets) in all.iter().enumerate() {
                if resets[sequence] != 0 {
                    carried = layer.zero_state(1).unwrap();
                }
                let x = of(&x).narrow(0, step, 1).unwrap();
                let options =
                    RecurrentOptions { state: Some(&carried), ..RecurrentOptions::default() };
                let alone = layer.forward(&x, &options).unwrap();
                assert_close(&of(&found.output).narrow(0, step, 1).unwrap(), &alone.output);
                carried = alone.state;
            }
            for (found, carried) in found.state.tensors().iter().zip(carried.tensors()) {
                assert_close(&of(found), carried);
            }
        }
    }
}

#[test]
fn the_last_output_is_that_at_each_sequence_s_end() {
    for block in blocks() {
        let (layer, _) = layer(&stack(AnyCell::FGN, block));
        let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
        for lengths in [None, Some(&LENGTHS[..])] {
            let of = |emit| {
                run(&layer, &x, RecurrentOptions { emit, lengths, ..RecurrentOptions::default() })
            };
            let all = of(Emit::All).to_vec3::<f64>().unwrap();
            for (b, last) in of(Emit::Last).to_vec2::<f64>().unwrap().iter().enumerate() {
                let end = lengths.map_or(STEPS, |lengths| lengths[b]) - 1;
                assert_eq!(*last, all[end][b]);
            }
            assert_eq!(of(Emit::States).to_vec3::<f64>().unwrap(), all);
        }
    }
}

#[test]
fn states_of_all_steps_are_those_of_the_cells() {
    let (layer, _) = layer(&stack(AnyCell::LSTM, everything()));
    let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
    let options = RecurrentOptions { emit: Emit::States, ..RecurrentOptions::default() };
    let found = layer.forward(&x, &options).unwrap();
    for (all, last) in found.states.iter().zip(found.state.tensors()) {
        assert_eq!(all.dims(), [STEPS, BATCH, 2, HIDDEN]);
        // h and c, then the window of the convolution.
        assert_eq!(last.dims(), [2 + 3, BATCH, HIDDEN]);
        let of_end = all.get(STEPS - 1).unwrap().transpose(0, 1).unwrap();
        assert_eq!(flat(&of_end.contiguous().unwrap()), flat(&last.narrow(0, 0, 2).unwrap()));
    }
}

#[test]
fn other_ways_to_run_compute_the_same() {
    for block in blocks() {
        let config = stack(AnyCell::GRU, block);
        let (layer, list) = layer(&config);
        let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
        let resets = resets();
        let options = RecurrentOptions {
            lengths: Some(&LENGTHS[..]),
            resets: Some(&resets),
            ..RecurrentOptions::default()
        };
        let expected = flat(&run(&layer, &x, options));
        let find_nan = RecurrentOptions { find_nan: true, ..options };
        assert_eq!(flat(&run(&layer, &x, find_nan)), expected);
        let (traced, traces) = layer.trace(&x, &options).unwrap();
        assert_eq!(traces.len(), 2);
        assert!(!traced.track_op());
        for (found, expected) in flat(&traced).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-12);
        }
        let detached = run(&layer.detached(), &x, options);
        assert!(!detached.track_op());
        assert_eq!(flat(&detached), expected);
        let telemetry = RecurrentOptions { telemetry: true, ..options };
        assert_eq!(layer.forward(&x, &telemetry).unwrap().gates.len(), 2);

        let frozen = layer.frozen().unwrap();
        for (_, var) in &list {
            var.set(&(var.as_tensor() * 0.5).unwrap()).unwrap();
        }
        assert_eq!(flat(&run(&frozen, &x, options)), expected);
        assert_ne!(flat(&run(&layer, &x, options)), expected);
    }
}

#[test]
fn batch_first_is_the_same_reversed() {
    let config = stack(AnyCell::FGN, everything());
    let (expected, _) = layer(&config);
    let (found, _) = layer(&RecurrentConfig { batch_first: true, ..config });
    let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
    let turn = |tensor: &Tensor| tensor.transpose(0, 1).unwrap().contiguous().unwrap();
    let options = RecurrentOptions { lengths: Some(&LENGTHS[..]), ..RecurrentOptions::default() };
    assert_eq!(flat(&run(&found, &turn(&x), options)), flat(&turn(&run(&expected, &x, options))));
}

#[test]
fn the_first_nan_is_found() {
    let (layer, list) = layer(&stack(AnyCell::LSTM, everything()));
    let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
    let find_nan = RecurrentOptions { find_nan: true, ..RecurrentOptions::default() };
    let mut tensors = layer.zero_state(BATCH).unwrap().tensors().to_vec();
    let mut numbers = vec![0.0; 5 * BATCH * HIDDEN];
    numbers[(2 * BATCH + 1) * HIDDEN + 3] = f64::NAN;
    tensors[1] = Tensor::from_vec(numbers, (5, BATCH, HIDDEN), &Device::Cpu).unwrap();
    let state = State::new(tensors, false);
    let options = RecurrentOptions { state: Some(&state), ..find_nan };
    let error = layer.forward(&x, &options).map(drop).unwrap_err().to_string();
    let expected = "state conv of unit 3 is NaN for the first time before step 0 of sequence 1, in \
                    layer 1";
    assert_eq!(error, expected);
    let (_, bias) = list.iter().find(|(name, _)| name.ends_with("blocks.1.norm.bias")).unwrap();
    bias.set(&Tensor::full(f64::NAN, HIDDEN, &Device::Cpu).unwrap()).unwrap();
    let error = layer.forward(&x, &find_nan).map(drop).unwrap_err().to_string();
    assert!(error.ends_with("after step 0 of sequence 0, in layer 1"), "{error}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let config = RecurrentConfig { hidden_size: 33, ..stack(AnyCell::MIN_GRU, dropped(false)) };
    let (layer, list) = layer(&config);
    scramble(&list);
    let x = random(&[60, 40, INPUT_SIZE], 2);
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let options = RecurrentOptions { seed: Some(3), ..RecurrentOptions::default() };
            let y = run(&layer, &x, options);
            let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let of = list.iter().map(|(_, var)| flat(gradients.get(var).unwrap()));
            [vec![flat(&y)], of.collect()].concat()
        })
    };
    assert_eq!(all(1), all(3));
}

#[test]
fn without_steps_there_is_an_error() {
    let (layer, _) = layer(&stack(AnyCell::LSTM, everything()));
    for shape in [[0, 2, INPUT_SIZE], [6, 0, INPUT_SIZE]] {
        let x = Tensor::zeros(&shape, DType::F64, &Device::Cpu).unwrap();
        let error = layer.forward(&x, &RecurrentOptions::default()).map(drop).unwrap_err();
        assert!(error.to_string().contains("expected [T, B, I] without a size of zero"), "{error}");
    }
}
