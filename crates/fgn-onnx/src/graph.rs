//! A graph that grows node by node. Names are given as it grows, each once.

use std::collections::HashMap;

use crate::attribute;
use crate::proto::{
    AttributeProto, DataType, DimensionProto, DimensionValue, GraphProto, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// A value of a graph, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value(String);

impl Value {
    /// In place of an optional input that is left out.
    pub(crate) const NONE: Self = Self(String::new());
}

/// One dimension of the shape of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dim {
    Fixed(usize),
    /// The same number wherever the name occurs.
    Named(&'static str),
    Any,
}

/// A graph, or the body of a loop inside one.
pub(crate) struct Graph {
    /// What the names of its values begin with.
    prefix: String,
    content: GraphProto,
    /// The whole numbers that are constants already; alone or as a vector.
    ints: HashMap<(bool, Vec<i64>), Value>,
    /// The numbers that are constants already, by their bits.
    floats: HashMap<u32, Value>,
}

impl Graph {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            content: GraphProto::default(),
            ints: HashMap::new(),
            floats: HashMap::new(),
        }
    }

    /// The body of a loop in this graph. The names of its values begin with its own.
    pub(crate) fn inner(&self, name: &str) -> Self {
        Self::new(&format!("{}{name}/", self.prefix))
    }

    pub(crate) fn finish(self, name: &str) -> GraphProto {
        GraphProto { name: name.to_owned(), ..self.content }
    }

    pub(crate) fn input(&mut self, name: &str, element: DataType, shape: &[Dim]) -> Value {
        let name = format!("{}{name}", self.prefix);
        self.content.input.push(info(&name, element, shape));
        Value(name)
    }

    /// Returns `value` under that name.
    pub(crate) fn output(&mut self, name: &str, value: &Value, element: DataType, shape: &[Dim]) {
        let name = format!("{}{name}", self.prefix);
        self.push("Identity", &[value], Vec::new(), vec![name.clone()]);
        self.content.output.push(info(&name, element, shape));
    }

    /// The outputs so far, in their order.
    pub(crate) fn outputs(&self) -> Vec<Value> {
        self.content.output.iter().map(|info| Value(info.name.clone())).collect()
    }

    /// The outputs so far, which are none of the graph's any more.
    pub(crate) fn take_outputs(&mut self) -> Vec<Value> {
        let outputs = self.outputs();
        self.content.output.clear();
        outputs
    }

    /// The body of a `Loop`: its inputs have no defaults, and no names of sizes, which would be those of the graph
    /// around it.
    pub(crate) fn finish_loop_body(self, name: &str) -> GraphProto {
        let mut body = self.finish(name);
        let GraphProto { input, initializer, .. } = &mut body;
        initializer.retain(|tensor| !input.iter().any(|info| info.name == tensor.name));
        let tensors =
            input.iter_mut().filter_map(|info| info.r#type.as_mut()?.tensor_type.as_mut());
        for dim in
            tensors.filter_map(|tensor| tensor.shape.as_mut()).flat_map(|shape| &mut shape.dim)
        {
            dim.value.take_if(|value| matches!(value, DimensionValue::DimParam(_)));
        }
        body
    }

    /// The one result of an operation.
    pub(crate) fn node<const N: usize>(
        &mut self,
        operator: &str,
        inputs: [&Value; N],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let [result] = self.nodes(operator, &inputs, attributes);
        result
    }

    /// Of `table: [N, ..]` the rows at `indices`. An index below 0 or from `count` on, `N`, ends the run with an error that
    /// has this name, rather than to count from the end: it says what the indices must be.
    pub(crate) fn gather_checked(
        &mut self,
        name: &str,
        (table, count): (&Value, usize),
        indices: &Value,
    ) -> Value {
        let [zero, beyond] = [0, count as i64].map(|number| self.int(number));
        let is_negative = self.node("Less", [indices, &zero], vec![]);
        let indices = self.node("Where", [&is_negative, &beyond, indices], vec![]);
        let name = format!("{}{name}", self.prefix);
        let axis = vec![attribute::int("axis", 0)];
        self.push("Gather", &[table, &indices], axis, vec![name.clone()]);
        Value(name)
    }

    /// The results of an operation.
    pub(crate) fn nodes<const N: usize>(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> [Value; N] {
        let name = self.next_name(operator);
        let results = std::array::from_fn(|n| match n {
            0 => Value(name.clone()),
            _ => Value(format!("{name}_{n}")),
        });
        let names = results.iter().map(|Value(name)| name.clone()).collect();
        self.push(operator, inputs, attributes, names);
        results
    }

    /// The results of an operation that has `count`.
    pub(crate) fn many(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        count: usize,
    ) -> Vec<Value> {
        let name = self.next_name(operator);
        let names: Vec<_> = (0..count).map(|n| format!("{name}_{n}")).collect();
        self.push(operator, inputs, attributes, names.clone());
        names.into_iter().map(Value).collect()
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attribute: Vec<AttributeProto>,
        output: Vec<String>,
    ) {
        self.content.node.push(NodeProto {
            input: inputs.iter().map(|Value(name)| name.clone()).collect(),
            name: output.first().cloned().unwrap_or_default(),
            output,
            op_type: operator.to_owned(),
            attribute,
        });
    }

    fn next_name(&self, operator: &str) -> String {
        format!("{}{}_{}", self.prefix, operator.to_lowercase(), self.content.node.len())
    }

    /// A constant of that name. The name is not used a second time.
    pub(crate) fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Float, shape, bytes)
    }

    /// The constant of that name and shape, if there is one.
    pub(crate) fn find_constant(&self, name: &str, shape: &[usize]) -> Option<Value> {
        let name = format!("{}{name}", self.prefix);
        let is_it = |tensor: &TensorProto| {
            tensor.name == name
                && tensor.dims.iter().map(|&size| size as usize).eq(shape.iter().copied())
        };
        self.content.initializer.iter().any(is_it).then(|| Value(name.clone()))
    }

    pub(crate) fn doubles(&mut self, name: &str, values: &[f64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Double, &[values.len()], bytes)
    }

    /// A number without dimensions.
    pub(crate) fn float(&mut self, number: f64) -> Value {
        let bits = (number as f32).to_bits();
        if let Some(found) = self.floats.get(&bits) {
            return found.clone();
        }
        let name = format!("float_{}", self.floats.len());
        let value = self.constant(&name, &[], &[number as f32]);
        self.floats.insert(bits, value.clone());
        value
    }

    /// A number without dimensions, as `float32` or `float64`.
    pub(crate) fn number(&mut self, number: f64, dtype: DataType) -> Value {
        if dtype != DataType::Double {
            return self.float(number);
        }
        let name = format!("double_{:x}", number.to_bits());
        self.find_constant(&name, &[]).unwrap_or_else(|| {
            self.initializer(&name, DataType::Double, &[], number.to_le_bytes().to_vec())
        })
    }

    /// Whole numbers in a vector.
    pub(crate) fn ints(&mut self, numbers: &[i64]) -> Value {
        self.whole(false, numbers)
    }

    /// A whole number without dimensions.
    pub(crate) fn int(&mut self, number: i64) -> Value {
        self.whole(true, &[number])
    }

    fn whole(&mut self, alone: bool, numbers: &[i64]) -> Value {
        let key = (alone, numbers.to_vec());
        if let Some(found) = self.ints.get(&key) {
            return found.clone();
        }
        let name = format!("int_{}", self.ints.len());
        let shape = if alone { vec![] } else { vec![numbers.len()] };
        let value = self.int_constant(&name, &shape, numbers);
        self.ints.insert(key, value.clone());
        value
    }

    /// A constant of whole numbers of that name. The name is not used a second time.
    pub(crate) fn int_constant(&mut self, name: &str, shape: &[usize], numbers: &[i64]) -> Value {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.initializer(name, DataType::Int64, shape, bytes)
    }

    fn initializer(
        &mut self,
        name: &str,
        element: DataType,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> Value {
        let name = format!("{}{name}", self.prefix);
        self.content.initializer.push(TensorProto {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: element.into(),
            name: name.clone(),
            raw_data,
        });
        Value(name)
    }
}

