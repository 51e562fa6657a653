//! Weights packed once for many sequences.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Result, Tensor, Var};
use fgn_core::{AnyCell, LayerShape, Layout, Norm};
use fgn_kernels::{PackedWeights, SequenceOptions, SequenceOutput, sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn draw(rng: &mut ChaCha8Rng, shape: &[usize], dtype: DType) -> Tensor {
    let numbers = (0..shape.iter().product()).map(|_| rng.random_range(0.1..0.8)).collect();
    let tensor = Tensor::from_vec::<_, f64>(numbers, shape, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

fn weights(rng: &mut ChaCha8Rng, cell: AnyCell, layer: LayerShape, dtype: DType) -> Tensor {
    let weights = draw(rng, &[Layout::of(cell.spec(), layer).len()], dtype);
    ((weights - 0.45).unwrap() * 0.2).unwrap()
}

fn x_and_states(
    rng: &mut ChaCha8Rng,
    cell: AnyCell,
    [t, b, i, h]: [usize; 4],
    dtype: DType,
) -> [Tensor; 2] {
    [draw(rng, &[t, b, i], dtype), draw(rng, &[cell.spec().states.len(), b, h], dtype)]
}

fn bits(run: Result<SequenceOutput>) -> [Vec<u64>; 2] {
    let run = run.unwrap();
    [run.output, run.states].map(|tensor| {
        let numbers = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
        numbers.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
    })
}

#[test]
fn every_run_gives_what_a_sequence_gives() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for cell in AnyCell::all() {
        for dtype in [DType::F32, DType::F64] {
            let (i, h) = (5, 17);
            let flat = weights(&mut rng, cell, LayerShape::new(i, h), dtype);
            let packed =
                PackedWeights::new(cell, &flat, [i, h], &SequenceOptions::default()).unwrap();
            // Few sequences and many, which may be packed differently, and the first layout again.
            for (t, b) in [(1, 1), (3, 100), (9, 2)] {
                let [x, states] = x_and_states(&mut rng, cell, [t, b, i, h], dtype);
                let lengths = Some((0..b).map(|b| 1 + b % t).collect());
                for options in
                    [SequenceOptions::default(), SequenceOptions::default().with_lengths(lengths)]
                {
                    let found = bits(packed.sequence(&x, &states, &options));
                    let expected = bits(sequence(cell, &x, &flat, &states, &options));
                    assert_eq!(found, expected, "{cell} {dtype:?} {t} steps of {b}");
                }
            }
        }
    }
}

#[test]
fn units_that_threads_share_a_projection_and_norms_are_as_in_a_sequence() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(2), AnyCell::LSTM, DType::F32);
    let norm = Norm { pre: true, memory: true };
    let special = SequenceOptions::default().with_projection(7).with_norm(norm);
    for (h, options) in [(300, SequenceOptions::default()), (20, special)] {
        let layer = LayerShape {
            projection: options.projection,
            norm: options.norm,
            ..LayerShape::new(3, h)
        };
        let flat = weights(&mut rng, cell, layer, dtype);
        let packed = PackedWeights::new(cell, &flat, [3, h], &options).unwrap();
        for b in [1, 4, 300] {
            let [x, states] = x_and_states(&mut rng, cell, [3, b, 3, h], dtype);
            let found = bits(packed.sequence(&x, &states, &options));
            assert_eq!(found, bits(sequence(cell, &x, &flat, &states, &options)), "{h} {b}");
        }
    }
}

#[test]
fn threads_that_begin_together_pack_once_and_agree() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(3), AnyCell::LSTM, DType::F32);
    let flat = weights(&mut rng, cell, LayerShape::new(3, 300), dtype);
    // Some runs take a team of threads, others deal their sequences out.
    let runs = [4, 300, 4, 300].map(|b| x_and_states(&mut rng, cell, [2, b, 3, 300], dtype));
    let options = SequenceOptions::default();
    for _ in 0..5 {
        let packed = PackedWeights::new(cell, &flat, [3, 300], &options).unwrap();
        std::thread::scope(|scope| {
            for [x, states] in &runs {
                let (packed, options) = (packed.clone(), &options);
                let expected = bits(sequence(cell, x, &flat, states, options));
                scope.spawn(move || {
                    assert_eq!(bits(packed.sequence(x, states, options)), expected);
                });
            }
        });
    }
}

