//! Results do not depend on the number of threads.

use candle_core::{DType, Device, Tensor};
use fgn_kernels::{
    GatedMlp, LinearMap, add_residual, causal_conv, gated, layer_norm, pool_attention, pool_max,
    pool_mean, residual_block, rms_norm, zero_past,
};

use crate::common::{flat, numbers, var};

/// Enough numbers that every operation is shared among threads.
const STEPS: usize = 400;
const BATCH: usize = 30;
const WIDTH: usize = 96;

/// The results of all operations in `f32`, and the gradients of all their arguments.
fn everything() -> Vec<Vec<f64>> {
    let tensor = |shape: &[usize], seed| {
        let var = var(shape, seed);
        candle_core::Var::from_tensor(&var.to_dtype(DType::F32).unwrap()).unwrap()
    };
    let x = tensor(&[STEPS, BATCH, WIDTH], 1);
    let weight = tensor(&[WIDTH], 2);
    let bias = tensor(&[WIDTH], 3);
    let taps = tensor(&[WIDTH, 4], 4);
    let state = tensor(&[3, BATCH, WIDTH], 5);
    let mask = tensor(&[BATCH, WIDTH], 6);
    let square = tensor(&[WIDTH, WIDTH], 8);
    let map = LinearMap { weight: &square, bias: &bias };
    let (wide, long) = (tensor(&[2 * WIDTH, WIDTH], 9), tensor(&[2 * WIDTH], 10));
    let up = LinearMap { weight: &wide, bias: &long };
    let (norm, down) = (&*weight, map);
    let mlp = GatedMlp { norm, norm_bias: None, epsilon: 1e-5, up, down, mask: Some(&mask) };
    let rows = x.flatten(0, 1).unwrap();
    let lengths: Vec<usize> = (0..BATCH).map(|at| STEPS - 2 * at).collect();
    let all = [
        rms_norm(&x, &weight, 1e-5),
        layer_norm(&x, &weight, &bias, 1e-5),
        gated(&x, Some(&bias)),
        add_residual(&x, &x, &bias, Some(&mask)),
        residual_block(&rows, &rows, map, Some(&mask), Some(mlp)),
        causal_conv(&x, &taps, &bias, &state, None, None).map(|found| found.output),
        zero_past(&x, &lengths),
        pool_mean(&x, Some(&lengths)),
        pool_max(&x, Some(&lengths)),
        pool_attention(&x, &weight, Some(&lengths)),
    ];
    let mut found = Vec::new();
    for y in all {
        let y = y.unwrap();
        found.push(flat(&y));
        let by: Vec<f32> = numbers(y.elem_count(), 7).into_iter().map(|x| x as f32).collect();
        let by = Tensor::from_vec(by, y.shape(), &Device::Cpu).unwrap();
        let gradients = (y * by).unwrap().sum_all().unwrap().backward().unwrap();
        for var in [&x, &weight, &bias, &taps, &state, &square, &wide, &long] {
            found.extend(gradients.get(var).map(flat));
        }
    }
    found
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let expected = everything();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(everything), expected);
    }
}
