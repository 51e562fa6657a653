//! The stack of recurrent layers.

mod block;
mod layer;
mod native;
mod norm;
mod parameters;
mod scan;
mod step;

use fgn_core::{LayerShape, Norm};
use fgn_nn::RecurrentConfig;

use crate::context::{Context, Sequences};
use crate::error::Result;
use crate::graph::{Dim, Value};
use crate::proto::DataType;
use block::Blocks;
use layer::{Layer, Options, Run};
use parameters::LayerParameters;

/// All layers over `features`, with an input and an output for the states of each.
pub(crate) fn stack(
    context: &mut Context<'_>,
    config: &RecurrentConfig,
    features: Sequences,
) -> Result<Sequences> {
    // A new option is read here, so that no model is exported without it.
    let RecurrentConfig {
        hidden_size,
        cell,
        layers,
        bidirectional,
        batch_first: _,
        bias: _,
        projection,
        residual,
        norm,
        input_dropout: _,
        dropout: _,
        hidden_dropout: _,
        weight_drop: _,
        zoneout,
        clip,
        init: _,
        block,
    } = config;
    let blocks = block.map(|block| Blocks::new(block, config.output_size()));
    let batch = context.graph.size(&features.x, 1);
    let mut x = match &blocks {
        Some(blocks) => blocks.embed(context, features)?,
        None => features,
    };
    for layer in 0..*layers {
        let shape = LayerShape {
            input: x.size,
            hidden: *hidden_size,
            projection: *projection,
            norm: *norm,
        };
        let options = Options { shape, zoneout, clip: *clip };
        let mut directions = Vec::new();
        for reverse in [false, true].into_iter().take(1 + usize::from(*bidirectional)) {
            let suffix = format!("_l{layer}{}", if reverse { "_reverse" } else { "" });
            let parameters = LayerParameters::take(&mut context.weights, *cell, shape, &suffix)?;
            let kept = blocks.as_ref().map_or(0, Blocks::window);
            let (states, window) = initial_states(context, &parameters, &suffix, kept, &batch);
            directions.push(Layer { parameters, suffix, reverse, states, window, kept });
        }
        // A convolution is in a stack of one direction.
        let window = directions.first().and_then(|layer| layer.window.as_ref());
        let (read, window) = match &blocks {
            Some(blocks) => blocks.before_cells(context, layer, &x, window)?,
            None => (x.clone(), None),
        };
        let runs = runs(context, &options, &directions, &read)?;
        for (layer, run) in directions.iter().zip(&runs) {
            final_states(context, layer, &run.states, window.as_ref());
        }
        let outputs: Vec<_> = runs.into_iter().map(|run| run.outputs).collect();
        let outputs = context.graph.concat(&outputs, 2);
        let has_residual = *residual && layer > 0;
        x = match &blocks {
            Some(blocks) => blocks.after_cells(context, layer, x, &outputs)?,
            None => {
                let sum = has_residual.then(|| context.graph.add(&x.x, &outputs));
                Sequences { x: sum.unwrap_or(outputs), size: config.output_size(), ..x }
            }
        };
    }
    match &blocks {
        Some(blocks) => blocks.outputs(context, x),
        None => Ok(x),
    }
}

/// The cells of a layer, in all its directions.
fn runs(
    context: &mut Context<'_>,
    options: &Options<'_>,
    directions: &[Layer],
    x: &Sequences,
) -> Result<Vec<Run>> {
    let cell = directions.first().map(|layer| layer.parameters.cell());
    let operator = cell.filter(|_| is_plain(options)).and_then(native::Operator::of);
    match operator {
        Some(operator) => Ok(native::layer(context, &operator, directions, x)),
        None => directions.iter().map(|layer| scan::layer(context, options, layer, x)).collect(),
    }
}

/// Whether the layer computes its cell's equations and nothing else.
fn is_plain(options: &Options<'_>) -> bool {
    let Options { shape, zoneout, clip } = options;
    shape.projection.is_none()
        && shape.norm == Norm::default()
        && zoneout.iter().all(|&rate| rate == 0.0)
        && clip.is_none()
}

/// The states before the first step: an input `[S, B, H]` that is zero by default. With a convolution, its last `kept`
/// inputs follow the cell's states, and are returned beside them, `[kept, B, H]`.
fn initial_states(
    context: &mut Context<'_>,
    parameters: &LayerParameters,
    suffix: &str,
    kept: usize,
    batch: &Value,
) -> (Vec<Value>, Option<Value>) {
    let (own, shape) = (parameters.spec().states.len(), parameters.shape());
    let count = own + kept;
    let graph = &mut context.graph;
    let name = format!("state{suffix}");
    let dims = [Dim::Fixed(count), Dim::Named("state_batch"), Dim::Fixed(shape.hidden)];
    let given = graph.input(&name, DataType::Float, &dims);
    graph.constant(&name, &[count, 1, shape.hidden], &vec![0.0; count * shape.hidden]);
    let [first, last] = [count, shape.hidden].map(|size| graph.ints(&[size as i64]));
    let size = graph.concat(&[first, batch.clone(), last], 0);
    let whole = graph.node("Expand", [&given, &size], vec![]);
    let (of_cell, window) = match kept {
        0 => (whole, None),
        _ => (graph.slice(&whole, 0, 0, own), Some(graph.slice(&whole, 0, own, count))),
    };
    let split = graph.split(&of_cell, 0, 1, own);
    let mut states: Vec<_> = split.iter().map(|state| graph.squeeze(state, 0)).collect();
    if let (Some(size), Some(hidden)) = (shape.projection, states.first_mut()) {
        *hidden = graph.slice(hidden, 1, 0, size);
    }
    (states, window)
}

/// The output `next_state…`, as [`initial_states`] has them: the states after the last step of each sequence.
fn final_states(
    context: &mut Context<'_>,
    layer: &Layer,
    states: &[Value],
    window: Option<&Value>,
) {
    let shape = layer.parameters.shape();
    let graph = &mut context.graph;
    let mut states = states.to_vec();
    if let (Some(size), Some(hidden)) = (shape.projection, states.first_mut()) {
        let pads = graph.ints(&[0, 0, 0, (shape.hidden - size) as i64]);
        *hidden = graph.node("Pad", [&*hidden, &pads], vec![]);
    }
    let mut rows: Vec<_> = states.iter().map(|state| graph.unsqueeze(state, 0)).collect();
    rows.extend(window.cloned());
    let whole = graph.concat(&rows, 0);
    let count = states.len() + layer.kept;
    let dims = [Dim::Fixed(count), Dim::Named("batch"), Dim::Fixed(shape.hidden)];
    graph.output(&format!("next_state{}", layer.suffix), &whole, DataType::Float, &dims);
}