#[test]
fn input_and_states_are_differentiated_and_the_parameters_are_not() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(4), AnyCell::FGN, DType::F64);
    let flat = Var::from_tensor(&weights(&mut rng, cell, LayerShape::new(3, 9), dtype)).unwrap();
    let [x, states] = x_and_states(&mut rng, cell, [4, 2, 3, 9], dtype);
    let [x, states] = [x, states].map(|tensor| Var::from_tensor(&tensor).unwrap());
    let options = SequenceOptions::default();
    let packed = PackedWeights::new(cell, &flat, [3, 9], &options).unwrap();
    let gradients =
        |run: SequenceOutput| run.output.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let found = gradients(packed.sequence(&x, &states, &options).unwrap());
    let expected = gradients(sequence(cell, &x, &flat, &states, &options).unwrap());
    for variable in [&x, &states] {
        let numbers = [&found, &expected].map(|all| {
            let gradient = all.get(variable).unwrap().flatten_all().unwrap();
            gradient.to_vec1::<f64>().unwrap()
        });
        assert_eq!(numbers[0], numbers[1]);
    }
    assert!(found.get(&flat).is_none());
}

#[test]
fn what_is_learned_later_changes_nothing() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(5), AnyCell::GRU, DType::F32);
    let flat = Var::from_tensor(&weights(&mut rng, cell, LayerShape::new(3, 9), dtype)).unwrap();
    let [x, states] = x_and_states(&mut rng, cell, [4, 2, 3, 9], dtype);
    let options = SequenceOptions::default();
    let packed = PackedWeights::new(cell, &flat, [3, 9], &options).unwrap();
    let before = bits(sequence(cell, &x, &flat, &states, &options));
    // Before the first run, when nothing is packed yet.
    flat.set(&(flat.as_tensor() * 2.0).unwrap()).unwrap();
    assert_eq!(bits(packed.sequence(&x, &states, &options)), before);
    assert_ne!(bits(sequence(cell, &x, &flat, &states, &options)), before);
}

#[test]
fn what_does_not_fit_is_named() {
    let (cell, plain) = (AnyCell::LSTM, SequenceOptions::default());
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let clipped = SequenceOptions::default().with_clip(-1.0);
    for (weights, sizes, options, expected) in [
        (zeros(&[160]), [3, 4], &plain, "[144], got [160]"),
        (zeros(&[144]), [3, 0], &plain, "no size may be zero"),
        (zeros(&[144]), [3, 4], &clipped, "above 0, got -1"),
    ] {
        let error = PackedWeights::new(cell, &weights, sizes, options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    let packed = PackedWeights::new(cell, &zeros(&[144]), [3, 4], &plain).unwrap();
    let other = SequenceOptions::default().with_projection(2);
    let (x, states) = (zeros(&[5, 2, 4]), zeros(&[2, 2, 4]));
    let len =
        Layout::of(cell.spec(), LayerShape { projection: Some(2), ..LayerShape::new(4, 4) }).len();
    // Two units with fourteen features have 144 parameters as well.
    let (wide, two) = (zeros(&[5, 2, 14]), zeros(&[2, 2, 2]));
    for (x, states, options, expected) in [
        (&wide, &two, &plain, "got one for LayerShape { input: 14, hidden: 2".to_string()),
        (&x, &states, &plain, "[160], got [144]".to_string()),
        (&x, &states, &other, format!("[{len}], got [144]")),
        (&zeros(&[5, 2, 3]), &zeros(&[2, 4]), &plain, "[S, B, H], got [2, 4]".to_string()),
    ] {
        let error = packed.sequence(x, states, options).unwrap_err().to_string();
        assert!(error.contains(&expected), "{error:?} does not say {expected:?}");
    }
}
