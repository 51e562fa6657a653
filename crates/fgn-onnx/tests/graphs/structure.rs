//! What every graph has in common, whatever it computes.

use std::collections::BTreeSet;

use fgn_onnx::OnnxModel;
use fgn_onnx::proto::{DataType, GraphProto, ModelProto};
use prost::Message as _;

/// Every value is computed before it is read, every name is given once, every constant has as many elements as its
/// shape, and the bytes are the model.
pub(crate) fn check(exported: &OnnxModel) {
    let bytes = exported.to_bytes().unwrap();
    let model = ModelProto::decode(&bytes[..]).unwrap();
    assert_eq!(&model, exported.proto());
    assert_eq!(model.opset_import[0].version, exported.opset());
    let mut names = BTreeSet::new();
    check_graph(model.graph.as_ref().unwrap(), &BTreeSet::new(), &mut names);
}

fn check_graph(graph: &GraphProto, around: &BTreeSet<String>, names: &mut BTreeSet<String>) {
    let mut known = around.clone();
    let mut declare = |known: &mut BTreeSet<String>, name: &str| {
        assert!(names.insert(name.to_owned()), "{name} is given twice");
        known.insert(name.to_owned());
    };
    for info in &graph.input {
        declare(&mut known, &info.name);
    }
    for tensor in &graph.initializer {
        let count: i64 = tensor.dims.iter().product();
        let size = match tensor.data_type() {
            DataType::Float => 4,
            DataType::Double | DataType::Int64 => 8,
            other => panic!("{}: {other:?}", tensor.name),
        };
        assert_eq!(tensor.raw_data.len() as i64, count * size, "{}", tensor.name);
        // A default of an input has its name.
        if !graph.input.iter().any(|info| info.name == tensor.name) {
            declare(&mut known, &tensor.name);
        }
    }
    let mut bodies = Vec::new();
    for node in &graph.node {
        for name in node.input.iter().filter(|name| !name.is_empty()) {
            assert!(known.contains(name), "{} reads {name} before it is computed", node.name);
        }
        let graphs = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
        bodies.extend(graphs.map(|body| (body, known.clone())));
        for name in &node.output {
            declare(&mut known, name);
        }
    }
    for info in &graph.output {
        assert!(known.contains(&info.name), "no output {}", info.name);
    }
    for (body, known) in bodies {
        check_graph(body, &known, names);
    }
}
