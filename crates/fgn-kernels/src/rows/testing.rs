//! What the tests of these operations share.

use candle_core::{Device, Tensor, Var};

/// The largest difference allowed between two ways to compute the same, in `f64`, relative to the largest number (at
/// least 1).
const TOLERANCE: f64 = 1e-12;

/// A variable in `f64` of numbers without any structure.
pub(super) fn var(shape: &[usize], seed: f64) -> Var {
    let count: usize = shape.iter().product();
    let numbers = (0..count).map(|n| (seed + n as f64 * 0.7).sin()).collect::<Vec<f64>>();
    Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Checks that two results are equal, and their gradients with respect to all `vars`.
pub(super) fn assert_alike(vars: &[Var], own: &Tensor, other: &Tensor) {
    let by = var(own.dims(), 4.0);
    let gradients =
        |y: &Tensor| (y * by.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    let [of_own, of_other] = [gradients(own), gradients(other)];
    let mut pairs = vec![(own.clone(), other.clone())];
    for var in vars {
        pairs.push((of_own.get(var).unwrap().clone(), of_other.get(var).unwrap().clone()));
    }
    for (own, other) in pairs {
        assert_eq!(own.dims(), other.dims());
        let largest = |x: &Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        let difference = largest(&(&own - &other).unwrap());
        assert!(difference < TOLERANCE * largest(&other).max(1.0), "{difference}");
    }
}
