//! The options of a run as Candle sees them: what is refused, and the counts of gates.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, LayerShape, Layout, Norm, Role};
use fgn_kernels::{Emit, GateStatistics, HiddenDropout, SequenceOptions, sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const STEPS: usize = 7;
const BATCH: usize = 3;
const INPUT: usize = 2;
const HIDDEN: usize = 19;

fn random(shape: &[usize], scale: f64, seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let numbers: Vec<f64> = (0..count).map(|_| rng.random_range(-scale..scale)).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn layer_shape(options: &SequenceOptions) -> LayerShape {
    let (projection, norm) = (options.projection, options.norm);
    LayerShape { projection, norm, ..LayerShape::new(INPUT, HIDDEN) }
}

/// `x`, weights and states that fit the cell and the options.
fn arguments(cell: AnyCell, options: &SequenceOptions, scale: f64) -> [Tensor; 3] {
    let spec = cell.spec();
    let len = Layout::of(spec, layer_shape(options)).len();
    [
        random(&[STEPS, BATCH, INPUT], 2.0, 1),
        random(&[len], scale, 2),
        random(&[spec.states.len(), BATCH, HIDDEN], 1.0, 3),
    ]
}

#[test]
fn options_out_of_range_are_named() {
    let zeros =
        |shape: [usize; 2], dtype| Some(Tensor::zeros(&shape, dtype, &Device::Cpu).unwrap());
    let drop = |rate| HiddenDropout { rate, per_step: false };
    let memory = Norm { pre: false, memory: true };
    let with = |change: fn(&mut SequenceOptions)| {
        let mut options = SequenceOptions::default();
        change(&mut options);
        options
    };
    let (lstm, gru) = (AnyCell::LSTM, AnyCell::GRU);
    for (cell, options, expected) in [
        (lstm, with(|o| o.lengths = Some(vec![7, 7])), "a length for each of 3 sequences, got 2"),
        (lstm, with(|o| o.lengths = Some(vec![7; 4])), "a length for each of 3 sequences, got 4"),
        (lstm, with(|o| o.lengths = Some(vec![7, 0, 7])), "of 1 to 7, got 0 for sequence 1"),
        (lstm, with(|o| o.lengths = Some(vec![7, 7, 8])), "of 1 to 7, got 8 for sequence 2"),
        (
            lstm,
            SequenceOptions::default().with_resets(zeros([3, 7], DType::U8)),
            "resets of shape [7, 3] in U8, got [3, 7] in U8",
        ),
        (
            lstm,
            SequenceOptions::default().with_resets(zeros([7, 3], DType::F32)),
            "resets of shape [7, 3] in U8, got [7, 3] in F32",
        ),
        (
            lstm,
            SequenceOptions::default().with_resets(zeros([7, 3], DType::U32)),
            "got [7, 3] in U32",
        ),
        (lstm, with(|o| o.projection = Some(0)), "a projection to 1 to 18 units, got 0"),
        (lstm, with(|o| o.projection = Some(19)), "a projection to 1 to 18 units, got 19"),
        (gru, with(|o| o.projection = Some(2)), "gru: no projection"),
        (AnyCell::FGN, with(|o| o.projection = Some(2)), "fgn: no projection"),
        (gru, SequenceOptions::default().with_norm(memory), "gru: no normalisation of the memory"),
        (
            lstm,
            with(|o| o.zoneout = vec![0.1; 3]),
            "at most 2 rates of zoneout, one a state, got 3",
        ),
        (gru, with(|o| o.zoneout = vec![0.1; 2]), "at most 1 rates of zoneout, one a state, got 2"),
        (lstm, with(|o| o.zoneout = vec![0.0, 1.0]), "zoneout of at least 0 and below 1, got 1"),
        (lstm, with(|o| o.zoneout = vec![f64::NAN]), "zoneout of at least 0 and below 1, got NaN"),
        (
            lstm,
            SequenceOptions::default().with_hidden_dropout(drop(-0.5)),
            "hidden dropout of at least 0 and below 1, got -0.5",
        ),
        (lstm, with(|o| o.clip = Some(0.0)), "clipped at a finite number above 0, got 0"),
        (lstm, with(|o| o.clip = Some(-1.0)), "clipped at a finite number above 0, got -1"),
        (lstm, with(|o| o.clip = Some(f64::INFINITY)), "a finite number above 0, got inf"),
    ] {
        let [x, weights, states] = arguments(cell, &SequenceOptions::default(), 1.0);
        let error = sequence(cell, &x, &weights, &states, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        // What needs no input is found before there is one.
        let early = options.check(cell, HIDDEN).map_err(|error| error.to_string());
        let of_input = options.lengths.is_some() || options.resets.is_some();
        assert_eq!(early.is_ok(), of_input, "{expected}: {early:?}");
    }
    // A projection or normalisation has parameters: without them the weights do not fit.
    let options = with(|o| o.norm.pre = true);
    let [x, weights, states] = arguments(lstm, &SequenceOptions::default(), 1.0);
    let error = sequence(lstm, &x, &weights, &states, &options).unwrap_err().to_string();
    let plain = Layout::new(lstm.spec(), INPUT, HIDDEN).len();
    let expected = format!("weights of shape [{}], got [{plain}]", plain + 4 * HIDDEN);
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn sizes_of_zero_and_numbers_of_other_types_are_named() {
    let cell = AnyCell::GRU;
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    for options in [
        SequenceOptions::default(),
        SequenceOptions::default().with_lengths(vec![]),
        SequenceOptions::default().with_emit(Emit::Last),
    ] {
        for (x, states) in [
            (zeros(&[0, 3, 2]), zeros(&[1, 3, 19])),
            (zeros(&[7, 0, 2]), zeros(&[1, 0, 19])),
            (zeros(&[7, 3, 0]), zeros(&[1, 3, 19])),
            (zeros(&[7, 3, 2]), zeros(&[1, 3, 0])),
        ] {
            let error = sequence(cell, &x, &zeros(&[10]), &states, &options).unwrap_err();
            assert!(error.to_string().contains("no size may be zero"), "{error}");
        }
    }
    for dtype in [DType::F16, DType::BF16, DType::U8, DType::I64] {
        let all = arguments(cell, &SequenceOptions::default(), 1.0);
        for other in 0..3 {
            let mut tensors = all.clone().map(|tensor| tensor.to_dtype(DType::F32).unwrap());
            tensors[other] = tensors[other].to_dtype(dtype).unwrap();
            let [x, weights, states] = &tensors;
            let error =
                sequence(cell, x, weights, states, &SequenceOptions::default()).unwrap_err();
            let error = error.to_string();
            let expected =
                format!("all of f32 or all of f64, got {}", ["input", "weights", "states"][other]);
            let first = "all of f32 or all of f64, got ";
            let names = error.contains(&expected) || other == 0 && error.contains(first);
            assert!(names && error.contains(&format!("{dtype:?}")), "{error}");
        }
    }
}

/// The gates of each step that counts, `[steps, H]`, computed once more from the states before it.
fn gates(
    cell: AnyCell,
    options: &SequenceOptions,
    arguments: &[Tensor; 3],
    block: usize,
) -> Vec<Vec<f64>> {
    let [x, weights, states] = arguments;
    let all = options.clone().with_emit(Emit::States);
    let run = sequence(cell, x, weights, states, &all).unwrap();
    let after = run.output.narrow(2, 1, 1).unwrap().squeeze(2).unwrap();
    let after = after.to_vec3::<f64>().unwrap();
    let first = states.get(0).unwrap().to_vec2::<f64>().unwrap();
    let x = x.to_vec3::<f64>().unwrap();
    let weights = weights.to_vec1::<f64>().unwrap();
    let layout = Layout::of(cell.spec(), layer_shape(options));
    let row = |name: &str, unit: usize| -> &[f64] {
        let Some(slot) = layout.tensor(name) else { return &[] };
        let Some(place) = slot.blocks.iter().position(|&other| other == block) else { return &[] };
        let columns = slot.len() / (slot.blocks.len() * HIDDEN);
        &weights[slot.offset + (place * HIDDEN + unit) * columns..][..columns]
    };
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut found = Vec::new();
    for b in 0..BATCH {
        let length = options.lengths.as_ref().map_or(STEPS, |lengths| lengths[b]);
        for k in 0..length {
            let t = if options.reverse { length - 1 - k } else { k };
            let before = match k {
                0 => &first[b],
                _ if options.reverse => &after[t + 1][b],
                _ => &after[t - 1][b],
            };
            let mut step: Vec<f64> = (0..HIDDEN)
                .map(|unit| {
                    dot(row("weight_ih", unit), &x[t][b]) + dot(row("weight_hh", unit), before)
                })
                .collect();
            if options.norm.pre {
                let mean = step.iter().sum::<f64>() / HIDDEN as f64;
                let squares = step.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
                let std = (squares / HIDDEN as f64 + 1e-5).sqrt();
                for (unit, x) in step.iter_mut().enumerate() {
                    *x = (*x - mean) / std * row("norm_pre", unit)[0];
                }
            }
            for (unit, x) in step.iter_mut().enumerate() {
                let biases = [row("bias_ih", unit), row("bias_hh", unit)];
                *x = 1.0 / (1.0 + (-*x - biases.concat().iter().sum::<f64>()).exp());
            }
            found.push(step);
        }
    }
    found
}

fn assert_counts(gate: &GateStatistics, steps: &[Vec<f64>], what: &str) {
    for unit in 0..HIDDEN {
        let share = |of: fn(f64) -> f64| {
            steps.iter().map(|step| of(step[unit])).sum::<f64>() / steps.len() as f64
        };
        for (name, found, expected) in [
            ("mean", gate.mean[unit], share(|x| x)),
            ("closed", gate.closed[unit], share(|x| f64::from(x < 0.05))),
            ("open", gate.open[unit], share(|x| f64::from(x > 0.95))),
        ] {
            assert!((found - expected).abs() < 1e-9, "{what} {name}[{unit}]: {found}, {expected}");
        }
    }
}

#[test]
fn gates_are_counted_as_they_were() {
    let lengths = Some(vec![5, 7, 1]);
    let norm = Norm { pre: true, memory: false };
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::GRU, AnyCell::CIFG, AnyCell::MIN_GRU] {
        for options in [
            SequenceOptions::default(),
            SequenceOptions::default().with_lengths(lengths.clone()),
            SequenceOptions::default().with_lengths(lengths.clone()).with_reverse(true),
            SequenceOptions::default().with_norm(norm).with_lengths(lengths.clone()),
            SequenceOptions::default().with_emit(Emit::Last),
        ] {
            let arguments = arguments(cell, &options, 2.0);
            let [x, weights, states] = &arguments;
            let counted = options.clone().with_telemetry(true);
            let run = sequence(cell, x, weights, states, &counted).unwrap();
            let blocks = cell.spec().blocks.iter().enumerate().filter(|(_, block)| block.is_gate());
            let blocks: Vec<_> = blocks.collect();
            assert_eq!(run.gates.len(), blocks.len());
            let mut extremes = [0.0; 2];
            for (gate, (place, block)) in run.gates.iter().zip(blocks) {
                assert_eq!((gate.name, gate.role), (block.name, block.role));
                let steps = gates(cell, &options, &arguments, place);
                assert_counts(gate, &steps, &format!("{cell} {} {options:?}", gate.name));
                extremes[0] += gate.closed.iter().sum::<f64>();
                extremes[1] += gate.open.iter().sum::<f64>();
            }
            assert!(extremes.iter().all(|&sum| sum > 0.0), "{cell}: no gate is ever saturated");
            // Counting changes nothing, and is off unless asked for.
            let plain = sequence(cell, x, weights, states, &options).unwrap();
            assert!(plain.gates.is_empty());
            let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            assert_eq!(numbers(&plain.output), numbers(&run.output));
        }
    }
}

#[test]
fn the_same_counts_on_any_number_of_threads_and_in_either_type() {
    let options = SequenceOptions::default().with_telemetry(true);
    let arguments = arguments(AnyCell::LSTM, &options, 2.0);
    let counts = |threads, dtype| {
        let [x, weights, states] = arguments.clone().map(|tensor| tensor.to_dtype(dtype).unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = || sequence(AnyCell::LSTM, &x, &weights, &states, &options).unwrap().gates;
        pool.install(run)
    };
    let alone = counts(1, DType::F64);
    assert_eq!(alone, counts(2, DType::F64));
    assert_eq!(alone, counts(3, DType::F64));
    for (exact, rounded) in alone.iter().zip(counts(2, DType::F32)) {
        for (exact, rounded) in exact.mean.iter().zip(&rounded.mean) {
            assert!((exact - rounded).abs() < 1e-5, "{exact} {rounded}");
        }
    }
}

#[test]
fn how_long_a_gate_remembers() {
    let gate = |role| GateStatistics {
        name: "f",
        role,
        mean: vec![0.5, 0.9],
        closed: vec![0.0; 2],
        open: vec![0.0; 2],
    };
    let memory: Vec<_> = gate(Role::Forget).time_constants().collect();
    assert!((memory[0] - 2.0).abs() < 1e-12 && (memory[1] - 10.0).abs() < 1e-12, "{memory:?}");
    let memory: Vec<_> = gate(Role::Update).time_constants().collect();
    assert!((memory[0] - 2.0).abs() < 1e-12 && (memory[1] - 1.0 / 0.9).abs() < 1e-12, "{memory:?}");
}
