//! Streams as their users see them.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, LayerShape, Layout, Norm};
use fgn_kernels::{
    HiddenDropout, LayerStream, LayerStreamWeights, Precision, SequenceOptions, sequence,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest difference to a whole sequence's run, of numbers below 1: rounding in `f32`, in another
/// order.
const SEQUENCE_TOLERANCE: f32 = 1e-5;
/// The same with options, relative to the largest number: what is normalised is divided by a
/// standard deviation that may be small.
const OPTIONS_TOLERANCE: f32 = 5e-5;

/// The largest difference to the run in `f32`, relative to its largest output: what the page of
/// [`Precision`] says.
const LOSSES: [(Precision, f32); 2] = [(Precision::Bf16, 0.003), (Precision::Int8, 0.006)];
/// The same for the cell that loses most.
const LARGEST_LOSSES: [(Precision, f32); 2] = [(Precision::Bf16, 0.004), (Precision::Int8, 0.009)];

fn draw(rng: &mut ChaCha8Rng, count: usize, bound: f32) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-bound..bound)).collect()
}

/// Packed weights as PyTorch draws them.
fn weights(cell: AnyCell, input: usize, hidden: usize) -> Tensor {
    let len = Layout::new(cell.spec(), input, hidden).len();
    let numbers = draw(&mut ChaCha8Rng::seed_from_u64(1), len, 1.0 / (hidden as f32).sqrt());
    Tensor::new(numbers, &Device::Cpu).unwrap()
}

fn packed(cell: AnyCell, input: usize, hidden: usize, precision: Precision) -> LayerStreamWeights {
    let weights = weights(cell, input, hidden);
    LayerStreamWeights::new(cell, &weights, [input, hidden], precision, &SequenceOptions::default())
        .unwrap()
}

/// The outputs over all of `x`.
fn run(stream: &mut LayerStream, x: &[f32], input: usize, output: usize) -> Vec<f32> {
    let mut outputs = vec![0.0; x.len() / input * output];
    for (x, output) in x.chunks(input).zip(outputs.chunks_mut(output)) {
        stream.step(x, output).unwrap();
    }
    outputs
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}

#[test]
fn steps_compute_what_a_sequence_does() {
    let (steps, batch, input, hidden) = (30, 5, 9, 70);
    for cell in AnyCell::all() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let x = draw(&mut rng, steps * batch * input, 1.0);
        let mut states = draw(&mut rng, cell.spec().states.len() * batch * hidden, 1.0);
        cell.spec().divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
        let of = |numbers: &[f32], shape: &[usize]| {
            Tensor::from_slice(numbers, shape, &Device::Cpu).unwrap()
        };
        let whole = sequence(
            cell,
            &of(&x, &[steps, batch, input]),
            &weights(cell, input, hidden),
            &of(&states, &[cell.spec().states.len(), batch, hidden]),
            &SequenceOptions::default(),
        )
        .unwrap();
        let mut stream = packed(cell, input, hidden, Precision::F32).stream(batch, 2).unwrap();
        stream.set_states(.., &states).unwrap();
        let output = run(&mut stream, &x, batch * input, batch * hidden);
        for (found, expected) in
            [(output, whole.output), (stream.states(..).unwrap(), whole.states)]
        {
            let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let difference = largest_difference(&found, &expected);
            assert!(difference <= SEQUENCE_TOLERANCE, "{cell}: {difference:e}");
        }
    }
}

/// Every option that a stream has, alone and all together, as far as a cell has them.
fn options(cell: AnyCell) -> Vec<SequenceOptions> {
    let spec = cell.spec();
    let memory = spec.memory.is_some();
    let pre = spec.blocks.iter().any(|block| block.is_normalized());
    let projection = (memory && spec.output_is_state).then_some(45);
    let norm = |pre, memory| Norm { pre, memory };
    let all = SequenceOptions::default()
        .with_projection(projection)
        .with_norm(norm(pre, memory))
        .with_zoneout(vec![0.3; spec.states.len()])
        .with_clip(0.4);
    vec![
        SequenceOptions::default().with_projection(projection),
        SequenceOptions::default().with_norm(norm(pre, false)),
        SequenceOptions::default().with_norm(norm(false, memory)),
        SequenceOptions::default().with_zoneout(all.zoneout.clone()),
        SequenceOptions::default().with_clip(all.clip),
        all,
    ]
}

