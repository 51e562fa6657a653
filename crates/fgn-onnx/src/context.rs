//! What all parts of an export share.

use crate::error::Result;
use crate::graph::{Dim, Graph, Value};
use crate::proto::DataType;
use crate::weights::Weights;

/// The graph so far, and where its constants come from.
pub(crate) struct Context<'a> {
    pub(crate) graph: Graph,
    pub(crate) weights: Weights<'a>,
    /// The type of numbers in their own units: those of a series before it is scaled, and of a regression after.
    pub(crate) unscaled: DataType,
}

/// Sequences of features or of outputs.
#[derive(Clone)]
pub(crate) struct Sequences {
    /// `[T, B, size]`
    pub(crate) x: Value,
    pub(crate) size: usize,
    /// `T`, where it is the same for all samples.
    pub(crate) steps: Option<usize>,
    /// How many steps each sequence has; `None` where all have `T`.
    pub(crate) lengths: Option<Lengths>,
}

/// The length of each sequence, `[B]`.
#[derive(Clone)]
pub(crate) struct Lengths {
    pub(crate) int64: Value,
    pub(crate) int32: Value,
}

impl Sequences {
    pub(crate) fn time(&self) -> Dim {
        self.steps.map_or(Dim::Named("time"), Dim::Fixed)
    }

    /// Which steps a sequence has, `bool [T, B, 1]`; `None` where all have `T`.
    pub(crate) fn is_within(&self, graph: &mut Graph) -> Option<Value> {
        let lengths = self.lengths.as_ref()?;
        let steps = graph.step_indices(&self.x);
        let steps = graph.unsqueeze(&steps, 1);
        let is_within = graph.node("Less", [&steps, &lengths.int64], vec![]);
        Some(graph.unsqueeze(&is_within, 2))
    }
}

impl Context<'_> {
    /// A parameter as it is stored.
    pub(crate) fn parameter(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        let values = self.weights.take(name, shape)?;
        Ok(self.graph.constant(name, shape, &values))
    }

    /// A parameter that an earlier part has put into the graph already.
    pub(crate) fn shared(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        match self.graph.find_constant(name, shape) {
            Some(value) => Ok(value),
            None => self.parameter(name, shape),
        }
    }

    /// `x: [.., inputs]` times the transposed parameter `[outputs, inputs]`.
    pub(crate) fn product(
        &mut self,
        name: &str,
        x: &Value,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Value> {
        let columns = self.weights.transposed(name, [outputs, inputs])?;
        let weight =
            self.graph.constant(&format!("{name}.transposed"), &[inputs, outputs], &columns);
        Ok(self.graph.matmul(x, &weight))
    }

    /// A fully connected layer with the parameters `{name}.weight` and `{name}.bias`.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        x: &Value,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Value> {
        let product = self.product(&format!("{name}.weight"), x, [outputs, inputs])?;
        let bias = self.parameter(&format!("{name}.bias"), &[outputs])?;
        Ok(self.graph.add(&product, &bias))
    }
}