/// Operators that are often used.
impl Graph {
    pub(crate) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Add", [a, b], vec![])
    }

    pub(crate) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Mul", [a, b], vec![])
    }

    pub(crate) fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("MatMul", [a, b], vec![])
    }

    pub(crate) fn cast(&mut self, value: &Value, element: DataType) -> Value {
        self.node("Cast", [value], vec![attribute::int("to", element as i64)])
    }

    pub(crate) fn transpose(&mut self, value: &Value, order: &[i64]) -> Value {
        self.node("Transpose", [value], vec![attribute::ints("perm", order)])
    }

    /// To another shape, where 0 keeps a dimension and −1 takes what is left.
    pub(crate) fn reshape(&mut self, value: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.node("Reshape", [value, &shape], vec![])
    }

    pub(crate) fn squeeze(&mut self, value: &Value, axis: i64) -> Value {
        let axes = self.ints(&[axis]);
        self.node("Squeeze", [value, &axes], vec![])
    }

    pub(crate) fn unsqueeze(&mut self, value: &Value, axis: i64) -> Value {
        let axes = self.ints(&[axis]);
        self.node("Unsqueeze", [value, &axes], vec![])
    }

    /// The values side by side along an axis; of one value itself.
    pub(crate) fn concat(&mut self, values: &[Value], axis: i64) -> Value {
        match values {
            [one] => one.clone(),
            _ => {
                let inputs: Vec<_> = values.iter().collect();
                let [result] = self.nodes("Concat", &inputs, vec![attribute::int("axis", axis)]);
                result
            }
        }
    }

    /// `count` parts of that size along an axis; the value itself if there is one.
    pub(crate) fn split(
        &mut self,
        value: &Value,
        axis: i64,
        size: usize,
        count: usize,
    ) -> Vec<Value> {
        if count == 1 {
            return vec![value.clone()];
        }
        let sizes = self.ints(&vec![size as i64; count]);
        self.many("Split", &[value, &sizes], vec![attribute::int("axis", axis)], count)
    }

    /// The part from `start` to `end` along an axis.
    pub(crate) fn slice(&mut self, value: &Value, axis: i64, start: usize, end: usize) -> Value {
        let [start, end] = [start, end].map(|at| self.ints(&[at as i64]));
        let axes = self.ints(&[axis]);
        self.node("Slice", [value, &start, &end, &axes], vec![])
    }

    /// 0 to `end − 1`, for `end: [1]`.
    pub(crate) fn range(&mut self, end: &Value) -> Value {
        let end = self.squeeze(end, 0);
        let [zero, one] = [0, 1].map(|number| self.int(number));
        self.node("Range", [&zero, &end, &one], vec![])
    }

    /// 0 to `T − 1` for `x: [T, ..]`.
    pub(crate) fn step_indices(&mut self, x: &Value) -> Value {
        let steps = self.size(x, 0);
        self.range(&steps)
    }

    /// The size of one dimension, `[1]`.
    pub(crate) fn size(&mut self, value: &Value, axis: i64) -> Value {
        let range = vec![attribute::int("start", axis), attribute::int("end", axis + 1)];
        self.node("Shape", [value], range)
    }
}

fn info(name: &str, element: DataType, shape: &[Dim]) -> ValueInfoProto {
    let dim = shape.iter().map(|dim| DimensionProto {
        value: match dim {
            Dim::Fixed(size) => Some(DimensionValue::DimValue(*size as i64)),
            Dim::Named(name) => Some(DimensionValue::DimParam((*name).to_owned())),
            Dim::Any => None,
        },
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: element.into(), shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}
