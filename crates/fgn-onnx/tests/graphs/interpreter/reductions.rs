//! Operators that make one element of all along an axis, or a few.

use super::Call;
use super::tensor::{Array, Data, indices};

pub(super) fn compute(call: &Call<'_>) -> Option<Vec<Array>> {
    let x = call.inputs.first().copied().flatten()?;
    let keeps = call.int("keepdims").unwrap_or(1) == 1;
    Some(vec![match call.node.op_type.as_str() {
        "ReduceMax" => {
            let axis = x.axis(call.ints("axes")?[0]);
            match &x.data {
                Data::Float(_) => {
                    floats(x, axis, keeps, |all| all.fold(f64::NEG_INFINITY, f64::max))
                }
                Data::Int(_) => ints(x, axis, keeps, |all| all.max().unwrap()),
            }
        }
        "ReduceMean" => {
            let axis = x.axis(call.ints("axes")?[0]);
            floats(x, axis, keeps, |all| all.sum::<f64>() / x.shape[axis] as f64)
        }
        "ReduceSum" => {
            let axis = x.axis(call.input(1).as_ints()[0]);
            match &x.data {
                Data::Float(_) => floats(x, axis, keeps, |all| all.sum()),
                Data::Int(_) => ints(x, axis, keeps, |all| all.sum()),
            }
        }
        "ArgMax" => {
            let (kept, rows) = rows(x, x.axis(call.int("axis")?), keeps);
            let largest = rows.iter().map(|row| order(row.as_floats())[0] as i64);
            Array::ints(&kept, largest.collect())
        }
        "TopK" => return Some(top_k(x, call.input(1).as_ints()[0] as usize)),
        _ => return None,
    }])
}

/// The indices of numbers, the largest first; of equals the smaller index.
fn order(numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<_> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]));
    order
}

/// The `count` largest along the last axis, and their indices.
fn top_k(x: &Array, count: usize) -> Vec<Array> {
    let (&width, before) = x.shape.split_last().unwrap();
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for row in x.as_floats().chunks_exact(width) {
        let first = &order(row)[..count];
        values.extend(first.iter().map(|&at| row[at]));
        indices.extend(first.iter().map(|&at| at as i64));
    }
    let shape = [before, &[count]].concat();
    vec![Array::floats(&shape, values), Array::ints(&shape, indices)]
}

type All<'a, T> = &'a mut dyn Iterator<Item = T>;

fn floats(x: &Array, axis: usize, keeps: bool, f: impl Fn(All<'_, f64>) -> f64) -> Array {
    let (shape, rows) = rows(x, axis, keeps);
    let values = rows.iter().map(|row| f(&mut row.as_floats().iter().copied()));
    Array::floats(&shape, values.collect())
}

fn ints(x: &Array, axis: usize, keeps: bool, f: impl Fn(All<'_, i64>) -> i64) -> Array {
    let (shape, rows) = rows(x, axis, keeps);
    let values = rows.iter().map(|row| f(&mut row.as_ints().iter().copied()));
    Array::ints(&shape, values.collect())
}

/// The shape of the result, and the elements along the axis for each element of it.
fn rows(x: &Array, axis: usize, keeps: bool) -> (Vec<usize>, Vec<Array>) {
    let mut kept = x.shape.clone();
    kept[axis] = 1;
    let size = x.shape[axis];
    let row = |index: Vec<usize>| {
        x.pick(&[size], |at| {
            let mut source = index.clone();
            source[axis] = at[0];
            source
        })
    };
    let rows = indices(&kept).map(row).collect();
    if !keeps {
        kept.remove(axis);
    }
    (kept, rows)
}
