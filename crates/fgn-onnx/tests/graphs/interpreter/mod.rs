//! A naive interpreter of the operators that exported graphs have, written from their specification.

mod elementwise;
mod layers;
mod reductions;
mod shapes;
mod signals;
mod tensor;

use std::collections::BTreeMap;

use fgn_onnx::proto::{AttributeProto, GraphProto, NodeProto};
pub(crate) use tensor::Array;

/// The values of a graph by name, and those of the graph around it.
struct Scope<'a> {
    around: Option<&'a Scope<'a>>,
    values: BTreeMap<String, Array>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> &Array {
        match (self.values.get(name), self.around) {
            (Some(value), _) => value,
            (None, Some(around)) => around.get(name),
            (None, None) => panic!("no value {name}"),
        }
    }
}

/// One node with its inputs; `None` for one that is left out.
pub(crate) struct Call<'a> {
    node: &'a NodeProto,
    inputs: Vec<Option<&'a Array>>,
}

impl<'a> Call<'a> {
    fn input(&self, index: usize) -> &'a Array {
        self.inputs[index].unwrap_or_else(|| panic!("{}: no input {index}", self.node.name))
    }

    fn optional(&self, index: usize) -> Option<&'a Array> {
        self.inputs.get(index).copied().flatten()
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }
}

/// Runs the graph; inputs that are not given have their defaults.
pub(crate) fn run(graph: &GraphProto, inputs: &[(&str, Array)]) -> BTreeMap<String, Array> {
    let values = inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let results = run_inside(graph, None, values);
    graph.output.iter().map(|info| info.name.clone()).zip(results).collect()
}

fn run_inside(
    graph: &GraphProto,
    around: Option<&Scope<'_>>,
    values: BTreeMap<String, Array>,
) -> Vec<Array> {
    let mut scope = Scope { around, values };
    for tensor in &graph.initializer {
        let default = || Array::of_proto(tensor);
        scope.values.entry(tensor.name.clone()).or_insert_with(default);
    }
    for node in &graph.node {
        let inputs = node.input.iter().map(|name| match name.is_empty() {
            true => None,
            false => Some(scope.get(name)),
        });
        let call = Call { node, inputs: inputs.collect() };
        let results = match node.op_type.as_str() {
            "Scan" => scan(&call, &scope),
            "Loop" => repeat(&call, &scope),
            _ => compute(&call),
        };
        assert!(node.output.len() <= results.len(), "{}", node.name);
        for (name, result) in node.output.iter().zip(results) {
            scope.values.insert(name.clone(), result);
        }
    }
    graph.output.iter().map(|info| scope.get(&info.name).clone()).collect()
}

fn compute(call: &Call<'_>) -> Vec<Array> {
    let found = elementwise::compute(call).or_else(|| shapes::compute(call));
    let found = found.or_else(|| layers::compute(call)).or_else(|| reductions::compute(call));
    let found = found.or_else(|| signals::compute(call));
    found.unwrap_or_else(|| panic!("no operator {}", call.node.op_type))
}

fn scan(call: &Call<'_>, scope: &Scope<'_>) -> Vec<Array> {
    let body = call.attribute("body").unwrap().g.as_ref().unwrap();
    let read = call.int("num_scan_inputs").unwrap() as usize;
    let count = call.inputs.len() - read;
    let is_reversed = |name: &str| call.ints(name).is_some_and(|of| of.iter().all(|&it| it == 1));
    let mut states: Vec<Array> = (0..count).map(|at| call.input(at).clone()).collect();
    let steps = call.input(count).shape[0];
    let mut outputs = Vec::new();
    for k in 0..steps {
        let t = if is_reversed("scan_input_directions") { steps - 1 - k } else { k };
        let rows = (count..count + read).map(|at| {
            assert_eq!(call.input(at).shape[0], steps);
            call.input(at).row(t)
        });
        let given = states.iter().cloned().chain(rows);
        let names = body.input.iter().map(|info| info.name.clone());
        let mut results = run_inside(body, Some(scope), names.zip(given).collect());
        let after = results.split_off(count);
        for (state, next) in states.iter().zip(&results) {
            assert_eq!(state.shape, next.shape);
        }
        states = results;
        outputs.extend(after);
    }
    if is_reversed("scan_output_directions") {
        outputs.reverse();
    }
    states.push(Array::stack(&outputs));
    states
}

/// A `Loop` without outputs of single steps.
fn repeat(call: &Call<'_>, scope: &Scope<'_>) -> Vec<Array> {
    let body = call.attribute("body").unwrap().g.as_ref().unwrap();
    let most = call.input(0).as_ints()[0];
    let mut is_running = call.input(1).clone();
    let mut values: Vec<Array> = (2..call.inputs.len()).map(|at| call.input(at).clone()).collect();
    for step in 0..most {
        if is_running.as_ints() == [0] {
            break;
        }
        let given = [Array::ints(&[], vec![step]), is_running].into_iter().chain(values);
        let names = body.input.iter().map(|info| info.name.clone());
        let mut results = run_inside(body, Some(scope), names.zip(given).collect());
        is_running = results.remove(0);
        values = results;
    }
    values
}
