//! Layers: recurrent ones, convolutions, normalisation, softmax.

use super::Call;
use super::elementwise::sigmoid;
use super::tensor::{Array, indices};

pub(super) fn compute(call: &Call<'_>) -> Option<Vec<Array>> {
    Some(vec![match call.node.op_type.as_str() {
        "LayerNormalization" => layer_normalization(call),
        "LogSoftmax" => {
            assert_eq!(call.int("axis"), Some(-1));
            by_rows(call.input(0), |row| {
                let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum = row.iter().map(|x| (x - most).exp()).sum::<f64>().ln() + most;
                row.iter().map(|x| x - sum).collect()
            })
        }
        "Softmax" => softmax(call.input(0), call.int("axis").unwrap()),
        "Conv" if call.input(0).shape.len() == 3 => conv_of_each_channel(call),
        "Conv" => conv(call),
        "MaxPool" => max_pool(call),
        "LSTM" => return Some(recurrent(call, &["h", "c"])),
        "GRU" | "RNN" => return Some(recurrent(call, &["h"])),
        _ => return None,
    }])
}

fn by_rows(x: &Array, f: impl Fn(&[f64]) -> Vec<f64>) -> Array {
    let width = *x.shape.last().unwrap();
    Array::floats(&x.shape, x.as_floats().chunks_exact(width).flat_map(f).collect())
}

fn layer_normalization(call: &Call<'_>) -> Array {
    assert_eq!(call.int("axis"), Some(-1));
    let epsilon = f64::from(call.attribute("epsilon").unwrap().f);
    let [gain, bias] = [1, 2].map(|at| call.input(at).as_floats());
    by_rows(call.input(0), |row| {
        let count = row.len() as f64;
        let mean = row.iter().sum::<f64>() / count;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let normal = row.iter().map(|x| (x - mean) / (variance + epsilon).sqrt());
        normal.zip(gain).zip(bias).map(|((x, gain), bias)| x * gain + bias).collect()
    })
}

fn softmax(x: &Array, axis: i64) -> Array {
    let axis = x.axis(axis);
    let values = x.as_floats();
    let stride: usize = x.shape[axis + 1..].iter().product();
    let size = x.shape[axis];
    let share = |at: usize| {
        let first = at - at / stride % size * stride;
        let row = || (0..size).map(|n| values[first + n * stride]);
        let most = row().fold(f64::NEG_INFINITY, f64::max);
        (values[at] - most).exp() / row().map(|x| (x - most).exp()).sum::<f64>()
    };
    Array::floats(&x.shape, (0..x.len()).map(share).collect())
}

/// Of one dimension, `[B, C, N]` with weights `[C, 1, K]`, without padding.
fn conv_of_each_channel(call: &Call<'_>) -> Array {
    assert_eq!(call.ints("pads"), None);
    let [x, weight, bias] = [0, 1, 2].map(|at| call.input(at));
    let &[batch, channels, size] = &x.shape[..] else { panic!("{:?}", x.shape) };
    assert_eq!(call.int("group"), Some(channels as i64));
    let &[_, 1, taps] = &weight.shape[..] else { panic!("{:?}", weight.shape) };
    assert_eq!((weight.shape[0], &bias.shape[..]), (channels, &[channels][..]));
    let shape = [batch, channels, size + 1 - taps];
    let sum = |index: Vec<usize>| {
        let &[b, c, at] = &index[..] else { panic!("{index:?}") };
        let read = &x.as_floats()[(b * channels + c) * size + at..][..taps];
        let products = read.iter().zip(&weight.as_floats()[c * taps..]).map(|(x, w)| x * w);
        bias.as_floats()[c] + products.sum::<f64>()
    };
    Array::floats(&shape, indices(&shape).map(sum).collect())
}

/// Of size 3x3 with a padding of 1.
fn conv(call: &Call<'_>) -> Array {
    assert_eq!(call.ints("pads"), Some(&[1, 1, 1, 1][..]));
    let [x, weight, bias] = [0, 1, 2].map(|at| call.input(at));
    let &[batch, inputs, height, width] = &x.shape[..] else { panic!("{:?}", x.shape) };
    assert_eq!(weight.shape[1..], [inputs, 3, 3]);
    let shape = [batch, weight.shape[0], height, width];
    let pixel = |b: usize, c: usize, row: usize, column: usize| {
        // Counted from the padding.
        let inside = (1..=height).contains(&row) && (1..=width).contains(&column);
        if !inside {
            return 0.0;
        }
        x.as_floats()[((b * inputs + c) * height + row - 1) * width + column - 1]
    };
    let sum = |index: Vec<usize>| {
        let &[b, o, row, column] = &index[..] else { panic!("{index:?}") };
        let products = indices(&[inputs, 3, 3]).map(|at| {
            let weight = weight.as_floats()[((o * inputs + at[0]) * 3 + at[1]) * 3 + at[2]];
            weight * pixel(b, at[0], row + at[1], column + at[2])
        });
        bias.as_floats()[o] + products.sum::<f64>()
    };
    Array::floats(&shape, indices(&shape).map(sum).collect())
}

