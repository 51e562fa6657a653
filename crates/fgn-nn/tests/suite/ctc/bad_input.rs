//! What has no loss, or an infinite one.

use candle_core::{DType, Device, Tensor, Var};
use fgn_nn::{CtcOptions, Error, ctc_loss};

use crate::common::flat;

const NONE: f64 = f64::NEG_INFINITY;

fn zeros(shape: [usize; 3]) -> Tensor {
    Tensor::zeros(shape.to_vec(), DType::F64, &Device::Cpu).unwrap()
}

/// Losses, and the gradient of their sum.
fn run(
    logits: &[[[f64; 3]; 2]; 2],
    targets: &[&[u32]],
    options: CtcOptions,
) -> (Vec<f64>, Vec<f64>) {
    let var = Var::new(logits, &Device::Cpu).unwrap();
    let losses = ctc_loss(&var, None, targets, &options).unwrap();
    let gradients = losses.sum_all().unwrap().backward().unwrap();
    (flat(&losses), flat(gradients.get(&var).unwrap()))
}

#[test]
fn targets_without_an_alignment_are_named_or_count_for_nothing() {
    let logits = zeros([4, 3, 3]);
    let lengths = [4, 2, 4];
    let targets: [&[u32]; 3] = [&[0, 1], &[1, 1], &[0, 0]];
    let error = ctc_loss(&logits, Some(&lengths), &targets, &CtcOptions::new(2)).unwrap_err();
    assert!(matches!(error, Error::TargetSequence { sample: 1, .. }), "{error}");
    let expected = "the target of sample 1 of the batch has 2 labels and 1 repetition, which need 3 steps, \
                    expected at most 2, the length of the sample";
    assert_eq!(error.to_string(), expected);

    let var = Var::from_tensor(&logits).unwrap();
    let options = CtcOptions::new(2).with_zero_infinity(true);
    let losses = ctc_loss(&var, Some(&lengths), &targets, &options).unwrap();
    let gradients = losses.sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&var).unwrap().transpose(0, 1).unwrap().to_vec3::<f64>().unwrap();
    let losses = flat(&losses);
    assert!(losses[0] > 0.0 && losses[1] == 0.0 && losses[2] > 0.0, "{losses:?}");
    let is_zero = |sample: usize| gradient[sample].concat().iter().all(|&x| x == 0.0);
    assert_eq!([0, 1, 2].map(is_zero), [false, true, false]);
}

#[test]
fn an_empty_target_is_all_blanks_and_no_step_is_certain() {
    let logits = zeros([3, 2, 4]);
    let targets: [&[u32]; 2] = [&[], &[]];
    let losses = ctc_loss(&logits, Some(&[3, 0]), &targets, &CtcOptions::new(1)).unwrap();
    let losses = flat(&losses);
    assert!((losses[0] - 3.0 * 4f64.ln()).abs() < 1e-14, "{losses:?}");
    assert_eq!(losses[1].to_bits(), 0);
    let error = ctc_loss(&logits, Some(&[3, 0]), &[vec![], vec![0]], &CtcOptions::new(1));
    assert!(
        error.unwrap_err().to_string().contains("1 label and 0 repetitions, which need 1 step")
    );
}

/// The label 1 is impossible at all steps, so only the first target is possible.
#[test]
fn logits_of_minus_infinity_exclude_paths() {
    let row = [0.0, NONE, 0.0];
    let logits = [[row, row], [row, row]];
    let (losses, gradient) = run(&logits, &[&[0], &[1]], CtcOptions::new(2));
    assert!((losses[0] - (4f64 / 3.0).ln()).abs() < 1e-15, "{losses:?}");
    assert_eq!(losses[1], f64::INFINITY);
    let expected = [0.5 - 2.0 / 3.0, 0.0, 0.5 - 1.0 / 3.0];
    for step in gradient.chunks(6) {
        for (found, expected) in step.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{gradient:?}");
        }
        assert!(step[3..].iter().all(|x| x.is_nan()), "{gradient:?}");
    }
    let options = CtcOptions::new(2).with_zero_infinity(true);
    let (losses, gradient) = run(&logits, &[&[0], &[1]], options);
    assert_eq!(losses[1], 0.0);
    assert!(gradient.chunks(6).all(|step| step[3..] == [0.0; 3]), "{gradient:?}");
}

