//! The cross entropy's values and complaints; its gradient is among the gradients.

use candle_core::{Device, Tensor};
use fgn_nn::{Error, cross_entropy};

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
