//! Beam search: the answers of a decoder without a target.
//!
//! At each step the `beam_size` most likely continuations of all unfinished answers to a sample are taken. Those that
//! end are set aside, and the others go on. The search of a sample ends once `beam_size` answers are finished, none is
//! unfinished, or they are `max_length` long. With a `beam_size` of 1 this is greedy search.

use candle_core::{DType, Tensor};

use super::super::kind::Encoded;
use super::config::Decoder;
use super::hypotheses::Hypotheses;
use super::layers::{Layers, Pass};
use crate::error::Result;
use crate::recurrent::State;

/// The answer to each sample. Each has `beam_size` rows in every step; rows without a hypothesis are computed for
/// nothing.
pub(super) fn search(
    layers: &Layers,
    config: &Decoder,
    encoded: &Encoded<'_>,
    state: &State,
) -> Result<Vec<Vec<u32>>> {
    let batch = encoded.output.dim(1)?;
    let mut pass = Pass { memory: layers.memory(encoded)?, dropout: None, seed: None };
    let mut answers = vec![Vec::new(); batch];
    let mut samples: Vec<_> = (0..batch).map(Hypotheses::new).collect();
    let first = (0..batch as u32).flat_map(|sample| vec![sample; config.beam_size]);
    let mut rows = Rows { tokens: Vec::new(), parents: first.collect() };
    rows.tokens = vec![config.vocabulary as u32 - 1; rows.parents.len()];
    let mut before = (layers.before_first(batch)?, state.clone());
    loop {
        let parents = Tensor::new(&rows.parents[..], layers.device())?;
        before = (before.0.index_select(&parents, 0)?, before.1.select(&parents)?);
        let tokens = Tensor::new(&rows.tokens[..], layers.device())?;
        let (logits, after) =
            layers.step(&tokens, (&before.0, &before.1), config.beam_size, &pass)?;
        before = after;
        let logits = logits.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let mut kept = Vec::new();
        rows = Rows::default();
        let all = samples.into_iter().zip(logits.chunks(config.beam_size));
        samples = Vec::new();
        for (index, (mut sample, logits)) in all.enumerate() {
            if sample.extend(logits, config) {
                answers[sample.sample] = sample.answer().to_vec();
                continue;
            }
            rows.add(&sample, index, config.beam_size);
            kept.push(index as u32);
            samples.push(sample);
        }
        if kept.is_empty() {
            return Ok(answers);
        }
        let some_ended = kept.len() * config.beam_size < logits.len();
        if let Some(memory) = pass.memory.as_mut().filter(|_| some_ended) {
            *memory = memory.select(&Tensor::new(&kept[..], layers.device())?)?;
        }
    }
}

/// The rows of the next step, `beam_size` for each sample.
#[derive(Default)]
struct Rows {
    /// What each reads.
    tokens: Vec<u32>,
    /// The row of the step before that each continues.
    parents: Vec<u32>,
}

impl Rows {
    /// Adds those of a sample, which was that of this index in the step before.
    fn add(&mut self, sample: &Hypotheses, index: usize, beam_size: usize) {
        for hypothesis in sample.live.iter().cycle().take(beam_size) {
            self.tokens.push(hypothesis.tokens.last().copied().unwrap_or_default());
            self.parents.push((index * beam_size + hypothesis.parent) as u32);
        }
    }
}