#[test]
fn steps_with_options_compute_what_a_sequence_does() {
    let (steps, batch, input, hidden) = (30, 3, 9, 70);
    for cell in AnyCell::all() {
        for options in options(cell) {
            let norm = options.norm;
            let layer = LayerShape {
                projection: options.projection,
                norm,
                ..LayerShape::new(input, hidden)
            };
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let x = draw(&mut rng, steps * batch * input, 1.0);
            let len = Layout::of(cell.spec(), layer).len();
            let weights = Tensor::new(draw(&mut rng, len, 0.2), &Device::Cpu).unwrap();
            let states = (cell.spec().states.len(), batch, hidden);
            let zeros = Tensor::zeros(states, DType::F32, &Device::Cpu).unwrap();
            let all = Tensor::from_slice(&x, (steps, batch, input), &Device::Cpu).unwrap();
            let whole = sequence(cell, &all, &weights, &zeros, &options).unwrap();
            for threads in [1, 3] {
                let sizes = [input, hidden];
                let stream =
                    LayerStreamWeights::new(cell, &weights, sizes, Precision::F32, &options);
                let mut stream = stream.unwrap().stream(batch, threads).unwrap();
                let output = run(&mut stream, &x, batch * input, batch * layer.output());
                let states = stream.states(..).unwrap();
                for (found, expected) in [(&output, &whole.output), (&states, &whole.states)] {
                    let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    let scale = expected.iter().fold(1.0, |scale: f32, x| scale.max(x.abs()));
                    let difference = largest_difference(found, &expected) / scale;
                    assert!(difference <= OPTIONS_TOLERANCE, "{cell} {options:?}: {difference:e}");
                }
            }
        }
    }
}

#[test]
fn rounded_projections_stay_close() {
    let (steps, input, hidden, size) = (200, 33, 130, 50);
    let options = SequenceOptions::default().with_projection(size);
    let layer = LayerShape { projection: options.projection, ..LayerShape::new(input, hidden) };
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let x = draw(&mut rng, steps * input, 1.0);
    let len = Layout::of(AnyCell::LSTM.spec(), layer).len();
    let weights = Tensor::new(draw(&mut rng, len, 0.1), &Device::Cpu).unwrap();
    let output = |precision| {
        let sizes = [input, hidden];
        let stream = LayerStreamWeights::new(AnyCell::LSTM, &weights, sizes, precision, &options);
        run(&mut stream.unwrap().stream(1, 2).unwrap(), &x, input, size)
    };
    let exact = output(Precision::F32);
    let largest = exact.iter().fold(0.0, |largest: f32, y| largest.max(y.abs()));
    for (precision, bound) in LOSSES {
        let loss = largest_difference(&output(precision), &exact) / largest;
        // A projection's own rounding comes on top.
        assert!(loss > 0.0 && loss <= 2.0 * bound, "{precision:?}: {loss}");
    }
}

#[test]
fn options_of_whole_sequences_are_refused() {
    let (cell, sizes) = (AnyCell::GRU, [3, 4]);
    let resets = Tensor::zeros((1, 1), DType::U8, &Device::Cpu).unwrap();
    let plain = SequenceOptions::default;
    for (options, expected) in [
        (plain().with_reverse(true), "without `reverse`"),
        (plain().with_lengths(vec![1]), "without `lengths`"),
        (plain().with_resets(resets), "without `resets`"),
        (plain().with_seed(1), "without `seed`"),
        (plain().with_telemetry(true), "without `telemetry`"),
        (plain().with_projection(2), "gru: no projection"),
        (plain().with_clip(-1.0), "above 0, got -1"),
    ] {
        let weights = weights(cell, 3, 4);
        let result = LayerStreamWeights::new(cell, &weights, sizes, Precision::F32, &options);
        let error = result.err().unwrap().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    // HiddenDropout takes effect with a seed alone.
    let hidden_dropout = HiddenDropout { rate: 0.5, per_step: false };
    let options = plain().with_hidden_dropout(hidden_dropout);
    let result =
        LayerStreamWeights::new(cell, &weights(cell, 3, 4), sizes, Precision::F32, &options);
    assert!(result.is_ok());
}

#[test]
fn rounded_weights_lose_no_more_than_is_said() {
    for cell in AnyCell::all() {
        let losses = match cell {
            AnyCell::LSTM | AnyCell::FGN | AnyCell::FGN_SCAN => LOSSES,
            _ => LARGEST_LOSSES,
        };
        for size in [128, 512] {
            let x = draw(&mut ChaCha8Rng::seed_from_u64(3), 1000 * size, 1.0);
            let output = |precision| {
                let mut stream = packed(cell, size, size, precision).stream(1, 1).unwrap();
                run(&mut stream, &x, size, size)
            };
            let exact = output(Precision::F32);
            let largest = exact.iter().fold(0.0, |largest: f32, y| largest.max(y.abs()));
            for (precision, bound) in losses {
                let loss = largest_difference(&output(precision), &exact) / largest;
                assert!(loss <= bound, "{cell} {size} {precision:?}: {loss}");
                assert!(loss > 0.0, "{cell} {size} {precision:?} rounds nothing");
            }
        }
    }
}

#[test]
fn states_go_out_and_in_for_all_and_for_some_sequences() {
    let (batch, input, hidden) = (3, 4, 21);
    for cell in AnyCell::all() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let x = draw(&mut rng, 6 * batch * input, 1.0);
        let weights = packed(cell, input, hidden, Precision::F32);
        let run = |stream: &mut LayerStream| run(stream, &x, batch * input, batch * hidden);
        let mut first = weights.stream(batch, 1).unwrap();
        let from_zero = run(&mut first);
        let states = first.states(..).unwrap();
        let later = run(&mut first);

        let mut second = weights.clone().stream(batch, 1).unwrap();
        second.set_states(.., &states).unwrap();
        assert_eq!(second.states(..).unwrap(), states);
        assert_eq!(run(&mut second), later, "{cell}");

        second.reset(..).unwrap();
        assert!(second.states(..).unwrap().iter().all(|&state| state == 0.0));
        assert_eq!(run(&mut second), from_zero, "{cell}");

        // The sequence in the middle begins anew, and the others go on.
        second.reset(1..2).unwrap();
        let mixed = run(&mut second);
        for (n, output) in mixed.chunks(hidden).enumerate() {
            let expected = if n % batch == 1 { &from_zero } else { &later };
            assert_eq!(output, &expected[n * hidden..][..hidden], "{cell}");
        }

        second.reset(..).unwrap();
        for b in 0..batch {
            let own: Vec<_> =
                states.chunks(hidden).skip(b).step_by(batch).flatten().copied().collect();
            assert_eq!(states_of(&weights, batch, &states, b), own);
            second.set_states(b..=b, &own).unwrap();
        }
        assert_eq!(second.states(..).unwrap(), states, "{cell}");
    }
}

