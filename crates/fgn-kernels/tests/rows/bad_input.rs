//! Whatever does not fit is an error that says what was found and what was expected.

use candle_core::{DType, Device, Result, Tensor};
use fgn_kernels::{
    GatedMlp, LinearMap, add_bias, add_residual, causal_conv, gated, layer_norm, pool_attention,
    pool_max, pool_mean, residual_block, rms_norm, zero_past,
};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

fn assert_says<T>(found: Result<T>, expected: &str) {
    let error = found.map(drop).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn shapes() {
    let x = zeros(&[4, 2, 6]);
    assert_says(rms_norm(&x, &zeros(&[5]), 0.1), "expected weight of shape [6], got [5]");
    assert_says(rms_norm(&zeros(&[4, 0]), &zeros(&[0]), 0.1), "rows of one number or more");
    let six = zeros(&[6]);
    assert_says(layer_norm(&x, &six, &zeros(&[1]), 0.1), "expected bias of shape [6], got [1]");
    assert_says(gated(&zeros(&[2, 3]), None), "rows of an even size, got shape [2, 3]");
    assert_says(gated(&x, Some(&zeros(&[3]))), "expected bias of shape [6], got [3]");
    assert_says(add_bias(&x, &zeros(&[2])), "expected bias of shape [6], got [2]");
    assert_says(add_residual(&x, &six, &six, None), "expected y of shape [4, 2, 6], got [6]");
    for mask in [&[3, 6][..], &[4, 5], &[0, 6], &[4, 2, 6]] {
        let found = add_residual(&x, &x, &six, Some(&zeros(mask)));
        assert_says(found, "expected a mask [M, 6], M a divisor of 8, got");
    }
    let conv = |weight: &[usize], state: &[usize]| {
        causal_conv(&x, &zeros(weight), &six, &zeros(state), None, None)
    };
    assert_says(conv(&[6, 1], &[0, 2, 6]), "a weight [6, K], K at least 2, got [6, 1]");
    assert_says(conv(&[5, 3], &[2, 2, 6]), "expected weight of shape [6, 3], got [5, 3]");
    assert_says(conv(&[6, 3], &[3, 2, 6]), "expected state of shape [2, 2, 6], got [3, 2, 6]");
    let resets = zeros(&[4, 2]);
    let (weight, state) = (zeros(&[6, 2]), zeros(&[1, 2, 6]));
    let found = causal_conv(&x, &weight, &six, &state, Some(&resets), None);
    assert_says(found, "expected resets in U8, got F32");
    assert_says(pool_mean(&zeros(&[4, 6]), None), "expected [T, B, D] without a size of zero");
    assert_says(pool_max(&zeros(&[0, 2, 6]), None), "expected [T, B, D] without a size of zero");
    assert_says(pool_attention(&x, &zeros(&[2]), None), "expected query of shape [6], got [2]");
}

#[test]
fn lengths_and_types() {
    let x = zeros(&[4, 2, 6]);
    for (lengths, expected) in [
        (&[4][..], "expected a length for each of 2 sequences, got 1"),
        (&[4, 5], "expected lengths of 1 to 4, got 5 for sequence 1"),
        (&[0, 4], "expected lengths of 1 to 4, got 0 for sequence 0"),
    ] {
        assert_says(pool_mean(&x, Some(lengths)), expected);
        assert_says(pool_max(&x, Some(lengths)), expected);
        assert_says(pool_attention(&x, &zeros(&[6]), Some(lengths)), expected);
        assert_says(zero_past(&x, lengths), expected);
    }
    let wide = zeros(&[6]).to_dtype(DType::F64).unwrap();
    assert_says(rms_norm(&x, &wide, 0.1), "got weight of F64 beside x of F32");
    let whole = x.to_dtype(DType::U32).unwrap();
    assert_says(pool_mean(&whole, None), "all of f32 or all of f64, got x of U32");
}

#[test]
fn blocks() {
    let rows = zeros(&[4, 6]);
    let [six, eight] = [6, 8].map(|size| zeros(&[size]));
    let [square, wide, high] = [[6, 6], [6, 4], [8, 6]].map(|shape| zeros(&shape));
    let map = |weight, bias| LinearMap { weight, bias };
    let (out, up, down) = (map(&square, &six), map(&high, &eight), map(&wide, &six));
    let mlp = GatedMlp { norm: &six, norm_bias: None, epsilon: 0.1, up, down, mask: None };
    residual_block(&rows, &rows, out, None, Some(mlp)).unwrap();
    let found = residual_block(&rows, &six, out, None, None);
    assert_says(found, "expected y of shape [4, 6], got [6]");
    let found = residual_block(&rows, &rows, map(&high, &six), None, None);
    assert_says(found, "expected the weight of `out` of shape [6, 6], got [8, 6]");
    let found = residual_block(&rows, &rows, out, Some(&zeros(&[3, 6])), None);
    assert_says(found, "expected a mask [M, 6], M a divisor of 4, got [3, 6]");
    for (mlp, expected) in [
        (GatedMlp { norm: &eight, ..mlp }, "the weight of the norm of shape [6], got [8]"),
        (GatedMlp { norm_bias: Some(&eight), ..mlp }, "the bias of the norm of shape [6], got [8]"),
        (GatedMlp { up: map(&square, &eight), ..mlp }, "`up` of shape [8, 6], got [6, 6]"),
        (GatedMlp { up: map(&high, &six), ..mlp }, "the bias of `up` of shape [8], got [6]"),
        (GatedMlp { down: map(&wide, &eight), ..mlp }, "the bias of `down` of shape [6], got [8]"),
        (GatedMlp { mask: Some(&high), ..mlp }, "expected a mask [M, 6], M a divisor of 4"),
    ] {
        assert_says(residual_block(&rows, &rows, out, None, Some(mlp)), expected);
    }
    let wide = six.to_dtype(DType::F64).unwrap();
    let found = residual_block(&rows, &rows, map(&square, &wide), None, None);
    assert_says(found, "got bias of F64 beside x of F32");
}
