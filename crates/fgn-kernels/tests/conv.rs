//! The convolution block against a naive one, and its gradient against finite differences.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Result, Tensor, Var};
use fgn_kernels::conv_relu_pool;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest relative error of the block in `f64` and in `f32`.
const TOLERANCE: [f64; 2] = [1e-13, 1e-5];
/// The largest error of a central finite difference in `f64` with [`STEP`], relative to 1.
const FINITE_DIFFERENCE_TOLERANCE: f64 = 1e-8;
const STEP: f64 = 1e-6;

/// B, H, W, C, O.
const SHAPES: [[usize; 5]; 5] =
    [[1, 2, 2, 1, 1], [3, 4, 6, 2, 17], [2, 6, 4, 17, 3], [5, 28, 28, 1, 32], [33, 4, 4, 7, 100]];

fn arguments([b, h, w, c, o]: [usize; 5]) -> [Var; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    [vec![b, h, w, c], vec![o, c, 3, 3], vec![o]].map(|shape| {
        let numbers: Vec<f64> =
            (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
        Var::from_vec(numbers, shape, &Device::Cpu).unwrap()
    })
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn naive([b, h, w, c, o]: [usize; 5], [x, weight, bias]: [&[f64]; 3]) -> Vec<f64> {
    let pixel = |n: usize, y: usize, x_place: usize, channel: usize| {
        let inside = (1..=h).contains(&y) && (1..=w).contains(&x_place);
        if inside { x[((n * h + y - 1) * w + x_place - 1) * c + channel] } else { 0.0 }
    };
    let conv = |n: usize, y: usize, x: usize, o: usize| {
        let mut sum = bias[o];
        for channel in 0..c {
            for tap in 0..9 {
                let number = pixel(n, y + tap / 3, x + tap % 3, channel);
                sum += weight[(o * c + channel) * 9 + tap] * number;
            }
        }
        sum
    };
    let mut result = Vec::new();
    for n in 0..b {
        for y in (0..h).step_by(2) {
            for x in (0..w).step_by(2) {
                for o in 0..o {
                    let four =
                        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| conv(n, y + dy, x + dx, o));
                    result.push(four.into_iter().fold(0.0, f64::max));
                }
            }
        }
    }
    result
}

#[test]
fn the_block_is_the_naive_one() {
    for shape in SHAPES {
        let vars = arguments(shape);
        let numbers = [0, 1, 2].map(|n| flat(&vars[n]));
        let expected = naive(shape, [0, 1, 2].map(|n| &numbers[n][..]));
        for (dtype, tolerance) in [DType::F64, DType::F32].into_iter().zip(TOLERANCE) {
            let [x, weight, bias] = [0, 1, 2].map(|n| vars[n].to_dtype(dtype).unwrap());
            let found = conv_relu_pool(&x, &weight, &bias).unwrap();
            let [b, h, w, _, o] = shape;
            assert_eq!(found.dims(), [b, h / 2, w / 2, o]);
            for (found, expected) in flat(&found).iter().zip(&expected) {
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error <= tolerance, "{shape:?} {dtype:?}: {found} is not {expected}");
            }
        }
    }
}

/// A loss that weighs every number of the result differently.
fn loss([x, weight, bias]: [&Tensor; 3]) -> Result<Tensor> {
    let result = conv_relu_pool(x, weight, bias)?;
    let by: Vec<f64> = (0..result.elem_count()).map(|n| (n as f64).sin()).collect();
    (&result * Tensor::from_vec(by, result.shape(), &Device::Cpu)?)?.sum_all()
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    for shape in [[1, 2, 2, 1, 1], [3, 4, 6, 2, 17], [2, 6, 4, 17, 3]] {
        let vars = arguments(shape);
        let tensors = [0, 1, 2].map(|n| vars[n].as_tensor());
        let gradients = loss(tensors).unwrap().backward().unwrap();
        for (n, tensor) in tensors.into_iter().enumerate() {
            let gradient = flat(gradients.get(tensor).unwrap());
            for (place, &found) in gradient.iter().enumerate() {
                let at = |by| {
                    let mut numbers = flat(tensor);
                    numbers[place] += by;
                    let mut moved = tensors.map(Tensor::clone);
                    moved[n] = Tensor::from_vec(numbers, tensor.shape(), &Device::Cpu).unwrap();
                    loss([0, 1, 2].map(|n| &moved[n])).unwrap().to_scalar::<f64>().unwrap()
                };
                let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(
                    error < FINITE_DIFFERENCE_TOLERANCE,
                    "{shape:?}, argument {n}[{place}]: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn the_gradient_in_f32_is_that_in_f64_on_any_number_of_threads() {
    let shape = [37, 4, 4, 7, 100];
    let vars = arguments(shape);
    let gradient = |dtype, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let vars = [0, 1, 2].map(|n| Var::from_tensor(&vars[n].to_dtype(dtype).unwrap()).unwrap());
        pool.install(|| {
            let result = conv_relu_pool(&vars[0], &vars[1], &vars[2]).unwrap();
            let gradients = result.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            vars.map(|var| flat(gradients.get(&var).unwrap()))
        })
    };
    let exact = gradient(DType::F64, 1);
    let alone = gradient(DType::F32, 1);
    assert!(alone == gradient(DType::F32, 2) && alone == gradient(DType::F32, 5));
    for (alone, exact) in alone.iter().zip(&exact) {
        let scale = exact.iter().fold(0.0, |scale: f64, x| scale.max(x.abs()));
        for (found, expected) in alone.iter().zip(exact) {
            assert!((found - expected).abs() <= TOLERANCE[1] * scale, "{found} is not {expected}");
        }
    }
}

#[test]
fn what_is_no_number_gets_through() {
    let [_, weight, bias] = arguments([1, 4, 4, 1, 3]);
    let x = Tensor::full(f64::NAN, (1, 4, 4, 1), &Device::Cpu).unwrap();
    let result = conv_relu_pool(&x, &weight, &bias).unwrap();
    assert!(flat(&result).iter().all(|x| x.is_nan()));
}

#[test]
fn what_does_not_fit_is_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (weight, bias) = (zeros(&[3, 2, 3, 3]), zeros(&[3]));
    assert!(conv_relu_pool(&zeros(&[1, 4, 6, 2]), &weight, &bias).is_ok());
    for (x, weight, bias, expected) in [
        (&zeros(&[4, 6, 2]), &weight, &bias, "[B, H, W, C], got [4, 6, 2]"),
        (&zeros(&[1, 4, 6, 2]), &zeros(&[3, 2, 5, 5]), &bias, "[O, C, 3, 3], got [3, 2, 5, 5]"),
        (&zeros(&[1, 4, 6, 1]), &weight, &bias, "[3, 1, 3, 3]"),
        (&zeros(&[1, 4, 6, 2]), &weight, &zeros(&[4]), "a bias of shape [3]"),
        (&zeros(&[1, 5, 6, 2]), &weight, &bias, "got 5 x 6"),
        (&zeros(&[0, 4, 6, 2]), &weight, &bias, "no size may be zero"),
    ] {
        let error = conv_relu_pool(x, weight, bias).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}
