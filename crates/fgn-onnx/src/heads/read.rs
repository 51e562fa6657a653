//! What heads read of the outputs: those of all steps, of the last one, or a pool of all.

use fgn_nn::Pool;

use crate::attribute;
use crate::context::{Context, Sequences};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::proto::DataType;

/// The outputs that a head reads: of all steps, `[B, T, size]`, or one vector for each sequence, `[B, size]`.
pub(super) fn read(
    context: &mut Context<'_>,
    outputs: &Sequences,
    per_step: bool,
    pool: Pool,
    bidirectional: bool,
) -> Result<Value> {
    match pool {
        _ if per_step => Ok(batch_first(context, outputs)),
        Pool::Last => Ok(last(context, outputs, bidirectional)),
        Pool::Mean => Ok(mean(&mut context.graph, outputs)),
        Pool::Max => {
            let x = within_or(&mut context.graph, outputs, &outputs.x, f64::NEG_INFINITY);
            let axes = vec![attribute::ints("axes", &[0]), attribute::int("keepdims", 0)];
            Ok(context.graph.node("ReduceMax", [&x], axes))
        }
        Pool::Attention => attention(context, outputs),
        other => Err(Error::unsupported(
            format!("model.head.pool ({other:?})"),
            "there is no graph for this kind of pool",
        )),
    }
}

/// The outputs of all steps, `[B, T, size]`.
pub(super) fn batch_first(context: &mut Context<'_>, outputs: &Sequences) -> Value {
    context.graph.transpose(&outputs.x, &[1, 0, 2])
}

/// The outputs at the last step of each sequence, `[B, size]`; in both directions each half at its own last step.
fn last(context: &mut Context<'_>, outputs: &Sequences, bidirectional: bool) -> Value {
    let all = batch_first(context, outputs);
    let graph = &mut context.graph;
    let ends = match &outputs.lengths {
        Some(lengths) => {
            let one = graph.int(1);
            let ends = graph.node("Sub", [&lengths.int64, &one], vec![]);
            let ends = graph.unsqueeze(&ends, 1);
            graph.node("GatherND", [&all, &ends], vec![attribute::int("batch_dims", 1)])
        }
        None => {
            let end = graph.int(-1);
            graph.node("Gather", [&all, &end], vec![attribute::int("axis", 1)])
        }
    };
    if !bidirectional {
        return ends;
    }
    let half = outputs.size / 2;
    let begin = graph.int(0);
    let begins = graph.node("Gather", [&all, &begin], vec![attribute::int("axis", 1)]);
    let forward = graph.slice(&ends, 1, 0, half);
    let reverse = graph.slice(&begins, 1, half, outputs.size);
    graph.concat(&[forward, reverse], 1)
}

/// The sum over the steps divided by the length of each sequence. Past it, outputs are zero.
fn mean(graph: &mut Graph, outputs: &Sequences) -> Value {
    let sum = sum_over_time(graph, &outputs.x);
    let count = match &outputs.lengths {
        Some(lengths) => graph.unsqueeze(&lengths.int64, 1),
        None => graph.size(&outputs.x, 0),
    };
    let count = graph.cast(&count, DataType::Float);
    graph.node("Div", [&sum, &count], vec![])
}

/// `Σ_t α_t h_t` with `α = softmax_t(q · h_t)`.
fn attention(context: &mut Context<'_>, outputs: &Sequences) -> Result<Value> {
    const QUERY: &str = "head.attention.query";
    let query = context.weights.take(QUERY, &[outputs.size])?;
    let graph = &mut context.graph;
    let query = graph.constant(QUERY, &[outputs.size, 1], &query);
    let scores = graph.matmul(&outputs.x, &query);
    let scores = within_or(graph, outputs, &scores, f64::NEG_INFINITY);
    let shares = graph.node("Softmax", [&scores], vec![attribute::int("axis", 0)]);
    let shares = graph.mul(&outputs.x, &shares);
    Ok(sum_over_time(graph, &shares))
}

/// The sum of `x: [T, B, size]` over the steps.
fn sum_over_time(graph: &mut Graph, x: &Value) -> Value {
    let axis = graph.ints(&[0]);
    graph.node("ReduceSum", [x, &axis], vec![attribute::int("keepdims", 0)])
}

/// `x: [T, B, ..]` with another number past the length of each sequence.
fn within_or(graph: &mut Graph, outputs: &Sequences, x: &Value, other: f64) -> Value {
    match outputs.is_within(graph) {
        Some(is_within) => {
            let other = graph.float(other);
            graph.node("Where", [&is_within, x, &other], vec![])
        }
        None => x.clone(),
    }
}
