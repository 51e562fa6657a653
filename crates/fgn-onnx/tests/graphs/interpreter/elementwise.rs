//! Operators that compute each element on its own, and products.

use super::Call;
use super::tensor::{Array, Data, broadcast_shape};

pub(super) fn compute(call: &Call<'_>) -> Option<Vec<Array>> {
    let unary = |f: fn(f64) -> f64| call.input(0).map(f);
    Some(vec![match call.node.op_type.as_str() {
        "Identity" => call.input(0).clone(),
        "Neg" => unary(|x| -x),
        "Tanh" => unary(f64::tanh),
        "Sigmoid" => unary(sigmoid),
        "Exp" => unary(f64::exp),
        "Log" => unary(f64::ln),
        "Sqrt" => unary(f64::sqrt),
        "Relu" => unary(|x| x.max(0.0)),
        "Softplus" => unary(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "Add" => numbers(call, |a, b| a + b, |a, b| a + b),
        "Sub" => numbers(call, |a, b| a - b, |a, b| a - b),
        "Mul" => numbers(call, |a, b| a * b, |a, b| a * b),
        "Div" => numbers(call, |a, b| a / b, |a, b| a / b),
        "Pow" => numbers(call, f64::powf, |_, _| unreachable!("of whole numbers")),
        "Min" => numbers(call, f64::min, i64::min),
        "Max" => numbers(call, f64::max, i64::max),
        "Less" => comparison(call, |a, b| a < b, |a, b| a < b),
        "Greater" => comparison(call, |a, b| a > b, |a, b| a > b),
        "Equal" => comparison(call, |a, b| a == b, |a, b| a == b),
        "And" => numbers(call, f64::min, |a, b| a & b),
        "Or" => numbers(call, f64::max, |a, b| a | b),
        "Not" => {
            let x = call.input(0);
            Array::ints(&x.shape, x.as_ints().iter().map(|&is| 1 - is).collect())
        }
        "GreaterOrEqual" => comparison(call, |a, b| a >= b, |a, b| a >= b),
        "Where" => choice(call),
        "Clip" => {
            let [low, high] = [1, 2].map(|at| call.input(at).as_floats()[0]);
            call.input(0).map(|x| x.clamp(low, high))
        }
        "Cast" => cast(call),
        "MatMul" => matmul(call.input(0), call.input(1)),
        _ => return None,
    }])
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn pairs(call: &Call<'_>) -> [Array; 2] {
    let (a, b) = (call.input(0), call.input(1));
    let shape = broadcast_shape(&a.shape, &b.shape);
    [a.broadcast(&shape), b.broadcast(&shape)]
}

fn numbers(call: &Call<'_>, float: fn(f64, f64) -> f64, int: fn(i64, i64) -> i64) -> Array {
    let [a, b] = pairs(call);
    match (&a.data, &b.data) {
        (Data::Float(x), Data::Float(y)) => {
            Array::floats(&a.shape, x.iter().zip(y).map(|(&x, &y)| float(x, y)).collect())
        }
        (Data::Int(x), Data::Int(y)) => {
            Array::ints(&a.shape, x.iter().zip(y).map(|(&x, &y)| int(x, y)).collect())
        }
        _ => panic!("{}: two types", call.node.name),
    }
}

fn comparison(call: &Call<'_>, float: fn(f64, f64) -> bool, int: fn(i64, i64) -> bool) -> Array {
    let [a, b] = pairs(call);
    let found: Vec<bool> = match (&a.data, &b.data) {
        (Data::Float(x), Data::Float(y)) => x.iter().zip(y).map(|(&x, &y)| float(x, y)).collect(),
        (Data::Int(x), Data::Int(y)) => x.iter().zip(y).map(|(&x, &y)| int(x, y)).collect(),
        _ => panic!("{}: two types", call.node.name),
    };
    Array::ints(&a.shape, found.into_iter().map(i64::from).collect())
}

fn choice(call: &Call<'_>) -> Array {
    let [condition, a, b] = [0, 1, 2].map(|at| call.input(at));
    let shape = broadcast_shape(&condition.shape, &broadcast_shape(&a.shape, &b.shape));
    let [condition, a, b] = [condition, a, b].map(|array| array.broadcast(&shape));
    let condition = condition.as_ints().iter().map(|&is| is != 0);
    match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => Array::floats(&shape, chosen(condition, a, b)),
        (Data::Int(a), Data::Int(b)) => Array::ints(&shape, chosen(condition, a, b)),
        _ => panic!("{}: two types", call.node.name),
    }
}

fn chosen<T: Copy>(condition: impl Iterator<Item = bool>, a: &[T], b: &[T]) -> Vec<T> {
    condition.zip(a.iter().zip(b)).map(|(is, (&a, &b))| if is { a } else { b }).collect()
}

fn cast(call: &Call<'_>) -> Array {
    let x = call.input(0);
    let is_float = matches!(call.int("to").unwrap(), 1 | 11);
    match (&x.data, is_float) {
        (Data::Int(all), true) => {
            Array::floats(&x.shape, all.iter().map(|&number| number as f64).collect())
        }
        (Data::Float(_), false) => panic!("{}: to whole numbers", call.node.name),
        _ => x.clone(),
    }
}

/// `[.., N, K]` times `[.., K, M]`, where the first dimensions are broadcast.
fn matmul(a: &Array, b: &Array) -> Array {
    let (&[.., rows, width], &[.., height, columns]) = (&a.shape[..], &b.shape[..]) else {
        panic!("{:?} times {:?}", a.shape, b.shape)
    };
    assert_eq!(width, height);
    let before = broadcast_shape(&a.shape[..a.shape.len() - 2], &b.shape[..b.shape.len() - 2]);
    let a = a.broadcast(&[&before[..], &[rows, width]].concat());
    let b = b.broadcast(&[&before[..], &[height, columns]].concat());
    let mut products = Vec::new();
    for at in 0..before.iter().product() {
        let x = &a.as_floats()[at * rows * width..];
        let y = &b.as_floats()[at * height * columns..];
        for row in 0..rows {
            let product = |column: usize| {
                (0..width).map(|k| x[row * width + k] * y[k * columns + column]).sum::<f64>()
            };
            products.extend((0..columns).map(product));
        }
    }
    Array::floats(&[&before[..], &[rows, columns]].concat(), products)
}
