//! Attention over the outputs of the encoder.

use fgn_nn::{Attention, Decoder};

use crate::attribute;
use crate::context::{Context, Sequences};
use crate::error::{Error, Result};
use crate::graph::Value;

/// The encoder's outputs for a batch, in the graph around the loop.
pub(super) struct Memory {
    scores: Scores,
    /// `[B, T, D]`
    values: Value,
    /// Which steps a sample has, `bool [B, 1, T]`; `None` where all have `T`.
    is_within: Option<Value>,
    /// `[A, D]`
    sizes: [usize; 2],
}

/// What scores read that does not depend on the decoder.
enum Scores {
    /// `W s`, `[B, A, T]`.
    General { keys: Value },
    /// `U s`, `[B, 1, T, A]`.
    Additive { keys: Value },
}

impl Memory {
    /// `None` without attention.
    pub(super) fn new(
        context: &mut Context<'_>,
        config: &Decoder,
        outputs: &Sequences,
    ) -> Result<Option<Self>> {
        let sizes = [config.recurrent.output_size(), outputs.size];
        let values = context.graph.transpose(&outputs.x, &[1, 0, 2]);
        let scores = match config.attention {
            Attention::None => return Ok(None),
            Attention::General => {
                let keys = context.product("head.attention.weight", &values, sizes)?;
                Scores::General { keys: context.graph.transpose(&keys, &[0, 2, 1]) }
            }
            Attention::Additive => {
                let keys = context.product("head.attention.key.weight", &values, sizes)?;
                Scores::Additive { keys: context.graph.unsqueeze(&keys, 1) }
            }
            _ => {
                let reason = "there is no graph for this kind of attention";
                return Err(Error::unsupported("model.head.attention", reason));
            }
        };
        let graph = &mut context.graph;
        let is_within = outputs.lengths.as_ref().map(|lengths| {
            let steps = graph.size(&values, 1);
            let steps = graph.range(&steps);
            let column = graph.unsqueeze(&lengths.int64, 1);
            let is_within = graph.node("Less", [&steps, &column], vec![]);
            graph.unsqueeze(&is_within, 1)
        });
        Ok(Some(Self { scores, values, is_within, sizes }))
    }

    /// In the body of the loop: the attentional vectors `[B, K, A]` for the decoder's outputs `h: [B, K, A]`.
    pub(super) fn attend(&self, inner: &mut Context<'_>, h: &Value) -> Result<Value> {
        let [own, inputs] = self.sizes;
        let mut scores = self.scores(inner, h)?;
        if let Some(is_within) = &self.is_within {
            let never = inner.graph.float(f64::NEG_INFINITY);
            scores = inner.graph.node("Where", [is_within, &scores, &never], vec![]);
        }
        let weights = inner.graph.node("Softmax", [&scores], vec![attribute::int("axis", -1)]);
        let mean = inner.graph.matmul(&weights, &self.values);
        let both = inner.graph.concat(&[mean, h.clone()], 2);
        let sums = inner.product("combine.weight", &both, [own, inputs + own])?;
        Ok(inner.graph.node("Tanh", [&sums], vec![]))
    }

    /// `[B, K, T]`
    fn scores(&self, inner: &mut Context<'_>, h: &Value) -> Result<Value> {
        let [own, _] = self.sizes;
        match &self.scores {
            Scores::General { keys } => Ok(inner.graph.matmul(h, keys)),
            Scores::Additive { keys } => {
                let queries = inner.product("attention.query.weight", h, [own, own])?;
                let queries = inner.graph.unsqueeze(&queries, 2);
                let sums = inner.graph.add(&queries, keys);
                let sums = inner.graph.node("Tanh", [&sums], vec![]);
                let vector = inner.parameter("attention.vector", &[own])?;
                let vector = inner.graph.unsqueeze(&vector, 1);
                let scores = inner.graph.matmul(&sums, &vector);
                Ok(inner.graph.squeeze(&scores, 3))
            }
        }
    }
}
