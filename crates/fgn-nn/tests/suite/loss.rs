//! The values and errors of losses; gradients are tested in `gradients`.

use candle_core::{Device, Tensor};
use fgn_nn::{CrossEntropy, Error, cross_entropy, mean_squared_error, smoothed_cross_entropy};

fn loss(logits: &Tensor, target: &[u32]) -> fgn_nn::Result<Tensor> {
    cross_entropy(logits, &Tensor::new(target, &Device::Cpu).unwrap())
}

#[test]
fn values_by_hand() {
    let logits = Tensor::new(&[[0f64, 3f64.ln()], [1e5, 0.0]], &Device::Cpu).unwrap();
    // Probabilities 1/4 and 3/4; 1 and 0.
    let found: f64 = loss(&logits, &[0, 0]).unwrap().to_scalar().unwrap();
    assert!((found - 4f64.ln() / 2.0).abs() < 1e-15, "{found}");
    let found: f64 = loss(&logits, &[1, 1]).unwrap().to_scalar().unwrap();
    assert!((found - ((4f64 / 3.0).ln() + 1e5) / 2.0).abs() < 1e-10, "{found}");
}

#[test]
fn wrong_targets_are_named() {
    let logits = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    for class in [3, u32::MAX] {
        let error = loss(&logits, &[2, class]).unwrap_err();
        let found = error.to_string();
        let expected = format!("target 1 of the batch is class {class}, but");
        assert!(found.starts_with(&expected), "{found}");
    }
    assert!(matches!(loss(&logits, &[0, 1, 2]), Err(Error::Shape { .. })));
    assert!(matches!(loss(&logits.get(0).unwrap(), &[0]), Err(Error::Shape { .. })));
    let target = Tensor::new(&[0i64, 1], &Device::Cpu).unwrap();
    assert!(matches!(cross_entropy(&logits, &target), Err(Error::DType { .. })));
}

