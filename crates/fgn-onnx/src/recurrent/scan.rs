//! Any cell in a loop: the operator `Scan`, whose body is written from the cell's own equations.

use fgn_core::recording::RecordedStep;
use fgn_core::{Block, Norm};

use super::layer::{Layer, Options, Run};
use super::norm::layer_norm;
use super::parameters::LayerParameters;
use super::step::{self, Graphs, Inputs};
use crate::attribute;
use crate::context::{Context, Sequences};
use crate::error::Result;
use crate::graph::{Dim, Graph, Value};
use crate::proto::{DataType, GraphProto};
use crate::weights::transposed;

/// One layer in one direction.
pub(super) fn layer(
    context: &mut Context<'_>,
    options: &Options<'_>,
    layer: &Layer,
    x: &Sequences,
) -> Result<Run> {
    let graph = &mut context.graph;
    let reversed = |graph: &mut Graph, value: &Value| match (&x.lengths, layer.reverse) {
        (Some(lengths), true) => reverse(graph, value, &lengths.int64),
        _ => value.clone(),
    };
    let products = input_products(graph, layer, &x.x);
    let mut sequences = vec![reversed(graph, &products)];
    if x.lengths.is_some() {
        sequences.push(graph.step_indices(&x.x));
    }
    let mut body = Body::new(graph, layer, x.lengths.is_some());
    let mut graphs = Graphs { around: graph, body: &mut body.graph };
    let taken = step(&mut graphs, options, layer, &body.inputs)?;
    let lengths = x.lengths.as_ref().map(|lengths| &lengths.int64);
    let body = body.finish(graph, layer, taken, lengths);

    let mut inputs: Vec<&Value> = layer.states.iter().collect();
    inputs.extend(&sequences);
    let mut attributes = vec![
        attribute::graph("body", body),
        attribute::int("num_scan_inputs", sequences.len() as i64),
    ];
    if layer.reverse && x.lengths.is_none() {
        attributes.push(attribute::ints("scan_input_directions", &[1]));
        attributes.push(attribute::ints("scan_output_directions", &[1]));
    }
    let count = layer.states.len();
    let mut states = graph.many("Scan", &inputs, attributes, count + 1);
    let outputs = states.pop().unwrap_or(Value::NONE);
    Ok(Run { outputs: reversed(graph, &outputs), states })
}

/// `value: [T, B, ..]` with the steps of each sequence in reverse order.
fn reverse(graph: &mut Graph, value: &Value, lengths: &Value) -> Value {
    let axes = vec![attribute::int("time_axis", 0), attribute::int("batch_axis", 1)];
    graph.node("ReverseSequence", [value, lengths], axes)
}

/// The blocks that read the input, and their part of the pre-activations of all steps: `[T, B, G_ih · H]`, with the
/// biases of those that are not normalised.
fn input_products(graph: &mut Graph, layer: &Layer, x: &Value) -> Value {
    let parameters = &layer.parameters;
    let shape = parameters.shape();
    let blocks = parameters.spec().indices(Block::reads_input);
    let rows = parameters.blocks("weight_ih", &blocks, shape.input);
    let columns = transposed(&rows, shape.input);
    let name = format!("recurrent.weight_ih{}.transposed", layer.suffix);
    let weight = graph.constant(&name, &[shape.input, blocks.len() * shape.hidden], &columns);
    let products = graph.matmul(x, &weight);
    let bias: Vec<f32> = blocks
        .iter()
        .flat_map(|&block| match is_normalized(parameters, block) {
            true => vec![0.0; shape.hidden],
            false => parameters.bias(block),
        })
        .collect();
    if bias.iter().all(|&bias| bias == 0.0) {
        return products;
    }
    let name = format!("recurrent.bias{}", layer.suffix);
    let bias = graph.constant(&name, &[bias.len()], &bias);
    graph.add(&products, &bias)
}

fn is_normalized(parameters: &LayerParameters, block: usize) -> bool {
    let Norm { pre, .. } = parameters.shape().norm;
    pre && parameters.spec().blocks.get(block).is_some_and(Block::is_normalized)
}

/// The body of a loop, before its step is written.
struct Body {
    graph: Graph,
    inputs: BodyInputs,
}

