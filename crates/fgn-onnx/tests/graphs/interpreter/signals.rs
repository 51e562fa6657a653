//! Fourier transforms.

use std::f64::consts::TAU;

use super::Call;
use super::tensor::{Array, indices};

pub(super) fn compute(call: &Call<'_>) -> Option<Vec<Array>> {
    match call.node.op_type.as_str() {
        "STFT" => Some(vec![stft(call)]),
        _ => None,
    }
}

/// Of real signals `[B, L, 1]`, from frequency 0 to half the sample rate.
fn stft(call: &Call<'_>) -> Array {
    let (signal, window) = (call.input(0), call.input(2));
    let [hop, size] = [1, 3].map(|at| call.input(at).as_ints()[0] as usize);
    let &[batch, samples, 1] = &signal.shape[..] else { panic!("{:?}", signal.shape) };
    assert_eq!((call.int("onesided"), window.len()), (Some(1), size));
    let shape = [batch, (samples - size) / hop + 1, size / 2 + 1, 2];
    let (x, window) = (signal.as_floats(), window.as_floats());
    let value = |index: Vec<usize>| {
        let &[b, frame, frequency, part] = &index[..] else { panic!("{index:?}") };
        let product = |nth: usize| {
            let angle = TAU * (frequency * nth % size) as f64 / size as f64;
            let wave = if part == 0 { angle.cos() } else { -angle.sin() };
            x[b * samples + frame * hop + nth] * window[nth] * wave
        };
        (0..size).map(product).sum()
    };
    Array::floats(&shape, indices(&shape).map(value).collect())
}
