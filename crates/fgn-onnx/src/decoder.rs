//! The head `decoder`: the search for answers, as a `Loop` whose body is one step.
//!
//! The graph answers as the model does, by the same beam search: a graph of single steps would leave the search, which
//! makes the answers what they are, to every program that runs it.

mod attention;
mod beams;

use std::slice;

use fgn_nn::Decoder;

use self::attention::Memory;
use self::beams::{Beams, Search};
use crate::attribute;
use crate::context::{Context, Sequences};
use crate::error::Result;
use crate::graph::{Dim, Graph, Value};
use crate::proto::{DataType, GraphProto};
use crate::recurrent::stack;

/// The outputs `answers`, `answer_lengths` and `log_probabilities`, from the encoder's `outputs` and its `states` after
/// the last step, those of both directions of a layer one after the other if it is `bidirectional`.
pub(crate) fn decoder(
    context: &mut Context<'_>,
    config: &Decoder,
    outputs: &Sequences,
    states: &[Value],
    bidirectional: bool,
) -> Result<()> {
    let memory = Memory::new(context, config, outputs)?;
    let graph = &mut context.graph;
    let batch = graph.size(&outputs.x, 1);
    let search = Search::new(graph, config, context.unscaled, &batch);
    let beams = Beams::first(graph, &search);
    let mut rows = Vec::new();
    if config.input_feeding {
        rows.push(search.zeros(graph, config.recurrent.output_size()));
    }
    let states = in_one_direction(graph, states, bidirectional);
    rows.extend(states.iter().map(|state| search.for_each_row(graph, state)));
    let body = body(context, config, &search, memory.as_ref())?;
    let graph = &mut context.graph;
    let one = graph.int(1);
    let is_running = graph.cast(&one, DataType::Bool);
    let mut inputs = vec![&search.max_length, &is_running];
    inputs.extend(beams.values());
    inputs.extend(&rows);
    let attributes = vec![attribute::graph("body", body)];
    let found = graph.many("Loop", &inputs, attributes, inputs.len() - 2);
    let answers = Beams::of(&found).answers(graph, &search);
    let shape = [Dim::Named("batch"), Dim::Named("answer")];
    let [batch, _] = &shape;
    let batch = slice::from_ref(batch);
    graph.output("answers", &answers.tokens, DataType::Int64, &shape);
    graph.output("answer_lengths", &answers.lengths, DataType::Int64, batch);
    let logarithms = graph.cast(&answers.log_probabilities, DataType::Float);
    graph.output("log_probabilities", &logarithms, DataType::Float, batch);
    Ok(())
}

/// One step for all rows, `beam_size` for each sample: reads a token, and chooses the next ones.
fn body(
    context: &mut Context<'_>,
    config: &Decoder,
    search: &Search,
    memory: Option<&Memory>,
) -> Result<GraphProto> {
    // A new option is read here, so that no model is exported without it.
    let Decoder {
        vocabulary,
        tokenizer: _,
        embedding_dim,
        recurrent,
        attention: _,
        input_feeding,
        dropout: _,
        scheduled_sampling: _,
        beam_size,
        length_penalty: _,
        max_length: _,
    } = config;
    let own = recurrent.output_size();
    let mut inner = Context {
        graph: context.graph.inner("decoder"),
        weights: context.weights.within("head."),
        unscaled: context.unscaled,
    };
    let step = inner.graph.input("step", DataType::Int64, &[]);
    inner.graph.input("is_running", DataType::Bool, &[]);
    let before = Beams::inputs(&mut inner.graph, search);
    let vectors = inner.parameter("embedding.weight", &[*vocabulary, *embedding_dim])?;
    let axis = vec![attribute::int("axis", 0)];
    let mut x = inner.graph.node("Gather", [&vectors, &before.read], axis);
    x = inner.graph.unsqueeze(&x, 0);
    let mut size = *embedding_dim;
    if *input_feeding {
        let shape = [Dim::Fixed(1), Dim::Any, Dim::Fixed(own)];
        let vectors = inner.graph.input("vectors", DataType::Float, &shape);
        x = inner.graph.concat(&[x, vectors], 2);
        size += own;
    }
    let features = Sequences { x, size, steps: Some(1), lengths: None };
    let h = stack(&mut inner, recurrent, features)?;
    let states = inner.graph.take_outputs();
    let mut vectors = inner.graph.reshape(&h.x, &[-1, *beam_size as i64, own as i64]);
    if let Some(memory) = memory {
        vectors = memory.attend(&mut inner, &vectors)?;
    }
    let logits = inner.linear("output", &vectors, [*vocabulary, own])?;

    let graph = &mut inner.graph;
    let (after, parents) = before.next(graph, search, &step, &logits);
    let is_running = after.is_any_running(graph);
    graph.output("is_running_after", &is_running, DataType::Bool, &[]);
    after.outputs(graph, search);
    let mut rows = Vec::new();
    if *input_feeding {
        rows.push(graph.reshape(&vectors, &[1, -1, own as i64]));
    }
    rows.extend(states);
    for (at, row) in rows.iter().enumerate() {
        let chosen = graph.node("Gather", [row, &parents], vec![attribute::int("axis", 1)]);
        let shape = [Dim::Any, Dim::Any, Dim::Any];
        graph.output(&format!("rows_{at}_after"), &chosen, DataType::Float, &shape);
    }
    context.weights.absorb(inner.weights);
    Ok(inner.graph.finish_loop_body("decoder"))
}

/// The sum of both directions' states of each layer.
fn in_one_direction(graph: &mut Graph, states: &[Value], bidirectional: bool) -> Vec<Value> {
    if !bidirectional {
        return states.to_vec();
    }
    let sum = |pair: &[Value]| match pair {
        [forward, reverse] => graph.add(forward, reverse),
        _ => Value::NONE,
    };
    states.chunks(2).map(sum).collect()
}
