//! Weights laid out once for many sequences.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Result, Tensor, Var};
use fgn_core::{AnyCell, Form, Layout, Norm};
use fgn_kernels::{Options, Sequence, SequenceWeights, sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn draw(rng: &mut ChaCha8Rng, shape: &[usize], dtype: DType) -> Tensor {
    let numbers = (0..shape.iter().product()).map(|_| rng.random_range(0.1..0.8)).collect();
    let tensor = Tensor::from_vec::<_, f64>(numbers, shape, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

fn weights(rng: &mut ChaCha8Rng, cell: AnyCell, form: Form, dtype: DType) -> Tensor {
    let weights = draw(rng, &[Layout::of(cell.spec(), form).len()], dtype);
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

fn bits(run: Result<Sequence>) -> [Vec<u64>; 2] {
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
            let packed = weights(&mut rng, cell, Form::new(i, h), dtype);
            let laid_out =
                SequenceWeights::new(cell, &packed, [i, h], &Options::default()).unwrap();
            // Few sequences and many, which may be laid out differently, and the first layout again.
            for (t, b) in [(1, 1), (3, 100), (9, 2)] {
                let [x, states] = x_and_states(&mut rng, cell, [t, b, i, h], dtype);
                let lengths = Some((0..b).map(|b| 1 + b % t).collect());
                for options in [Options::default(), Options { lengths, ..Options::default() }] {
                    let found = bits(laid_out.sequence(&x, &states, &options));
                    let expected = bits(sequence(cell, &x, &packed, &states, &options));
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
    let special = Options { projection: Some(7), norm, ..Options::default() };
    for (h, options) in [(300, Options::default()), (20, special)] {
        let form = Form { projection: options.projection, norm: options.norm, ..Form::new(3, h) };
        let packed = weights(&mut rng, cell, form, dtype);
        let laid_out = SequenceWeights::new(cell, &packed, [3, h], &options).unwrap();
        for b in [1, 4, 300] {
            let [x, states] = x_and_states(&mut rng, cell, [3, b, 3, h], dtype);
            let found = bits(laid_out.sequence(&x, &states, &options));
            assert_eq!(found, bits(sequence(cell, &x, &packed, &states, &options)), "{h} {b}");
        }
    }
}

#[test]
fn threads_that_begin_together_lay_out_once_and_agree() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(3), AnyCell::LSTM, DType::F32);
    let packed = weights(&mut rng, cell, Form::new(3, 300), dtype);
    // Some runs take a crew of threads, others deal their sequences out.
    let runs = [4, 300, 4, 300].map(|b| x_and_states(&mut rng, cell, [2, b, 3, 300], dtype));
    let options = Options::default();
    for _ in 0..5 {
        let laid_out = SequenceWeights::new(cell, &packed, [3, 300], &options).unwrap();
        std::thread::scope(|scope| {
            for [x, states] in &runs {
                let (laid_out, options) = (laid_out.clone(), &options);
                let expected = bits(sequence(cell, x, &packed, states, options));
                scope.spawn(move || {
                    assert_eq!(bits(laid_out.sequence(x, states, options)), expected);
                });
            }
        });
    }
}

#[test]
fn input_and_states_are_differentiated_and_the_parameters_are_not() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(4), AnyCell::FGN, DType::F64);
    let packed = Var::from_tensor(&weights(&mut rng, cell, Form::new(3, 9), dtype)).unwrap();
    let [x, states] = x_and_states(&mut rng, cell, [4, 2, 3, 9], dtype);
    let [x, states] = [x, states].map(|tensor| Var::from_tensor(&tensor).unwrap());
    let options = Options::default();
    let laid_out = SequenceWeights::new(cell, &packed, [3, 9], &options).unwrap();
    let gradients =
        |run: Sequence| run.output.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let found = gradients(laid_out.sequence(&x, &states, &options).unwrap());
    let expected = gradients(sequence(cell, &x, &packed, &states, &options).unwrap());
    for variable in [&x, &states] {
        let numbers = [&found, &expected].map(|all| {
            let gradient = all.get(variable).unwrap().flatten_all().unwrap();
            gradient.to_vec1::<f64>().unwrap()
        });
        assert_eq!(numbers[0], numbers[1]);
    }
    assert!(found.get(&packed).is_none());
}

#[test]
fn what_is_learned_later_changes_nothing() {
    let (mut rng, cell, dtype) = (ChaCha8Rng::seed_from_u64(5), AnyCell::GRU, DType::F32);
    let packed = Var::from_tensor(&weights(&mut rng, cell, Form::new(3, 9), dtype)).unwrap();
    let [x, states] = x_and_states(&mut rng, cell, [4, 2, 3, 9], dtype);
    let options = Options::default();
    let laid_out = SequenceWeights::new(cell, &packed, [3, 9], &options).unwrap();
    let before = bits(sequence(cell, &x, &packed, &states, &options));
    // Before the first run, when nothing is laid out yet.
    packed.set(&(packed.as_tensor() * 2.0).unwrap()).unwrap();
    assert_eq!(bits(laid_out.sequence(&x, &states, &options)), before);
    assert_ne!(bits(sequence(cell, &x, &packed, &states, &options)), before);
}

#[test]
fn what_does_not_fit_is_named() {
    let (cell, plain) = (AnyCell::LSTM, Options::default());
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let clipped = Options { clip: Some(-1.0), ..Options::default() };
    for (weights, sizes, options, expected) in [
        (zeros(&[160]), [3, 4], &plain, "[144], got [160]"),
        (zeros(&[144]), [3, 0], &plain, "no size may be zero"),
        (zeros(&[144]), [3, 4], &clipped, "above 0, got -1"),
    ] {
        let error = SequenceWeights::new(cell, &weights, sizes, options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    let laid_out = SequenceWeights::new(cell, &zeros(&[144]), [3, 4], &plain).unwrap();
    let other = Options { projection: Some(2), ..Options::default() };
    let (x, states) = (zeros(&[5, 2, 4]), zeros(&[2, 2, 4]));
    let len = Layout::of(cell.spec(), Form { projection: Some(2), ..Form::new(4, 4) }).len();
    // Two units with fourteen features have 144 parameters as well.
    let (wide, two) = (zeros(&[5, 2, 14]), zeros(&[2, 2, 2]));
    for (x, states, options, expected) in [
        (&wide, &two, &plain, "got one for Form { input: 14, hidden: 2".to_string()),
        (&x, &states, &plain, "[160], got [144]".to_string()),
        (&x, &states, &other, format!("[{len}], got [144]")),
        (&zeros(&[5, 2, 3]), &zeros(&[2, 4]), &plain, "[S, B, H], got [2, 4]".to_string()),
    ] {
        let error = laid_out.sequence(x, states, options).unwrap_err().to_string();
        assert!(error.contains(&expected), "{error:?} does not say {expected:?}");
    }
}