struct BodyInputs {
    /// Each state, `[B, H]`; of a projected hidden state `[B, P]`.
    states: Vec<Value>,
    /// `[B, G_ih · H]`
    products: Value,
    /// The index of the step; `None` where all sequences have `T` steps.
    index: Option<Value>,
}

/// The results of a step.
struct Taken {
    output: Value,
    states: Vec<Value>,
}

impl Body {
    fn new(around: &Graph, layer: &Layer, has_lengths: bool) -> Self {
        let parameters = &layer.parameters;
        let (spec, shape) = (parameters.spec(), parameters.shape());
        let mut graph = around.inner(&format!("recurrent{}", layer.suffix));
        let states = spec.states.iter().zip(state_sizes(layer)).map(|(name, size)| {
            graph.input(&format!("{name}_before"), DataType::Float, &[Dim::Any, Dim::Fixed(size)])
        });
        let states = states.collect();
        let width = spec.indices(Block::reads_input).len() * shape.hidden;
        let products = graph.input("products", DataType::Float, &[Dim::Any, Dim::Fixed(width)]);
        let index = has_lengths.then(|| graph.input("step", DataType::Int64, &[]));
        Self { graph, inputs: BodyInputs { states, products, index } }
    }

    /// The whole body. Past a sequence's length its states stay as they are, and its outputs are zero.
    fn finish(
        self,
        around: &mut Graph,
        layer: &Layer,
        taken: Taken,
        lengths: Option<&Value>,
    ) -> GraphProto {
        let Self { mut graph, inputs } = self;
        let Taken { mut output, mut states } = taken;
        if let (Some(index), Some(lengths)) = (&inputs.index, lengths) {
            let is_within = graph.node("Less", [index, lengths], vec![]);
            let is_within = graph.unsqueeze(&is_within, 1);
            let zero = around.float(0.0);
            output = graph.node("Where", [&is_within, &output, &zero], vec![]);
            for (state, before) in states.iter_mut().zip(&inputs.states) {
                *state = graph.node("Where", [&is_within, &*state, before], vec![]);
            }
        }
        let sizes = state_sizes(layer);
        let names = layer.parameters.spec().states;
        for ((name, state), size) in names.iter().zip(&states).zip(sizes) {
            let shape = [Dim::Any, Dim::Fixed(size)];
            graph.output(&format!("{name}_after"), state, DataType::Float, &shape);
        }
        let shape = [Dim::Any, Dim::Fixed(layer.parameters.shape().output())];
        graph.output("output", &output, DataType::Float, &shape);
        graph.finish(&format!("recurrent{}", layer.suffix))
    }
}

/// The size of each state.
fn state_sizes(layer: &Layer) -> Vec<usize> {
    let shape = layer.parameters.shape();
    let size = |state| if state == 0 { shape.output() } else { shape.hidden };
    (0..layer.states.len()).map(size).collect()
}

/// One step: the pre-activations, the cell, and the options around it.
fn step(
    graphs: &mut Graphs<'_>,
    options: &Options<'_>,
    layer: &Layer,
    inputs: &BodyInputs,
) -> Result<Taken> {
    let parameters = &layer.parameters;
    let (cell, spec, shape) = (parameters.cell(), parameters.spec(), parameters.shape());
    let constant = |graphs: &mut Graphs<'_>, name: &str, values: &[f32]| {
        graphs.around.constant(
            &format!("recurrent.{name}{}", layer.suffix),
            &[values.len()],
            values,
        )
    };
    let vectors = spec.vectors.iter().filter_map(|name| Some((name, parameters.tensor(name)?)));
    let vectors = vectors.map(|(name, values)| constant(graphs, name, values)).collect();
    let pre = pre_activations(graphs, layer, inputs);
    let recorded = RecordedStep::new(cell, shape.norm.memory);
    let read = Inputs { pre, prev: inputs.states.clone(), vectors };
    let normalize = |graphs: &mut Graphs<'_>, memory: &Value| {
        let [gain, bias] = ["norm_memory", "norm_memory_bias"]
            .map(|name| constant(graphs, name, parameters.tensor(name).unwrap_or_default()));
        layer_norm(graphs.body, memory, &gain, &bias)
    };
    let (output, mut states) = step::nodes(graphs, &recorded, &read, spec.memory, normalize)?;
    if let (Some(weight), Some(hidden)) = (parameters.tensor("weight_hr"), states.first_mut()) {
        let name = format!("recurrent.weight_hr{}.transposed", layer.suffix);
        let columns = transposed(weight, shape.hidden);
        let weight = graphs.around.constant(&name, &[shape.hidden, shape.output()], &columns);
        *hidden = graphs.body.matmul(hidden, &weight);
    }
    for (index, (state, before)) in states.iter_mut().zip(&inputs.states).enumerate() {
        let rate = options.zoneout.get(index).copied().unwrap_or(0.0);
        if rate > 0.0 {
            *state = mixed(graphs, before, state, rate);
        }
        if let Some(clip) = options.clip {
            let [low, high] = [-clip, clip].map(|limit| graphs.around.float(limit));
            *state = graphs.body.node("Clip", [&*state, &low, &high], vec![]);
        }
    }
    let output = match (spec.output_is_state, states.first()) {
        (true, Some(hidden)) => hidden.clone(),
        _ => output,
    };
    Ok(Taken { output, states })
}

