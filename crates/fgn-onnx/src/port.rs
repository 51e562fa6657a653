//! The inputs and outputs of a graph, for people and programs.

use std::fmt;

use crate::proto::{DataType, DimensionValue, ValueInfoProto};

/// An input or output of a graph: `logits float32[batch, 10]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements, as NumPy calls it.
    pub dtype: &'static str,
    /// Its shape: sizes, and names of those that depend on what is given.
    pub shape: Vec<String>,
    /// Whether it may be left out.
    pub is_optional: bool,
}

impl Port {
    pub(crate) fn new(info: &ValueInfoProto, is_optional: bool) -> Self {
        let tensor = info.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dim[..]);
        let size = |value: &Option<DimensionValue>| match value {
            Some(DimensionValue::DimValue(size)) => size.to_string(),
            Some(DimensionValue::DimParam(name)) => name.clone(),
            None => "?".to_owned(),
        };
        Self {
            name: info.name.clone(),
            dtype: match tensor.map(|tensor| tensor.elem_type()) {
                Some(DataType::Float) => "float32",
                Some(DataType::Double) => "float64",
                Some(DataType::Int32) => "int32",
                Some(DataType::Int64) => "int64",
                Some(DataType::Bool) => "bool",
                Some(DataType::Undefined) | None => "undefined",
            },
            shape: dims.unwrap_or_default().iter().map(|dim| size(&dim.value)).collect(),
            is_optional,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}[{}]", self.name, self.dtype, self.shape.join(", "))?;
        f.write_str(if self.is_optional { " (optional)" } else { "" })
    }
}
