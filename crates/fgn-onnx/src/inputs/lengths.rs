//! The lengths of sequences: an input that may be left out.

use crate::graph::{Dim, Graph, Value};
use crate::proto::DataType;

/// A length that is longer than any sequence: what `lengths` is by default.
const WHOLE: i64 = i64::MAX;

/// The length of each sequence of `x: [B, T, ..]`, at most `T`, as `int64 [B]`. One below 1 ends the run with an error.
pub(super) fn lengths(graph: &mut Graph, x: &Value) -> Value {
    let given = graph.input("lengths", DataType::Int64, &[Dim::Named("lengths")]);
    graph.int_constant("lengths", &[1], &[WHOLE]);
    let (batch, longest) = (graph.size(x, 0), graph.size(x, 1));
    let shorter = graph.node("Min", [&given, &longest], vec![]);
    let one = graph.int(1);
    let is_wrong = graph.node("Less", [&shorter, &one], vec![]);
    let is_wrong = graph.cast(&is_wrong, DataType::Int64);
    // A table of the only number that is right: 0 for no wrong length.
    let table = graph.ints(&[0]);
    let zeros = graph.gather_checked("lengths_must_be_at_least_1", (&table, 1), &is_wrong);
    let shorter = graph.add(&shorter, &zeros);
    graph.node("Expand", [&shorter, &batch], vec![])
}
