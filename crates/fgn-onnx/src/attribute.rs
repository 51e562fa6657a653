//! The options of operators.

use crate::proto::{AttributeProto, AttributeType, GraphProto};

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..of(name, AttributeType::Int) }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..of(name, AttributeType::Ints) }
}

pub(crate) fn float(name: &str, f: f64) -> AttributeProto {
    AttributeProto { f: f as f32, ..of(name, AttributeType::Float) }
}

pub(crate) fn text(name: &str, text: &str) -> AttributeProto {
    AttributeProto { s: text.as_bytes().to_vec(), ..of(name, AttributeType::String) }
}

pub(crate) fn texts(name: &str, texts: &[&str]) -> AttributeProto {
    let strings = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..of(name, AttributeType::Strings) }
}

pub(crate) fn graph(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(graph), ..of(name, AttributeType::Graph) }
}

fn of(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind.into(), ..AttributeProto::default() }
}
