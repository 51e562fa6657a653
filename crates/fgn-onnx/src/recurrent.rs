//! The stack of recurrent layers.

mod layer;
mod native;
mod parameters;
mod scan;
mod step;

use fgn_core::{LayerShape, Norm};
use fgn_nn::RecurrentConfig;

use crate::context::{Context, Sequences};
use crate::error::{Error, Result};
use crate::graph::{Dim, Value};
use crate::proto::DataType;
use layer::{Layer, Options};
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
    if block.is_some() {
        let reason = "residual blocks have no graph here";
        return Err(Error::unsupported("model.recurrent.block", reason));
    }
    let mut x = features;
    let batch = context.graph.size(&x.x, 1);
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
            let states = initial_states(context, &parameters, &suffix, &batch);
            directions.push(Layer { parameters, suffix, reverse, states });
        }
        let runs = match native::Operator::of(*cell).filter(|_| is_plain(&options)) {
            Some(operator) => native::layer(context, &operator, &directions, &x),
            None => {
                let runs = directions.iter().map(|layer| scan::layer(context, &options, layer, &x));
                runs.collect::<Result<_>>()?
            }
        };
        for (layer, run) in directions.iter().zip(&runs) {
            final_states(context, layer, &run.states);
        }
        let outputs: Vec<_> = runs.into_iter().map(|run| run.outputs).collect();
        let outputs = context.graph.concat(&outputs, 2);
        let has_residual = *residual && layer > 0;
        let outputs = if has_residual { context.graph.add(&x.x, &outputs) } else { outputs };
        x = Sequences { x: outputs, size: config.output_size(), ..x };
    }
    Ok(x)
}

/// Whether the layer computes its cell's equations and nothing else.
fn is_plain(options: &Options<'_>) -> bool {
    let Options { shape, zoneout, clip } = options;
    shape.projection.is_none()
        && shape.norm == Norm::default()
        && zoneout.iter().all(|&rate| rate == 0.0)
        && clip.is_none()
}

/// The states before the first step: an input `[S, B, H]` that is zero by default.
fn initial_states(
    context: &mut Context<'_>,
    parameters: &LayerParameters,
    suffix: &str,
    batch: &Value,
) -> Vec<Value> {
    let (count, shape) = (parameters.spec().states.len(), parameters.shape());
    let graph = &mut context.graph;
    let name = format!("state{suffix}");
    let dims = [Dim::Fixed(count), Dim::Named("state_batch"), Dim::Fixed(shape.hidden)];
    let given = graph.input(&name, DataType::Float, &dims);
    graph.constant(&name, &[count, 1, shape.hidden], &vec![0.0; count * shape.hidden]);
    let [first, last] = [count, shape.hidden].map(|size| graph.ints(&[size as i64]));
    let size = graph.concat(&[first, batch.clone(), last], 0);
    let whole = graph.node("Expand", [&given, &size], vec![]);
    let split = graph.split(&whole, 0, 1, count);
    let mut states: Vec<_> = split.iter().map(|state| graph.squeeze(state, 0)).collect();
    if let (Some(size), Some(hidden)) = (shape.projection, states.first_mut()) {
        *hidden = graph.slice(hidden, 1, 0, size);
    }
    states
}

/// The output `next_state…`, `[S, B, H]`: the states after the last step of each sequence.
fn final_states(context: &mut Context<'_>, layer: &Layer, states: &[Value]) {
    let shape = layer.parameters.shape();
    let graph = &mut context.graph;
    let mut states = states.to_vec();
    if let (Some(size), Some(hidden)) = (shape.projection, states.first_mut()) {
        let pads = graph.ints(&[0, 0, 0, (shape.hidden - size) as i64]);
        *hidden = graph.node("Pad", [&*hidden, &pads], vec![]);
    }
    let rows: Vec<_> = states.iter().map(|state| graph.unsqueeze(state, 0)).collect();
    let whole = graph.concat(&rows, 0);
    let dims = [Dim::Fixed(states.len()), Dim::Named("batch"), Dim::Fixed(shape.hidden)];
    graph.output(&format!("next_state{}", layer.suffix), &whole, DataType::Float, &dims);
}
