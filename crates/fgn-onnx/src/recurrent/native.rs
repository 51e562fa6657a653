//! Cells for which ONNX has an operator of their own.

use fgn_core::AnyCell;
use fgn_core::cells::Nonlinearity;

use super::layer::{Layer, Run};
use crate::attribute;
use crate::context::{Context, Sequences};
use crate::graph::Value;
use crate::proto::AttributeProto;

/// An operator, and which of the cell's blocks are its gates, in the operator's order.
pub(super) struct Operator {
    name: &'static str,
    /// The blocks of the input weights.
    input: &'static [usize],
    /// The blocks of the recurrent weights.
    hidden: &'static [usize],
    /// The cell's vectors that are peepholes, in the operator's order.
    peepholes: &'static [&'static str],
    /// The activations of one direction, where they are not the default.
    activations: &'static [&'static str],
    /// Whether the reset gate is applied after the product, as in PyTorch.
    reset_after: bool,
}

impl Operator {
    /// The operator that computes what the cell does, if there is one.
    pub(super) fn of(cell: AnyCell) -> Option<Self> {
        // In the cell's own order i, f, g, o; in the operator's i, o, f, c.
        let lstm = Self {
            name: "LSTM",
            input: &[0, 3, 1, 2],
            hidden: &[0, 3, 1, 2],
            peepholes: &[],
            activations: &[],
            reset_after: false,
        };
        match cell {
            AnyCell::Lstm {} => Some(lstm),
            AnyCell::PeepholeLstm {} => Some(Self { peepholes: &["p_i", "p_o", "p_f"], ..lstm }),
            // In the cell's own order r, z, n and n_h; in the operator's z, r, h.
            AnyCell::Gru {} => Some(Self {
                name: "GRU",
                input: &[1, 0, 2],
                hidden: &[1, 0, 3],
                reset_after: true,
                ..lstm
            }),
            AnyCell::Rnn { nonlinearity } => Some(Self {
                name: "RNN",
                input: &[0],
                hidden: &[0],
                activations: match nonlinearity {
                    Nonlinearity::Tanh => &["Tanh"],
                    Nonlinearity::Relu => &["Relu"],
                },
                ..lstm
            }),
            _ => None,
        }
    }

    fn attributes(&self, hidden: usize, directions: usize) -> Vec<AttributeProto> {
        let direction = if directions == 1 { "forward" } else { "bidirectional" };
        let mut attributes = vec![
            attribute::int("hidden_size", hidden as i64),
            attribute::text("direction", direction),
        ];
        if !self.activations.is_empty() {
            attributes.push(attribute::texts("activations", &self.activations.repeat(directions)));
        }
        if self.reset_after {
            attributes.push(attribute::int("linear_before_reset", 1));
        }
        attributes
    }
}

/// One layer in all its directions, as one node.
pub(super) fn layer(
    context: &mut Context<'_>,
    operator: &Operator,
    directions: &[Layer],
    x: &Sequences,
) -> Vec<Run> {
    let count = directions.len();
    let Some(first) = directions.first() else { return Vec::new() };
    let hidden = first.parameters.shape().hidden;
    let Weights { w, r, b, p } = weights(context, operator, directions, [x.size, hidden]);
    let lengths = x.lengths.as_ref().map_or(Value::NONE, |lengths| lengths.int32.clone());
    let graph = &mut context.graph;
    let mut inputs = vec![x.x.clone(), w, r, b, lengths];
    let states = first.states.len();
    for state in 0..states {
        let of_state = directions.iter().filter_map(|layer| layer.states.get(state));
        let rows: Vec<_> = of_state.map(|value| graph.unsqueeze(value, 0)).collect();
        inputs.push(graph.concat(&rows, 0));
    }
    if !operator.peepholes.is_empty() {
        inputs.push(p);
    }
    let inputs: Vec<_> = inputs.iter().collect();
    let attributes = operator.attributes(hidden, count);
    let mut results = graph.many(operator.name, &inputs, attributes, 1 + states);
    let outputs = results.remove(0);
    let outputs = graph.split(&outputs, 1, 1, count);
    let states: Vec<_> = results.iter().map(|all| graph.split(all, 0, 1, count)).collect();
    let run = |(direction, outputs): (usize, &Value)| Run {
        outputs: graph.squeeze(outputs, 1),
        states: states
            .iter()
            .filter_map(|of_state| of_state.get(direction))
            .map(|state| graph.squeeze(state, 0))
            .collect(),
    };
    outputs.iter().enumerate().map(run).collect()
}

/// The operator's parameters, each `[D, ..]`.
struct Weights {
    w: Value,
    r: Value,
    /// [`Value::NONE`] without biases.
    b: Value,
    /// The peepholes.
    p: Value,
}

fn weights(
    context: &mut Context<'_>,
    operator: &Operator,
    directions: &[Layer],
    [input, hidden]: [usize; 2],
) -> Weights {
    let (count, rows) = (directions.len(), operator.input.len() * hidden);
    let all =
        |of: &dyn Fn(&Layer) -> Vec<f32>| -> Vec<f32> { directions.iter().flat_map(of).collect() };
    let w = all(&|layer| layer.parameters.blocks("weight_ih", operator.input, input));
    let r = all(&|layer| layer.parameters.blocks("weight_hh", operator.hidden, hidden));
    let b = all(&|layer| {
        let input = layer.parameters.blocks("bias_ih", operator.input, 1);
        [input, layer.parameters.blocks("bias_hh", operator.hidden, 1)].concat()
    });
    let p = all(&|layer| {
        let vectors = operator.peepholes.iter().filter_map(|name| layer.parameters.tensor(name));
        vectors.flatten().copied().collect()
    });
    let has_bias = directions.iter().any(|layer| layer.parameters.tensor("bias_ih").is_some());
    let suffix = directions.first().map_or("", |layer| layer.suffix.as_str());
    let graph = &mut context.graph;
    let mut constant = |name: &str, shape: &[usize], values: &[f32]| {
        graph.constant(&format!("recurrent.{name}{suffix}"), shape, values)
    };
    Weights {
        w: constant("w", &[count, rows, input], &w),
        r: constant("r", &[count, rows, hidden], &r),
        b: match has_bias {
            true => constant("b", &[count, 2 * rows], &b),
            false => Value::NONE,
        },
        p: match operator.peepholes {
            [] => Value::NONE,
            names => constant("p", &[count, names.len() * hidden], &p),
        },
    }
}
