//! The values and errors of losses; gradients are tested in `gradients`.

use candle_core::{Device, Tensor};
use fgn_nn::{Error, cross_entropy, mean_squared_error, smoothed_cross_entropy};

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