#[test]
fn logits_that_are_no_numbers_give_a_loss_that_is_none() {
    let row = [0.5, -0.5, 0.0];
    for bad in [f64::NAN, f64::INFINITY] {
        for zero_infinity in [false, true] {
            let logits = [[row, row], [row, [0.0, bad, 0.0]]];
            let options = CtcOptions::new(2).with_zero_infinity(zero_infinity);
            let (losses, gradient) = run(&logits, &[&[0], &[1]], options);
            assert!(losses[0].is_finite() && losses[1].is_nan(), "{bad}: {losses:?}");
            for step in gradient.chunks(6) {
                assert!(step[..3].iter().all(|x| x.is_finite()), "{bad}: {gradient:?}");
                assert!(step[3..].iter().all(|x| x.is_nan()), "{bad}: {gradient:?}");
            }
        }
    }
    let all = [[row, [NONE; 3]], [row, row]];
    assert!(run(&all, &[&[0], &[1]], CtcOptions::new(2)).0[1].is_nan());
}

/// A probability far below the range of an `f64`. Every path takes the label 0 or the blank at each step; 199 states are
/// needed, and the last step doubles one of them or is a blank at either end.
#[test]
fn losses_may_be_very_large() {
    let steps = 200;
    let rows = [0.0, 1e4, 0.0].repeat(steps);
    let logits = Tensor::from_vec(rows, (steps, 1, 3), &Device::Cpu).unwrap();
    let target = vec![0u32; steps / 2];
    let loss = flat(&ctc_loss(&logits, None, &[target], &CtcOptions::new(2)).unwrap())[0];
    let expected = 1e4 * steps as f64 - 201f64.ln();
    assert!((loss - expected).abs() < 1e-7, "{loss}, not {expected}");
}

#[test]
fn what_does_not_fit_is_an_error() {
    let logits = zeros([4, 2, 3]);
    let options = CtcOptions::new(2);
    let good: [&[u32]; 2] = [&[0], &[1]];
    let refused = |logits: &Tensor, lengths: Option<&[usize]>, targets: &[&[u32]], options| {
        ctc_loss(logits, lengths, targets, &options).unwrap_err()
    };
    let error = refused(&logits.get(0).unwrap(), None, &good, options);
    assert!(error.to_string().contains("expected [T, B, V], none of them zero"), "{error}");
    let error = refused(&zeros([4, 0, 3]), None, &[], options.with_batch_first(true));
    assert!(error.to_string().contains("expected [B, T, V]"), "{error}");
    let halves = logits.to_dtype(DType::BF16).unwrap();
    assert!(matches!(refused(&halves, None, &good, options), Error::DType { .. }));
    let error = refused(&logits, Some(&[4]), &good, options);
    assert!(error.to_string().starts_with("lengths of 1 samples for a tensor"), "{error}");
    let error = refused(&logits, Some(&[4, 5]), &good, options);
    assert!(error.to_string().contains("with 5 for a tensor of shape [4, 2, 3]"), "{error}");
    let error = refused(&logits, None, &[&[0]], options);
    assert_eq!(error.to_string(), "targets have shape [1], expected [2], one for each sample");
    let error = refused(&logits, None, &good, CtcOptions::new(3));
    assert_eq!(error.to_string(), "`blank` is 3, expected 0 to 2, a class");
    let error = refused(&logits, None, &[&[0], &[1, 3]], options);
    assert!(matches!(error, Error::Target { index: 1, found: 3, last: 2 }), "{error}");
    let error = refused(&logits, None, &[&[0, 2], &[1]], options);
    let expected = "the target of sample 0 of the batch has the blank, 2, at position 1, expected labels alone";
    assert_eq!(error.to_string(), expected);
}
