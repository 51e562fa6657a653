//! Residual blocks around the layers of a stack.

use fgn_nn::{BlockConfig, BlockNorm};

use super::norm::{layer_norm, rms_norm};
use crate::attribute;
use crate::context::{Context, Sequences};
use crate::error::Result;
use crate::graph::{Graph, Value};

/// The blocks of a stack. `x: [T, B, D]` is the residual stream.
pub(super) struct Blocks {
    norm: BlockNorm,
    /// `D`
    width: usize,
    /// The hidden units of the multi-layer perceptron, 0 for none.
    mlp: usize,
    /// The width `K` of the convolution, 0 for none.
    taps: usize,
}

impl Blocks {
    /// For a residual stream of `width` features.
    pub(super) fn new(config: BlockConfig, width: usize) -> Self {
        let BlockConfig { norm, mlp, conv, dropout: _ } = config;
        Self { norm, width, mlp: (mlp * width as f64).round() as usize, taps: conv }
    }

    /// How many inputs the convolution keeps: `K − 1`.
    pub(super) fn window(&self) -> usize {
        self.taps.saturating_sub(1)
    }

    /// The residual stream before the first layer.
    pub(super) fn embed(
        &self,
        context: &mut Context<'_>,
        features: Sequences,
    ) -> Result<Sequences> {
        let sizes = [self.width, features.size];
        let x = context.linear("recurrent.embed", &features.x, sizes)?;
        Ok(Sequences { x, size: self.width, ..features })
    }

    /// What the cells of a layer read, and the next window of the convolution for the `window: [K − 1, B, D]` before the
    /// first step.
    pub(super) fn before_cells(
        &self,
        context: &mut Context<'_>,
        layer: usize,
        x: &Sequences,
        window: Option<&Value>,
    ) -> Result<(Sequences, Option<Value>)> {
        let name = format!("recurrent.blocks.{layer}");
        let normal = self.normalized(context, &format!("{name}.norm"), &x.x)?;
        let normal = Sequences { x: normal, ..x.clone() };
        let Some(window) = window else { return Ok((normal, None)) };
        let (read, next) = self.convolved(context, &format!("{name}.conv"), &normal, window)?;
        Ok((Sequences { x: read, ..normal }, Some(next)))
    }

    /// The residual stream after a layer with those outputs of its cells.
    pub(super) fn after_cells(
        &self,
        context: &mut Context<'_>,
        layer: usize,
        x: Sequences,
        outputs: &Value,
    ) -> Result<Sequences> {
        let Self { width, mlp, .. } = *self;
        let name = format!("recurrent.blocks.{layer}");
        let change = context.linear(&format!("{name}.out"), outputs, [width, width])?;
        let mut sum = context.graph.add(&x.x, &change);
        if mlp > 0 {
            let normal = self.normalized(context, &format!("{name}.mlp.norm"), &sum)?;
            let both = context.linear(&format!("{name}.mlp.up"), &normal, [2 * mlp, width])?;
            let gated = gated(&mut context.graph, &both, mlp);
            let change = context.linear(&format!("{name}.mlp.down"), &gated, [width, mlp])?;
            sum = context.graph.add(&sum, &change);
        }
        Ok(Sequences { x: sum, ..x })
    }

    /// The outputs after the last layer: zeros past the length of each sequence.
    pub(super) fn outputs(&self, context: &mut Context<'_>, x: Sequences) -> Result<Sequences> {
        let mut outputs = self.normalized(context, "recurrent.norm", &x.x)?;
        let graph = &mut context.graph;
        if let Some(is_within) = x.is_within(graph) {
            let zero = graph.float(0.0);
            outputs = graph.node("Where", [&is_within, &outputs, &zero], vec![]);
        }
        Ok(Sequences { x: outputs, ..x })
    }

    fn normalized(&self, context: &mut Context<'_>, name: &str, x: &Value) -> Result<Value> {
        let gain = context.parameter(&format!("{name}.weight"), &[self.width])?;
        Ok(match self.norm {
            BlockNorm::Rms => rms_norm(&mut context.graph, x, &gain),
            BlockNorm::Layer => {
                let bias = context.parameter(&format!("{name}.bias"), &[self.width])?;
                layer_norm(&mut context.graph, x, &gain, &bias)
            }
        })
    }

    /// The causal convolution of each feature over time, and its next window.
    fn convolved(
        &self,
        context: &mut Context<'_>,
        name: &str,
        x: &Sequences,
        window: &Value,
    ) -> Result<(Value, Value)> {
        let Self { width, taps, .. } = *self;
        let name_of_weight = format!("{name}.weight");
        let weight = context.weights.take(&name_of_weight, &[width, taps])?;
        let weight = context.graph.constant(&name_of_weight, &[width, 1, taps], &weight);
        let bias = context.parameter(&format!("{name}.bias"), &[width])?;
        let graph = &mut context.graph;
        let inputs = graph.concat(&[window.clone(), x.x.clone()], 0);
        let by_feature = graph.transpose(&inputs, &[1, 2, 0]);
        let attributes = vec![
            attribute::int("group", width as i64),
            attribute::ints("kernel_shape", &[taps as i64]),
        ];
        let sums = graph.node("Conv", [&by_feature, &weight, &bias], attributes);
        let next = self.next_window(graph, x, &inputs);
        Ok((graph.transpose(&sums, &[2, 0, 1]), next))
    }

    /// Of `inputs: [K − 1 + T, B, D]`, the window and the inputs after it, the last `K − 1` of each sequence.
    fn next_window(&self, graph: &mut Graph, x: &Sequences, inputs: &Value) -> Value {
        let kept = self.window() as i64;
        let Some(lengths) = &x.lengths else {
            let [start, end, axis] = [-kept, i64::MAX, 0].map(|at| graph.ints(&[at]));
            return graph.node("Slice", [inputs, &start, &end, &axis], vec![]);
        };
        // Those from `length` on, as the window comes first.
        let steps = graph.ints(&Vec::from_iter(0..kept));
        let from = graph.unsqueeze(&lengths.int64, 1);
        let steps = graph.add(&from, &steps);
        let steps = graph.unsqueeze(&steps, 2);
        let of_sequences = graph.transpose(inputs, &[1, 0, 2]);
        let batch = vec![attribute::int("batch_dims", 1)];
        let rows = graph.node("GatherND", [&of_sequences, &steps], batch);
        graph.transpose(&rows, &[1, 0, 2])
    }
}

/// `silu(a) · b` of `[a; b]`, `[.., 2 M]`.
fn gated(graph: &mut Graph, both: &Value, size: usize) -> Value {
    let a = graph.slice(both, 2, 0, size);
    let b = graph.slice(both, 2, size, 2 * size);
    let gate = graph.node("Sigmoid", [&a], vec![]);
    let silu = graph.mul(&a, &gate);
    graph.mul(&silu, &b)
}
