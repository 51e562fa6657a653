//! Runs over slices compute what the Candle operation does, bit for bit.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};
use fgn_core::{AnyCell, LayerShape, Layout, SequenceShape};
use fgn_kernels::{
    Emit, SequenceOptions, SliceArguments, SliceDerivatives, SliceElement, sequence,
    sequence_slices,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SHAPE: SequenceShape = SequenceShape { steps: 9, batch: 4, input: 3, hidden: 13 };

fn random<E: SliceElement>(count: usize, seed: u64) -> Vec<E> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| E::from_f64(rng.random_range(-1.0..1.0))).collect()
}

fn parameters(cell: AnyCell, options: &SequenceOptions) -> usize {
    let (projection, norm) = (options.projection, options.norm);
    let layer = LayerShape { projection, norm, ..LayerShape::new(SHAPE.input, SHAPE.hidden) };
    Layout::of(cell.spec(), layer).len()
}

/// Outputs, final states and all gradients of the weighted sum of both, by slices and by Candle.
fn agrees<E: SliceElement>(cell: AnyCell, options: &SequenceOptions) {
    let SequenceShape { steps, batch, input, hidden } = SHAPE;
    let count = cell.spec().states.len();
    let x = random::<E>(steps * batch * input, 1);
    let weights = random::<E>(parameters(cell, options), 2);
    // States of zeros fit every cell, those with a divisor included.
    let states = vec![E::from_f64(0.0); count * batch * hidden];
    let arguments = SliceArguments { x: &x, weights: &weights, states: &states };
    let run = sequence_slices(cell, SHAPE, arguments, options, true).unwrap();
    let d_output = random::<E>(run.output.len(), 3);
    let d_states = random::<E>(states.len(), 4);
    let by = SliceDerivatives { output: &d_output, states: Some(&d_states) };
    let d = run.saved.unwrap().backward(arguments, by, [true, true]).unwrap();

    let device = &Device::Cpu;
    let var = |numbers: &[E], shape: &[usize]| {
        Var::from_tensor(&Tensor::from_slice(numbers, shape, device).unwrap()).unwrap()
    };
    let all = [
        var(&x, &[steps, batch, input]),
        var(&weights, &[weights.len()]),
        var(&states, &[count, batch, hidden]),
    ];
    let candle = sequence(cell, &all[0], &all[1], &all[2], options).unwrap();
    let weighted = |tensor: &Tensor, by: &[E]| {
        let by = Tensor::from_slice(by, tensor.shape(), device).unwrap();
        (tensor * by).unwrap().sum_all().unwrap()
    };
    let sum = weighted(&candle.output, &d_output) + weighted(&candle.states, &d_states);
    let gradients = sum.unwrap().backward().unwrap();
    let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<E>().unwrap();

    assert_eq!(candle.output.dims(), run.output_shape, "{cell}");
    assert!(numbers(&candle.output) == run.output, "{cell}: outputs");
    assert!(numbers(&candle.states) == run.states, "{cell}: states");
    let found = [d.x.unwrap(), d.weights, d.states.unwrap()];
    for ((name, var), found) in ["x", "weights", "states"].iter().zip(&all).zip(&found) {
        let expected = numbers(gradients.get(var).unwrap());
        assert!(expected == *found, "{cell}: gradients with respect to {name}");
        assert!(found.iter().any(|&d| d != E::from_f64(0.0)), "{cell}: {name}: all zero");
    }
}

#[test]
fn every_cell_computes_what_candles_operation_does() {
    for cell in AnyCell::all() {
        agrees::<f32>(cell, &SequenceOptions::default());
        agrees::<f64>(cell, &SequenceOptions::default());
    }
}

#[test]
fn so_it_does_with_options() {
    let resets: Vec<u8> = (0..36).map(|at| u8::from(at % 7 == 3)).collect();
    let resets = Tensor::from_vec(resets, (9, 4), &Device::Cpu).unwrap();
    let plain = SequenceOptions::default;
    for options in [
        plain().with_lengths(vec![9, 2, 5, 1]).with_reverse(true),
        plain().with_resets(resets),
        plain().with_projection(5).with_emit(Emit::States),
        plain().with_zoneout(vec![0.2, 0.1]).with_seed(7).with_emit(Emit::Last),
    ] {
        agrees::<f32>(AnyCell::LSTM, &options);
        agrees::<f64>(AnyCell::LSTM, &options);
    }
}

#[test]
fn slices_of_another_length_are_refused() {
    let cell = AnyCell::LSTM;
    let options = SequenceOptions::default();
    let [x, weights, states] = [9 * 4 * 3, parameters(cell, &options), 2 * 4 * 13];
    let all = vec![0.1_f32; weights];
    let run = |[x, weights, states]: [usize; 3], save| {
        let arguments =
            SliceArguments { x: &all[..x], weights: &all[..weights], states: &all[..states] };
        sequence_slices(cell, SHAPE, arguments, &options, save)
    };
    for (lengths, expected) in [
        ([x - 1, weights, states], "expected 108 inputs, got 107"),
        ([x, weights - 1, states], "packed weights, got 935"),
        ([x, weights, states + 1], "expected 104 states, got 105"),
    ] {
        let error = run(lengths, false).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(run([x, weights, states], false).unwrap().saved.is_none());

    let saved = run([x, weights, states], true).unwrap().saved.unwrap();
    let arguments = SliceArguments { x: &all[..x], weights: &all, states: &all[..states] };
    let by = |output: usize, states: usize| SliceDerivatives {
        output: &all[..output],
        states: Some(&all[..states]),
    };
    let error = |by| saved.backward(arguments, by, [true, true]).unwrap_err().to_string();
    assert!(error(by(467, states)).contains("expected 468 output gradients, got 467"));
    assert!(error(by(468, states - 1)).contains("expected 104 state gradients, got 103"));

    // Numbers of another type than in the forward pass.
    let all = vec![0.1_f64; weights];
    let arguments = SliceArguments { x: &all[..x], weights: &all, states: &all[..states] };
    let by = SliceDerivatives { output: &all[..468], states: None };
    let error = saved.backward(arguments, by, [true, true]).unwrap_err().to_string();
    assert!(error.contains("of the type of the forward pass, got F64"), "{error}");

    let empty = SequenceShape { batch: 0, ..SHAPE };
    let arguments: SliceArguments<'_, f64> = SliceArguments { x: &[], weights: &all, states: &[] };
    let error = sequence_slices(cell, empty, arguments, &options, false).unwrap_err().to_string();
    assert!(error.contains("no size may be zero"), "{error}");
}
