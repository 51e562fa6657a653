//! Gradients against central differences, and what has none.

use candle_core::{DType, Device, Tensor, Var};
use fgn_nn::{CtcOptions, Generator, ctc_loss};

use super::drawn_logits;
use crate::common::{check_gradients, flat, var};

const TARGETS: [&[u32]; 4] = [&[0, 0, 2], &[], &[2], &[1, 2, 1]];
const LENGTHS: [usize; 4] = [6, 3, 1, 4];

#[test]
fn gradients_are_central_differences() {
    for (batch_first, shape) in [(false, [6, 4, 4]), (true, [4, 6, 4])] {
        let logits = var("logits", &shape, 21);
        let options = CtcOptions::new(3).with_batch_first(batch_first);
        check_gradients(std::slice::from_ref(&logits), || {
            ctc_loss(&logits.1, Some(&LENGTHS), &TARGETS, &options).unwrap()
        });
    }
}

/// The operation reads views, too: parts of a larger tensor, and other orders of its axes.
#[test]
fn logits_may_be_views() {
    type View = fn(&Tensor) -> candle_core::Result<Tensor>;
    let views: [(&[usize], View); 3] = [
        (&[7, 6, 5], |whole| whole.narrow(0, 1, 6)?.narrow(1, 2, 4)?.narrow(2, 1, 4)),
        (&[4, 6, 4], |whole| whole.transpose(0, 1)),
        (&[4, 4, 7], |whole| whole.narrow(2, 1, 6)?.transpose(0, 2)),
    ];
    let options = CtcOptions::new(3);
    for (shape, view) in views {
        let whole = var("logits", shape, 22);
        check_gradients(std::slice::from_ref(&whole), || {
            let view = view(&whole.1).unwrap();
            assert_eq!(view.dims(), [6, 4, 4]);
            ctc_loss(&view, Some(&LENGTHS), &TARGETS, &options).unwrap()
        });
    }
}

#[test]
fn steps_past_the_length_change_nothing() {
    let mut generator = Generator::seed_from_u64(23);
    let mut logits = drawn_logits(&mut generator, [6, 4, 4], 3.0);
    let options = CtcOptions::new(3);
    let mut run = |far: f64| {
        for (step, row) in logits.iter_mut().enumerate() {
            for (logits, &length) in row.iter_mut().zip(&LENGTHS) {
                if step >= length {
                    logits.fill(far);
                }
            }
        }
        let var = Var::new(logits.clone(), &Device::Cpu).unwrap();
        let losses = ctc_loss(&var, Some(&LENGTHS), &TARGETS, &options).unwrap();
        let gradients = losses.sum_all().unwrap().backward().unwrap();
        (flat(&losses), gradients.get(&var).unwrap().to_vec3::<f64>().unwrap())
    };
    let (losses, gradient) = run(0.5);
    assert!(losses.iter().all(|loss| loss.is_finite()));
    for (step, row) in gradient.iter().enumerate() {
        for (gradient, &length) in row.iter().zip(&LENGTHS) {
            let is_zero = gradient.iter().all(|&x| x == 0.0);
            assert_eq!(is_zero, step >= length, "step {step}");
            assert!(gradient.iter().sum::<f64>().abs() < 1e-14);
        }
    }
    // Not even numbers that are none.
    assert_eq!(run(f64::NAN), (losses, gradient));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_or_on_other_samples() {
    let mut generator = Generator::seed_from_u64(24);
    let logits = drawn_logits(&mut generator, [30, 9, 6], 4.0);
    let logits = Tensor::new(logits, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    let targets: Vec<Vec<u32>> =
        (0..9).map(|at| (0..=at).map(|label| label * at % 5).collect()).collect();
    let run = |logits: &Tensor, targets: &[Vec<u32>]| {
        let var = Var::from_tensor(logits).unwrap();
        let losses = ctc_loss(&var, None, targets, &CtcOptions::new(5)).unwrap();
        let gradients = losses.sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&var).unwrap().transpose(0, 1).unwrap();
        let bits = |tensor: &Tensor| flat(tensor).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        (bits(&losses), bits(&gradient))
    };
    let expected = run(&logits, &targets);
    for threads in [1, 3, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| run(&logits, &targets)) == expected, "{threads} threads");
    }
    for at in 0..9 {
        let (loss, gradient) = run(&logits.narrow(1, at, 1).unwrap(), &targets[at..=at]);
        assert_eq!(loss, expected.0[at..=at]);
        assert_eq!(gradient, expected.1[at * 180..][..180]);
    }
}

/// Nobody asks for the gradient of logits without a graph: the losses are the same.
#[test]
fn losses_without_a_gradient_are_the_same() {
    let (_, logits) = var("logits", &[6, 4, 4], 25);
    let options = CtcOptions::new(3);
    let tracked = ctc_loss(&logits, Some(&LENGTHS), &TARGETS, &options).unwrap();
    let detached = ctc_loss(&logits.detach(), Some(&LENGTHS), &TARGETS, &options).unwrap();
    assert_eq!(flat(&tracked), flat(&detached));
    let detached = detached.sum_all().unwrap().backward();
    assert!(detached.is_ok_and(|gradients| gradients.get(&logits).is_none()));
}