/// Of size 2x2.
fn max_pool(call: &Call<'_>) -> Array {
    assert_eq!(call.ints("strides"), Some(&[2, 2][..]));
    let x = call.input(0);
    let shape = [x.shape[0], x.shape[1], x.shape[2] / 2, x.shape[3] / 2];
    let corner = |row: usize, column: usize| {
        x.pick(&shape, |at| vec![at[0], at[1], 2 * at[2] + row, 2 * at[3] + column])
    };
    let corners = [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)];
    let largest = |at: usize| corners.iter().map(|it| it.as_floats()[at]).fold(f64::MIN, f64::max);
    Array::floats(&shape, (0..corners[0].len()).map(largest).collect())
}

/// `LSTM`, `GRU` and `RNN` in one direction or in both: `Y [T, D, B, H]`, and the states `[D, B, H]`.
fn recurrent(call: &Call<'_>, states: &[&str]) -> Vec<Array> {
    let x = call.input(0);
    let &[steps, batch, _] = &x.shape[..] else { panic!("{:?}", x.shape) };
    let hidden = call.int("hidden_size").unwrap() as usize;
    let directions = call.input(1).shape[0];
    let name = call.attribute("direction").unwrap().s.as_slice();
    assert_eq!(name, if directions == 1 { &b"forward"[..] } else { b"bidirectional" });
    let mut y = vec![0.0; steps * directions * batch * hidden];
    let mut last = vec![vec![0.0; directions * batch * hidden]; states.len()];
    for d in 0..directions {
        for b in 0..batch {
            let row = (d * batch + b) * hidden;
            let initial = |s: usize| call.input(5 + s).as_floats()[row..][..hidden].to_vec();
            let mut state: Vec<_> = (0..states.len()).map(initial).collect();
            let length = call.optional(4).map_or(steps, |lengths| lengths.as_ints()[b] as usize);
            for k in 0..length {
                let t = if d == 1 { length - 1 - k } else { k };
                let width = x.shape[2];
                let x = &x.as_floats()[(t * batch + b) * width..][..width];
                state = step(call, d, x, &state);
                y[((t * directions + d) * batch + b) * hidden..][..hidden]
                    .copy_from_slice(&state[0]);
            }
            for (last, state) in last.iter_mut().zip(&state) {
                last[row..][..hidden].copy_from_slice(state);
            }
        }
    }
    let mut results = vec![Array::floats(&[steps, directions, batch, hidden], y)];
    results.extend(last.into_iter().map(|it| Array::floats(&[directions, batch, hidden], it)));
    results
}

/// One step of one sequence.
fn step(call: &Call<'_>, d: usize, x: &[f64], state: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let hidden = state[0].len();
    let (w, r) = (call.input(1), call.input(2));
    let rows = w.shape[1];
    let dot = |matrix: &Array, row: usize, by: &[f64]| -> f64 {
        let row = &matrix.as_floats()[(d * rows + row) * by.len()..][..by.len()];
        row.iter().zip(by).map(|(a, b)| a * b).sum()
    };
    let bias = |at: usize| call.optional(3).map_or(0.0, |b| b.as_floats()[d * 2 * rows + at]);
    let of_input = |gate: usize, j: usize| dot(w, gate * hidden + j, x) + bias(gate * hidden + j);
    let of_hidden = |gate: usize, j: usize| {
        dot(r, gate * hidden + j, &state[0]) + bias(rows + gate * hidden + j)
    };
    let sum = |gate: usize, j: usize| of_input(gate, j) + of_hidden(gate, j);
    let peephole = |gate: usize, j: usize| {
        call.optional(7).map_or(0.0, |p| p.as_floats()[(d * 3 + gate) * hidden + j])
    };
    let unit = |j: usize| -> Vec<f64> {
        let before = state[0][j];
        match call.node.op_type.as_str() {
            // Gates i, o, f, c; peepholes i, o, f.
            "LSTM" => {
                let before = state[1][j];
                let i = sigmoid(sum(0, j) + peephole(0, j) * before);
                let f = sigmoid(sum(2, j) + peephole(2, j) * before);
                let c = f * before + i * sum(3, j).tanh();
                let o = sigmoid(sum(1, j) + peephole(1, j) * c);
                vec![o * c.tanh(), c]
            }
            // Gates z, r, h.
            "GRU" => {
                assert_eq!(call.int("linear_before_reset"), Some(1));
                let (z, r) = (sigmoid(sum(0, j)), sigmoid(sum(1, j)));
                let h = (of_input(2, j) + r * of_hidden(2, j)).tanh();
                vec![(1.0 - z) * h + z * before]
            }
            _ => vec![match call.attribute("activations").unwrap().strings[d].as_slice() {
                b"Tanh" => sum(0, j).tanh(),
                b"Relu" => sum(0, j).max(0.0),
                other => panic!("the activation {other:?}"),
            }],
        }
    };
    let units: Vec<_> = (0..hidden).map(unit).collect();
    (0..state.len()).map(|s| units.iter().map(|unit| unit[s]).collect()).collect()
}
