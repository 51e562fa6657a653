//! Norms of rows.

use crate::attribute;
use crate::graph::{Graph, Value};

/// What is added to a variance or mean square before its root is taken, in `fgn-kernels` and `fgn-nn`.
const EPSILON: f64 = 1e-5;

/// The rows of `x: [.., D]` by their mean and standard deviation.
///
/// The mean is subtracted first: the operator of ONNX Runtime loses as many digits of a variance as the mean is larger
/// than the standard deviation.
pub(super) fn layer_norm(graph: &mut Graph, x: &Value, gain: &Value, bias: &Value) -> Value {
    let mean = mean(graph, x);
    let centred = graph.node("Sub", [x, &mean], vec![]);
    let attributes = vec![attribute::int("axis", -1), attribute::float("epsilon", EPSILON)];
    graph.node("LayerNormalization", [&centred, gain, bias], attributes)
}

/// The rows of `x: [.., D]` by their root mean square.
pub(super) fn rms_norm(graph: &mut Graph, x: &Value, gain: &Value) -> Value {
    let squares = graph.mul(x, x);
    let mean = mean(graph, &squares);
    let epsilon = graph.float(EPSILON);
    let mean = graph.add(&mean, &epsilon);
    let root = graph.node("Sqrt", [&mean], vec![]);
    let normal = graph.node("Div", [x, &root], vec![]);
    graph.mul(&normal, gain)
}

/// The mean of each row, `[.., 1]`.
fn mean(graph: &mut Graph, rows: &Value) -> Value {
    let attributes = vec![attribute::ints("axes", &[-1]), attribute::int("keepdims", 1)];
    graph.node("ReduceMean", [rows], attributes)
}