#[test]
fn smoothing_gives_a_share_to_all_classes() {
    let logits = Tensor::new(&[[0f64, 3f64.ln()], [0.5, -0.25]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[0u32, 1], &Device::Cpu).unwrap();
    let found: f64 = smoothed_cross_entropy(&logits, &target, 0.1).unwrap().to_scalar().unwrap();
    let row = |logits: [f64; 2], right: usize| {
        let sum: f64 = logits.iter().map(|x| x.exp()).sum();
        let logarithm = |class: usize| logits[class] - sum.ln();
        -(0..2)
            .map(|class| (0.1 / 2.0 + if class == right { 0.9 } else { 0.0 }) * logarithm(class))
            .sum::<f64>()
    };
    let expected = (row([0.0, 3f64.ln()], 0) + row([0.5, -0.25], 1)) / 2.0;
    assert!((found - expected).abs() < 1e-14, "{found}, expected {expected}");
    let plain: f64 = cross_entropy(&logits, &target).unwrap().to_scalar().unwrap();
    let unsmoothed = smoothed_cross_entropy(&logits, &target, 0.0).unwrap();
    assert_eq!(unsmoothed.to_scalar::<f64>().unwrap(), plain);
    for smoothing in [-0.1, 1.0, f64::NAN] {
        let made = smoothed_cross_entropy(&logits, &target, smoothing);
        assert!(matches!(made, Err(Error::Config { .. })), "{made:?}");
    }
}

/// Logits of four rows and three classes, and their logarithms of probabilities.
fn rows() -> (Tensor, Vec<[f64; 3]>) {
    let rows = [[0.5, -1.0, 2.0], [0.0, 0.25, 0.5], [3.0, 1.0, -2.0], [1.0, 1.0, 1.0]];
    let logarithms = rows.map(|row: [f64; 3]| {
        let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
        row.map(|logit| logit - sum.ln())
    });
    (Tensor::new(&rows, &Device::Cpu).unwrap(), logarithms.to_vec())
}

const TARGETS: [u32; 4] = [2, 0, 1, 2];

/// The formula of the documentation, row by row: `(mean, weight)`.
fn naive(loss: &CrossEntropy, logarithms: &[[f64; 3]], targets: &[u32]) -> (f64, f64) {
    let weight = |class: usize| loss.class_weights.get(class).copied().unwrap_or(1.0);
    let (mut sum, mut weights) = (0.0, 0.0);
    for (row, &target) in logarithms.iter().zip(targets) {
        if loss.ignore_index == Some(target) {
            continue;
        }
        let target = target as usize;
        let focus = (1.0 - row[target].exp()).powf(loss.focal_gamma);
        sum -= (1.0 - loss.label_smoothing) * weight(target) * focus * row[target];
        let all: f64 = (0..3).map(|class| weight(class) * row[class]).sum();
        sum -= loss.label_smoothing / 3.0 * all;
        weights += weight(target);
    }
    (sum / weights, weights)
}

#[test]
fn every_option_is_that_of_the_formula() {
    let (logits, logarithms) = rows();
    let target = Tensor::new(&TARGETS, &Device::Cpu).unwrap();
    let weights = vec![0.5, 3.0, 1.25];
    let plain = CrossEntropy::default;
    for loss in [
        plain(),
        plain().with_class_weights(weights.clone()),
        plain().with_class_weights(weights.clone()).with_label_smoothing(0.2),
        plain().with_focal_gamma(2.0),
        plain().with_focal_gamma(0.5).with_class_weights(weights.clone()),
        plain().with_ignore_index(2).with_class_weights(weights),
        plain().with_ignore_index(0).with_label_smoothing(0.1),
        plain().with_ignore_index(7),
    ] {
        let found = loss.loss(&logits, &target).unwrap();
        let (mean, weight) = naive(&loss, &logarithms, &TARGETS);
        assert!((found.mean.to_scalar::<f64>().unwrap() - mean).abs() < 1e-14, "{loss:?}");
        assert!((found.weight - weight).abs() < 1e-14, "{loss:?}");
        let counted = TARGETS.iter().filter(|&&target| loss.ignore_index != Some(target)).count();
        assert_eq!(found.targets, counted);
        // Of steps it is the same.
        let steps = logits.reshape((2, 2, 3)).unwrap();
        let of_steps = loss.loss(&steps, &target.reshape((2, 2)).unwrap()).unwrap();
        let [one, other] = [&found, &of_steps].map(|loss| loss.mean.to_scalar::<f64>().unwrap());
        assert_eq!(one.to_bits(), other.to_bits(), "{loss:?}");
    }
}

/// PyTorch 2: `F.cross_entropy(logits, target, weight=w, label_smoothing=s)` is a weighted mean: weights that are all the
/// same change nothing.
#[test]
fn weights_count_among_each_other() {
    let (logits, _) = rows();
    let target = Tensor::new(&TARGETS, &Device::Cpu).unwrap();
    let value = |loss: &CrossEntropy| -> f64 {
        loss.loss(&logits, &target).unwrap().mean.to_scalar().unwrap()
    };
    let smoothed = CrossEntropy::default().with_label_smoothing(0.1);
    let same = smoothed.clone().with_class_weights(vec![7.0; 3]);
    assert!((value(&smoothed) - value(&same)).abs() < 1e-14);
}

#[test]
fn without_a_target_that_counts_the_loss_is_zero() {
    let logits = candle_core::Var::new(&[[1f32, 2.0]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[1u32], &Device::Cpu).unwrap();
    let found = CrossEntropy::default().with_ignore_index(1).loss(&logits, &target).unwrap();
    assert_eq!((found.targets, found.weight), (0, 0.0));
    assert_eq!(found.mean.to_scalar::<f32>().unwrap(), 0.0);
    let gradients = found.mean.backward().unwrap();
    let gradient = gradients.get(&logits).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(gradient, [[0.0, 0.0]]);
}

#[test]
fn options_out_of_range_are_refused() {
    let (logits, _) = rows();
    let target = Tensor::new(&TARGETS, &Device::Cpu).unwrap();
    let plain = CrossEntropy::default;
    for (loss, expected) in [
        (plain().with_class_weights(vec![1.0; 2]), "`class_weights` is 2 numbers, expected 3, one"),
        (plain().with_class_weights(vec![1.0, 0.0, 1.0]), "`class_weights` is 0, expected finite"),
        (plain().with_class_weights(vec![1.0, f64::NAN, 1.0]), "`class_weights` is NaN"),
        (plain().with_focal_gamma(-1.0), "`focal_gamma` is -1, expected 0, or"),
        (
            plain().with_focal_gamma(1.0).with_label_smoothing(0.1),
            "expected 0 with label_smoothing",
        ),
    ] {
        let error = loss.loss(&logits, &target).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn squares_are_averaged_over_all_numbers() {
    let output = Tensor::new(&[[1f64, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[[1f32, 0.0], [0.0, 4.5]], &Device::Cpu).unwrap();
    let found: f64 = mean_squared_error(&output, &target).unwrap().to_scalar().unwrap();
    assert_eq!(found, (4.0 + 9.0 + 0.25) / 4.0);
    assert!(matches!(
        mean_squared_error(&output, &target.t().unwrap().narrow(0, 0, 1).unwrap()),
        Err(Error::Shape { .. })
    ));
}