/// The expected value of a state under zoneout: `rate · before + (1 − rate) · after`.
fn mixed(graphs: &mut Graphs<'_>, before: &Value, after: &Value, rate: f64) -> Value {
    let [kept, new] = [rate, 1.0 - rate].map(|share| graphs.around.float(share));
    let kept = graphs.body.mul(before, &kept);
    let new = graphs.body.mul(after, &new);
    graphs.body.add(&kept, &new)
}

/// The pre-activation of each block, `[B, H]`.
fn pre_activations(graphs: &mut Graphs<'_>, layer: &Layer, inputs: &BodyInputs) -> Vec<Value> {
    let parameters = &layer.parameters;
    let (spec, shape) = (parameters.spec(), parameters.shape());
    let reading = spec.indices(Block::reads_input);
    let of_input = graphs.body.split(&inputs.products, 1, shape.hidden, reading.len());
    let mut of_input = of_input.into_iter();
    let mut of_hidden = hidden_products(graphs, layer, inputs).into_iter();
    let mut pre = Vec::new();
    for (block, of) in spec.blocks.iter().enumerate() {
        let input = if of.reads_input() { of_input.next() } else { None };
        let hidden = if of.reads_hidden() { of_hidden.next() } else { None };
        let has_bias = input.is_none() && !is_normalized(parameters, block);
        let mut sum = match (input, hidden) {
            (Some(input), Some(hidden)) => graphs.body.add(&input, &hidden),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => graphs.around.float(0.0),
        };
        let bias = parameters.bias(block);
        let name = |what: &str| format!("recurrent.{what}{}.{}", layer.suffix, of.name);
        if has_bias && bias.iter().any(|&bias| bias != 0.0) {
            let bias = graphs.around.constant(&name("bias"), &[bias.len()], &bias);
            sum = graphs.body.add(&sum, &bias);
        }
        if is_normalized(parameters, block) {
            let gain = parameters.blocks("norm_pre", &[block], 1);
            let gain = graphs.around.constant(&name("norm_pre"), &[gain.len()], &gain);
            let bias = graphs.around.constant(&name("bias"), &[bias.len()], &bias);
            sum = layer_norm(graphs.body, &sum, &gain, &bias);
        }
        pre.push(sum);
    }
    pre
}

/// The product of the hidden state and the recurrent weights, a part for each block that reads it.
fn hidden_products(graphs: &mut Graphs<'_>, layer: &Layer, inputs: &BodyInputs) -> Vec<Value> {
    let (spec, shape) = (layer.parameters.spec(), layer.parameters.shape());
    let blocks = spec.indices(Block::reads_hidden);
    let Some(hidden) = inputs.states.first().filter(|_| !blocks.is_empty()) else {
        return Vec::new();
    };
    let rows = layer.parameters.blocks("weight_hh", &blocks, shape.output());
    let columns = transposed(&rows, shape.output());
    let name = format!("recurrent.weight_hh{}.transposed", layer.suffix);
    let size = [shape.output(), blocks.len() * shape.hidden];
    let weight = graphs.around.constant(&name, &size, &columns);
    let products = graphs.body.matmul(hidden, &weight);
    graphs.body.split(&products, 1, shape.hidden, blocks.len())
}
