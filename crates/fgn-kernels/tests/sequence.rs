//! The sequence op as Candle sees it.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Result, Tensor, Var};
use fgn_core::{AnyCell, Layout};
use fgn_kernels::{Emit, SequenceOptions, sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest error of a central finite difference in `f64` with [`STEP`], relative to 1.
const FINITE_DIFFERENCE_TOLERANCE: f64 = 1e-7;
const STEP: f64 = 1e-5;

fn draw(rng: &mut ChaCha8Rng, shape: &[usize]) -> Vec<f64> {
    (0..shape.iter().product()).map(|_| rng.random_range(-0.8..0.8)).collect()
}

/// `x`, `weights` and `states` for a cell.
fn arguments(cell: AnyCell, [t, b, i, h]: [usize; 4]) -> [Var; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let spec = cell.spec();
    let parameters = Layout::new(spec, i, h).len();
    let shapes = [vec![t, b, i], vec![parameters], vec![spec.states.len(), b, h]];
    let mut numbers = shapes.each_ref().map(|shape| draw(&mut rng, shape));
    spec.divisors(&mut numbers[2]).iter_mut().for_each(|n| *n = n.abs() + 0.5);
    let mut shapes = shapes.into_iter();
    numbers.map(|numbers| {
        let shape = shapes.next().unwrap();
        Var::from_vec(numbers, shape, &Device::Cpu).unwrap()
    })
}

/// A loss that weighs every number of output and states differently.
fn loss(cell: AnyCell, [x, weights, states]: [&Tensor; 3], emit: Emit) -> Result<Tensor> {
    let run = sequence(cell, x, weights, states, &SequenceOptions::default().with_emit(emit))?;
    let weigh = |tensor: &Tensor| -> Result<Tensor> {
        let count = tensor.elem_count();
        let by = Tensor::from_vec(
            (0..count).map(|n| (n as f64).sin()).collect(),
            tensor.shape(),
            tensor.device(),
        )?;
        (tensor * by)?.sum_all()
    };
    weigh(&run.output)? + weigh(&run.states)?
}

fn moved(tensor: &Tensor, place: usize, by: f64) -> Tensor {
    let mut numbers = tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    numbers[place] += by;
    Tensor::from_vec(numbers, tensor.shape(), tensor.device()).unwrap()
}

#[test]
fn gradients_through_candle_agree_with_finite_differences() {
    for cell in AnyCell::all() {
        // A finite difference sees no derivative of a binary gate.
        let binary = cell.to_string().contains("binary");
        for emit in [Emit::All, Emit::Last] {
            let vars = arguments(cell, [4, 3, 2, 5]);
            let tensors = [0, 1, 2].map(|n| vars[n].as_tensor());
            let gradients = loss(cell, tensors, emit).unwrap().backward().unwrap();
            for (n, tensor) in tensors.into_iter().enumerate() {
                if binary && n < 2 {
                    continue;
                }
                let gradient = gradients.get(tensor).unwrap().flatten_all().unwrap();
                let gradient = gradient.to_vec1::<f64>().unwrap();
                for (place, &found) in gradient.iter().enumerate() {
                    let at = |by| {
                        let mut moved_tensors = tensors.map(Tensor::clone);
                        moved_tensors[n] = moved(tensor, place, by);
                        let all = [0, 1, 2].map(|n| &moved_tensors[n]);
                        loss(cell, all, emit).unwrap().to_scalar::<f64>().unwrap()
                    };
                    let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    let error = (found - expected).abs() / expected.abs().max(1.0);
                    assert!(
                        error < FINITE_DIFFERENCE_TOLERANCE,
                        "{cell} {emit:?}, argument {n}[{place}]: {found} is not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_last_output_alone_is_the_last_of_all() {
    for cell in AnyCell::all() {
        let vars = arguments(cell, [6, 3, 2, 19]);
        let [x, weights, states] = [0, 1, 2].map(|n| vars[n].as_tensor());
        let all = sequence(cell, x, weights, states, &SequenceOptions::default()).unwrap();
        let last =
            sequence(cell, x, weights, states, &SequenceOptions::default().with_emit(Emit::Last))
                .unwrap();
        let expected = all.output.get(5).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(last.output.to_vec2::<f64>().unwrap(), expected, "{cell}");
        let [all, last] = [&all, &last].map(|run| run.states.to_vec3::<f64>().unwrap());
        assert_eq!(all, last, "{cell}");
    }
}

#[test]
fn states_carry_a_sequence_over_a_cut() {
    for cell in AnyCell::all() {
        let vars = arguments(cell, [9, 2, 3, 4]);
        let [x, weights, states] = [0, 1, 2].map(|n| vars[n].as_tensor());
        let whole = sequence(cell, x, weights, states, &SequenceOptions::default()).unwrap();
        let first = x.narrow(0, 0, 4).unwrap();
        let first = sequence(cell, &first, weights, states, &SequenceOptions::default()).unwrap();
        let second = x.narrow(0, 4, 5).unwrap();
        let second =
            sequence(cell, &second, weights, &first.states, &SequenceOptions::default()).unwrap();
        let parts = Tensor::cat(&[first.output, second.output], 0).unwrap();
        let [whole, parts] = [whole.output, parts].map(|t| t.to_vec3::<f64>().unwrap());
        assert_eq!(whole, parts, "{cell}");
    }
}

#[test]
fn a_view_that_is_not_contiguous_is_read_as_it_is_seen() {
    let cell = AnyCell::LSTM;
    let vars = arguments(cell, [3, 3, 2, 4]);
    let [x, weights, states] = [0, 1, 2].map(|n| vars[n].as_tensor());
    let view = x.transpose(0, 1).unwrap();
    let copy = view.contiguous().unwrap();
    let [view, copy] = [view, copy].map(|x| {
        let run = sequence(cell, &x, weights, states, &SequenceOptions::default()).unwrap();
        run.output.to_vec3::<f64>().unwrap()
    });
    assert_eq!(view, copy);
}

#[test]
fn a_hundred_thousand_steps_run_forward_and_backward_on_a_small_stack() {
    let run = || {
        for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::FGN_SCAN] {
            let vars = arguments(cell, [100_000, 1, 1, 4]);
            let [x, weights, states] = [0, 1, 2].map(|n| vars[n].as_tensor());
            let run = sequence(
                cell,
                x,
                weights,
                states,
                &SequenceOptions::default().with_emit(Emit::Last),
            )
            .unwrap();
            let gradients = run.output.sum_all().unwrap().backward().unwrap();
            let gradient = gradients.get(weights).unwrap().sqr().unwrap().sum_all().unwrap();
            let size = gradient.to_scalar::<f64>().unwrap();
            assert!(size.is_finite() && size > 0.0, "{cell}: {size}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
    thread.join().unwrap();
}

#[test]
fn what_does_not_fit_is_named() {
    let cell = AnyCell::LSTM;
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (x, weights, states) = (zeros(&[5, 2, 3]), zeros(&[160]), zeros(&[2, 2, 4]));
    assert!(sequence(cell, &x, &zeros(&[144]), &states, &SequenceOptions::default()).is_ok());
    for (x, weights, states, expected) in [
        (&zeros(&[5, 2]), &weights, &states, "[T, B, I], got [5, 2]"),
        (&x, &weights, &zeros(&[2, 4]), "[S, B, H], got [2, 4]"),
        (&x, &weights, &zeros(&[2, 3, 4]), "[2, 2, 4], got [2, 3, 4]"),
        (&x, &weights, &zeros(&[1, 2, 4]), "[2, 2, 4], got [1, 2, 4]"),
        (&x, &weights, &states, "[144], got [160]"),
        (&zeros(&[0, 2, 3]), &weights, &states, "no size may be zero"),
        (&x, &zeros(&[0]), &zeros(&[2, 2, 0]), "no size may be zero"),
        (&x, &zeros(&[144]).to_dtype(DType::F64).unwrap(), &states, "weights of F64"),
        (&x.to_dtype(DType::BF16).unwrap(), &zeros(&[144]), &states, "input of BF16"),
    ] {
        let error = sequence(cell, x, weights, states, &SequenceOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}
