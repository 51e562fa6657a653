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
        "Relu" => unary(|x| x.max(0.0)),
        "Softplus" => unary(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "Add" => numbers(call, |a, b| a + b, |a, b| a + b),
        "Sub" => numbers(call, |a, b| a - b, |a, b| a - b),
        "Mul" => numbers(call, |a, b| a * b, |a, b| a * b),
        "Div" => numbers(call, |a, b| a / b, |a, b| a / b),
        "Min" => numbers(call, f64::min, i64::min),
        "Less" => comparison(call, |a, b| a < b, |a, b| a < b),
        "Greater" => comparison(call, |a, b| a > b, |a, b| a > b),
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
    let both = a.as_floats().iter().zip(b.as_floats());
    let chosen =
        condition.as_ints().iter().zip(both).map(|(&is, (&a, &b))| if is != 0 { a } else { b });
    Array::floats(&shape, chosen.collect())
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

/// `[.., N, K]` times `[K, M]`.
fn matmul(a: &Array, b: &Array) -> Array {
    let (&width, before) = a.shape.split_last().unwrap();
    let &[rows, columns] = &b.shape[..] else { panic!("a second factor {:?}", b.shape) };
    assert_eq!(width, rows);
    let (x, y) = (a.as_floats(), b.as_floats());
    let row = |row: &[f64]| -> Vec<f64> {
        let product = |column: usize| {
            row.iter().enumerate().map(|(k, x)| x * y[k * columns + column]).sum::<f64>()
        };
        (0..columns).map(product).collect()
    };
    let products = x.chunks_exact(width).flat_map(row).collect();
    Array::floats(&[before, &[columns]].concat(), products)
}
