//! What these tests share.

use candle_core::{DType, Device, Tensor, Var};

/// Widths of rows: one number, less than a vector, more than two vectors of AVX-512, whole vectors.
pub(crate) const WIDTHS: [usize; 4] = [1, 7, 33, 96];
/// The numbers of rows.
pub(crate) const ROWS: [usize; 3] = [1, 5, 130];

/// Of sums of some hundred products of numbers about 1, in `f64`.
const F64_TOLERANCE: f64 = 1e-11;
/// The same in `f32`, relative to the largest number.
const F32_TOLERANCE: f64 = 2e-5;
/// Distance of a central difference: the cube root of the rounding error of an `f64`, about.
const STEP: f64 = 1e-5;
/// The error of a central difference, relative to the largest derivative.
const DIFFERENCE_TOLERANCE: f64 = 1e-7;

/// Numbers from −1 to 1 without any structure.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub(crate) fn var(shape: &[usize], seed: u64) -> Var {
    let values = numbers(shape.iter().product(), seed);
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Compares an operation with its oracle in `f64` and in `f32`, and its gradients with central differences of the oracle.
///
/// `arguments` are the variables that both read; the oracle takes their numbers.
pub(crate) fn check(
    arguments: &[Var],
    operation: &dyn Fn(&[Tensor]) -> Tensor,
    oracle: &dyn Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let tensors: Vec<Tensor> = arguments.iter().map(|var| var.as_tensor().clone()).collect();
    let values: Vec<Vec<f64>> = tensors.iter().map(flat).collect();
    let (found, expected) = (operation(&tensors), oracle(&values));
    assert_close(&flat(&found), &expected, F64_TOLERANCE);
    let narrow: Vec<Var> = tensors
        .iter()
        .map(|tensor| Var::from_tensor(&tensor.to_dtype(DType::F32).unwrap()).unwrap())
        .collect();
    let narrow_tensors: Vec<Tensor> = narrow.iter().map(|var| var.as_tensor().clone()).collect();
    let single = operation(&narrow_tensors);
    assert_eq!(single.dims(), found.dims());
    assert_close(&flat(&single), &expected, F32_TOLERANCE);

    let weights = numbers(expected.len(), 77);
    let by = Tensor::from_slice(&weights, found.shape(), &Device::Cpu).unwrap();
    let gradients = (found * &by).unwrap().sum_all().unwrap().backward().unwrap();
    let by = by.to_dtype(DType::F32).unwrap();
    let narrow_gradients = (single * by).unwrap().sum_all().unwrap().backward().unwrap();
    for (index, var) in arguments.iter().enumerate() {
        let gradient = flat(gradients.get(var).unwrap());
        let single = flat(narrow_gradients.get(&narrow[index]).unwrap());
        assert_close(&single, &gradient, F32_TOLERANCE);
        let scale = gradient.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        // Of large tensors some numbers stand for all.
        let stride = (gradient.len() / 40).max(1);
        for at in (0..gradient.len()).step_by(stride) {
            let sum = |change: f64| -> f64 {
                let mut values = values.clone();
                values[index][at] += change;
                oracle(&values).iter().zip(&weights).map(|(y, weight)| y * weight).sum()
            };
            let expected = (sum(STEP) - sum(-STEP)) / (2.0 * STEP);
            let apart = (gradient[at] - expected).abs();
            assert!(
                apart <= DIFFERENCE_TOLERANCE * scale,
                "argument {index}[{at}]: gradient {}, central difference {expected}",
                gradient[at]
            );
        }
    }
}

/// Checks that numbers agree, relative to the largest of them (at least 1).
pub(crate) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * scale, "[{at}]: {found} {expected}");
    }
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
