//! Operators that move elements.

use super::Call;
use super::tensor::Array;

pub(super) fn compute(call: &Call<'_>) -> Option<Vec<Array>> {
    let x = call.inputs.first().copied().flatten();
    let whole = |at: usize| call.input(at).as_ints();
    let sizes = |at: usize| -> Vec<usize> { whole(at).iter().map(|&size| size as usize).collect() };
    Some(vec![match call.node.op_type.as_str() {
        "Transpose" => {
            let (x, order) = (x?, call.ints("perm")?);
            let shape: Vec<_> = order.iter().map(|&axis| x.shape[axis as usize]).collect();
            x.pick(&shape, |index| {
                let mut source = vec![0; index.len()];
                order.iter().zip(index).for_each(|(&axis, &at)| source[axis as usize] = at);
                source
            })
        }
        "Reshape" => {
            let x = x?;
            let asked = whole(1);
            let kept = |(axis, &size): (usize, &i64)| match size {
                0 => x.shape[axis],
                -1 => 1,
                _ => size as usize,
            };
            let mut shape: Vec<_> = asked.iter().enumerate().map(kept).collect();
            if let Some(axis) = asked.iter().position(|&size| size == -1) {
                shape[axis] = x.len() / shape.iter().product::<usize>();
            }
            x.reshaped(&shape)
        }
        "Squeeze" => {
            let (x, axis) = (x?, whole(1)[0] as usize);
            assert_eq!(x.shape[axis], 1, "{}", call.node.name);
            x.reshaped(&[&x.shape[..axis], &x.shape[axis + 1..]].concat())
        }
        "Unsqueeze" => {
            let (x, axis) = (x?, whole(1)[0] as usize);
            x.reshaped(&[&x.shape[..axis], &[1], &x.shape[axis..]].concat())
        }
        "Concat" => {
            let all: Vec<_> = (0..call.inputs.len()).map(|at| call.input(at).clone()).collect();
            Array::concat(&all, call.int("axis")?)
        }
        "Expand" => x?.broadcast(&super::tensor::broadcast_shape(&x?.shape, &sizes(1))),
        "Shape" => {
            let range = call.int("start")? as usize..call.int("end")? as usize;
            let shape = &x?.shape[range];
            Array::ints(&[shape.len()], shape.iter().map(|&size| size as i64).collect())
        }
        "Range" => {
            let [start, end, step] = [0, 1, 2].map(|at| whole(at)[0]);
            assert_eq!(step, 1);
            Array::ints(&[(end - start) as usize], (start..end).collect())
        }
        "Slice" => {
            let x = x?;
            let axis = x.axis(whole(3)[0]);
            let size = x.shape[axis] as i64;
            let bound = |at: i64| (if at < 0 { at + size } else { at }).clamp(0, size) as usize;
            part(x, axis, bound(whole(1)[0]), bound(whole(2)[0]))
        }
        "Gather" => gather(call, x?, call.int("axis")? as usize),
        "GatherND" => {
            // Of `[B, T, ..]` the steps `[B, 1]`, or several, `[B, U, 1]`.
            let (x, at) = (x?, call.input(1));
            let (batch, middle) = (at.shape[0], &at.shape[1..at.shape.len() - 1]);
            assert_eq!((call.int("batch_dims"), at.shape.last()), (Some(1), Some(&1)));
            let (steps, count) = (at.as_ints(), middle.iter().product::<usize>());
            let shape = [&[batch], middle, &x.shape[2..]].concat();
            x.pick(&shape, |index| {
                let (at, rest) = index.split_at(1 + middle.len());
                let step = steps[at[0] * count + at.get(1).copied().unwrap_or(0)];
                [&[at[0], step as usize], rest].concat()
            })
        }
        "ReverseSequence" => {
            assert_eq!((call.int("time_axis"), call.int("batch_axis")), (Some(0), Some(1)));
            let lengths = sizes(1);
            let x = x?;
            x.pick(&x.shape, |index| {
                let (t, length) = (index[0], lengths[index[1]]);
                let t = if t < length { length - 1 - t } else { t };
                [&[t], &index[1..]].concat()
            })
        }
        "Pad" => pad(x?, &sizes(1)),
        "Split" => {
            let x = x?;
            let axis = x.axis(call.int("axis")?);
            let mut start = 0;
            let parts = sizes(1).into_iter().map(|size| {
                start += size;
                part(x, axis, start - size, start)
            });
            let parts: Vec<_> = parts.collect();
            assert_eq!(start, x.shape[axis]);
            return Some(parts);
        }
        _ => return None,
    }])
}

fn part(x: &Array, axis: usize, start: usize, end: usize) -> Array {
    let mut shape = x.shape.clone();
    shape[axis] = end - start;
    x.pick(&shape, |index| {
        let mut source = index.to_vec();
        source[axis] += start;
        source
    })
}

/// With so many zeros at the beginning of each axis, and then so many at the end of each.
fn pad(x: &Array, pads: &[usize]) -> Array {
    let (begins, ends) = pads.split_at(x.shape.len());
    let mut padded = x.clone();
    for (axis, (&begin, &end)) in begins.iter().zip(ends).enumerate() {
        let zeros = |size: usize| {
            let mut shape = padded.shape.clone();
            shape[axis] = size;
            Array::floats(&shape, vec![0.0; shape.iter().product()])
        };
        padded = Array::concat(&[zeros(begin), padded.clone(), zeros(end)], axis as i64);
    }
    padded
}

fn gather(call: &Call<'_>, x: &Array, axis: usize) -> Array {
    let indices = call.input(1);
    let (rank, size) = (indices.shape.len(), x.shape[axis] as i64);
    for at in indices.as_ints() {
        assert!((-size..size).contains(at), "{}: index {at} of {size}", call.node.name);
    }
    let shape = [&x.shape[..axis], &indices.shape[..], &x.shape[axis + 1..]].concat();
    x.pick(&shape, |index| {
        let at = indices.pick(&[], |_| index[axis..axis + rank].to_vec()).as_ints()[0];
        let at = if at < 0 { at + size } else { at } as usize;
        [&index[..axis], &[at], &index[axis + rank..]].concat()
    })
}