/// What a stream that was given `states` says of sequence `b`.
fn states_of(weights: &LayerStreamWeights, batch: usize, states: &[f32], b: usize) -> Vec<f32> {
    let mut stream = weights.stream(batch, 1).unwrap();
    stream.set_states(.., states).unwrap();
    stream.states(b..b + 1).unwrap()
}

#[test]
fn streams_move_between_threads_and_share_weights() {
    let weights = packed(AnyCell::FGN, 5, 40, Precision::Bf16);
    let run_on = |threads| {
        let mut stream = weights.stream(1, threads).unwrap();
        let step = move || {
            let mut output = vec![0.0; 40];
            stream.step(&[0.5; 5], &mut output).unwrap();
            output
        };
        std::thread::spawn(step)
    };
    let outputs = [1, 2, 3].map(run_on).map(|thread| thread.join().unwrap());
    assert!(outputs[0] == outputs[1] && outputs[0] == outputs[2]);
}

#[test]
fn a_format_s_size_shows() {
    let bytes = |precision| packed(AnyCell::LSTM, 128, 128, precision).bytes() as f64;
    let exact = bytes(Precision::F32);
    assert!((bytes(Precision::Bf16) / exact - 0.5).abs() < 0.02);
    assert!((bytes(Precision::Int8) / exact - 0.25).abs() < 0.02);
}

#[test]
fn what_does_not_fit_is_named() {
    let cell = AnyCell::LSTM;
    let zeros = |len: usize| Tensor::zeros(len, DType::F32, &Device::Cpu).unwrap();
    let wide = zeros(144).to_dtype(DType::F64).unwrap();
    for (weights, input, hidden, expected) in [
        (&zeros(143), 3, 4, "[144] in F32, got [143] in F32"),
        (&wide, 3, 4, "got [144] in F64"),
        (&zeros(0), 0, 4, "no size may be zero"),
        (&zeros(0), 3, 0, "no size may be zero"),
    ] {
        let result = LayerStreamWeights::new(
            cell,
            weights,
            [input, hidden],
            Precision::F32,
            &SequenceOptions::default(),
        );
        let error = result.err().unwrap().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    let weights = LayerStreamWeights::new(
        cell,
        &zeros(144),
        [3, 4],
        Precision::F32,
        &SequenceOptions::default(),
    )
    .unwrap();
    for (batch, threads) in [(0, 1), (1, 0)] {
        let error = weights.stream(batch, threads).err().unwrap().to_string();
        assert!(error.contains("neither may be zero"), "{error:?}");
    }
    let mut stream = weights.stream(2, 1).unwrap();
    let mut output = [7.0; 8];
    let errors = [
        (stream.step(&[0.0; 5], &mut output), "inputs of 2 · 3 numbers, got 5"),
        (stream.step(&[0.0; 6], &mut output[..7]), "outputs of 2 · 4 numbers, got 7"),
        (stream.set_states(.., &[0.0; 15]), "states of 2 · 2 · 4 numbers, got 15"),
        (stream.set_states(1..3, &[0.0; 16]), "sequences 1..3 of a stream of 2"),
        (stream.reset(..=usize::MAX), "of a stream of 2"),
        (stream.states(2..=2).map(drop), "sequences 2..3 of a stream of 2"),
    ];
    for (result, expected) in errors {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    assert_eq!(output, [7.0; 8]);
}
