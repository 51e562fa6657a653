//! A cell's recorded step as nodes.

use fgn_core::recording::{Function, Node, Operand, RecordedStep, Source};

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::proto::DataType;

/// What a step reads.
pub(super) struct Inputs {
    /// The pre-activation of each block, `[B, H]`.
    pub(super) pre: Vec<Value>,
    /// Each state after the previous step, `[B, H]`.
    pub(super) prev: Vec<Value>,
    /// Each of the cell's vectors, `[H]`.
    pub(super) vectors: Vec<Value>,
}

/// The graph around the loop, and the body of the loop.
pub(super) struct Graphs<'a> {
    pub(super) around: &'a mut Graph,
    pub(super) body: &'a mut Graph,
}

/// A value, and whether it is the same at every step: such a value is computed around the loop.
#[derive(Clone)]
struct Found {
    value: Value,
    is_constant: bool,
}

/// The cell's output and states after one step. `normalize` takes the memory to its normalisation.
pub(super) fn nodes(
    graphs: &mut Graphs<'_>,
    step: &RecordedStep,
    inputs: &Inputs,
    memory: Option<usize>,
    normalize: impl Fn(&mut Graphs<'_>, &Value) -> Value,
) -> Result<(Value, Vec<Value>)> {
    let mut found: Vec<Found> = Vec::with_capacity(step.nodes.len());
    for node in &step.nodes {
        let next = match node {
            Node::Source(Source::NormalizedMemory) => {
                let memory = memory.and_then(|memory| step.next.get(memory));
                let memory = operand(graphs, &found, memory.ok_or_else(unknown)?)?;
                Found { value: normalize(graphs, &memory.value), is_constant: false }
            }
            Node::Source(source) => of_source(inputs, *source)?,
            Node::Call(function, operands) => {
                let operands = operands.iter().map(|of| operand(graphs, &found, of));
                let operands = operands.collect::<Result<Vec<_>>>()?;
                call(graphs, *function, &operands)?
            }
        };
        found.push(next);
    }
    let output = operand(graphs, &found, &step.output)?.value;
    let next = step.next.iter().map(|of| Ok(operand(graphs, &found, of)?.value));
    Ok((output, next.collect::<Result<_>>()?))
}

fn of_source(inputs: &Inputs, source: Source) -> Result<Found> {
    let (list, index, is_constant) = match source {
        Source::Pre(index) => (&inputs.pre, index, false),
        Source::Prev(index) => (&inputs.prev, index, false),
        Source::Vector(index) => (&inputs.vectors, index, true),
        Source::NormalizedMemory | Source::OutputGradient | Source::NextGradient(_) => {
            return Err(unknown());
        }
    };
    let value = list.get(index).cloned().ok_or_else(unknown)?;
    Ok(Found { value, is_constant })
}

fn operand(graphs: &mut Graphs<'_>, found: &[Found], operand: &Operand) -> Result<Found> {
    match *operand {
        Operand::Constant(number) => {
            Ok(Found { value: graphs.around.float(number), is_constant: true })
        }
        Operand::Node(index) => found.get(index).cloned().ok_or_else(unknown),
    }
}

/// For an operand that is not there: a cell whose recording does not fit its description.
fn unknown() -> Error {
    Error::unsupported("model.recurrent.cell", "its step reads a value that its description lacks")
}

fn call(graphs: &mut Graphs<'_>, function: Function, operands: &[Found]) -> Result<Found> {
    let is_constant = operands.iter().all(|operand| operand.is_constant);
    // What a binary gate is compared with.
    let zero = (function == Function::Binary).then(|| graphs.around.float(0.0));
    let graph = if is_constant { &mut *graphs.around } else { &mut *graphs.body };
    let values: Vec<_> = operands.iter().map(|operand| &operand.value).chain(&zero).collect();
    let value = match (function, &values[..]) {
        (Function::Add, [a, b]) => graph.add(a, b),
        (Function::Sub, [a, b]) => graph.node("Sub", [a, b], vec![]),
        (Function::Mul, [a, b]) => graph.mul(a, b),
        (Function::Div, [a, b]) => graph.node("Div", [a, b], vec![]),
        (Function::Neg, [a]) => graph.node("Neg", [a], vec![]),
        (Function::MulAdd, [a, b, c]) => {
            let product = graph.mul(a, b);
            graph.add(&product, c)
        }
        (Function::Tanh, [a]) => graph.node("Tanh", [a], vec![]),
        (Function::Sigmoid, [a]) => graph.node("Sigmoid", [a], vec![]),
        (Function::Exp, [a]) => graph.node("Exp", [a], vec![]),
        (Function::LogSigmoid, [a]) => {
            let negative = graph.node("Neg", [a], vec![]);
            let soft = graph.node("Softplus", [&negative], vec![]);
            graph.node("Neg", [&soft], vec![])
        }
        (Function::Binary, [a, zero]) => {
            let is_positive = graph.node("GreaterOrEqual", [a, zero], vec![]);
            graph.cast(&is_positive, DataType::Float)
        }
        (Function::MinOr, [a, b]) => {
            let is_less = graph.node("Less", [a, b], vec![]);
            graph.node("Where", [&is_less, a, b], vec![])
        }
        (Function::MaxOr, [a, b]) => {
            let is_greater = graph.node("Greater", [a, b], vec![]);
            graph.node("Where", [&is_greater, a, b], vec![])
        }
        _ => return Err(unknown()),
    };
    Ok(Found { value, is_constant })
}
