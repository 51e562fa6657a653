//! A model on slices, step by step: no computation graph, no tensors, no allocation.

use fgn_kernels::Precision;

use crate::check::check;
use crate::dense::LinearRows;
use crate::error::{Error, Result};
use crate::heads::HeadConfig;
use crate::model::Model;
use crate::recurrent::Stream;

/// The layers of a model from the features of a step to its logits, for a few sequences. Each has a state of its own.
pub(crate) struct Predictor {
    dense: Option<LinearRows>,
    recurrent: Stream,
    head: LinearRows,
    /// `[I]`: what the dense layer computes.
    hidden: Vec<f32>,
    /// `[B, I]`, `[B, H]` and `[B, V]`.
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    logits: Vec<f32>,
}

impl Predictor {
    /// `sequences` of them, all states zero.
    ///
    /// # Errors
    /// [`Error::Config`] for a model that is bidirectional, or whose head computes more than logits of each step, or
    /// pools all steps;
    /// [`Error::Candle`] if its parameters are not in `f32` on the CPU.
    pub(crate) fn new(
        model: &Model,
        precision: Precision,
        [sequences, threads]: [usize; 2],
    ) -> Result<Predictor> {
        check_pool(&model.config().head)?;
        let Some(head) = model.head().linear() else {
            let found = model.config().head.kind().to_owned();
            let expected = "one that predicts from a single step: classification or ctc".into();
            return Err(Error::Config { field: "head.kind", found, expected });
        };
        let head = head.rows()?;
        let dense = model.dense().map(|dense| dense.linear().rows()).transpose()?;
        let config = model.config();
        let features = dense.as_ref().map_or(config.input.features(), LinearRows::outputs);
        Ok(Predictor {
            hidden: vec![0.0; dense.as_ref().map_or(0, LinearRows::outputs)],
            dense,
            recurrent: model.recurrent().stream_weights(precision)?.stream(sequences, threads)?,
            inputs: vec![0.0; sequences * features],
            outputs: vec![0.0; sequences * config.recurrent.output_size()],
            logits: vec![0.0; sequences * head.outputs()],
            head,
        })
    }

    /// Computes the [logits](Self::logits) after a step at which all sequences read these features.
    pub(crate) fn step(&mut self, features: &[f32]) -> Result<()> {
        let features = match &self.dense {
            Some(dense) => {
                dense.forward(features, &mut self.hidden);
                self.hidden.iter_mut().for_each(|x| *x = x.max(0.0));
                &self.hidden
            }
            None => features,
        };
        for input in self.inputs.chunks_exact_mut(features.len()) {
            input.copy_from_slice(features);
        }
        self.predict()
    }

    /// Computes the [logits](Self::logits) after a step at which each sequence reads features of its own, `[B, F]`.
    pub(crate) fn step_each(&mut self, features: &[f32]) -> Result<()> {
        match &self.dense {
            Some(dense) => {
                let inputs = self.inputs.chunks_exact_mut(dense.outputs());
                for (input, features) in inputs.zip(features.chunks_exact(dense.inputs())) {
                    dense.forward(features, input);
                    input.iter_mut().for_each(|x| *x = x.max(0.0));
                }
            }
            None => self.inputs.copy_from_slice(features),
        }
        self.predict()
    }

    /// Computes the logits from the inputs of the recurrent layer.
    fn predict(&mut self) -> Result<()> {
        self.recurrent.step(&self.inputs, &mut self.outputs)?;
        let outputs = self.outputs.chunks_exact(self.head.inputs());
        for (output, logits) in outputs.zip(self.logits.chunks_exact_mut(self.head.outputs())) {
            self.head.forward(output, logits);
        }
        Ok(())
    }

    /// The logits `[B, V]` after the last step.
    pub(crate) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Sets the states of one sequence to zero.
    pub(crate) fn reset(&mut self, sequence: usize) -> Result<()> {
        self.recurrent.reset(sequence)
    }

    /// How many logits a sequence has.
    pub(crate) fn outputs(&self) -> usize {
        self.head.outputs()
    }
}

/// Refuses a head that reads the outputs of all steps of a sample.
fn check_pool(head: &HeadConfig) -> Result<()> {
    if let HeadConfig::Classification(head) = head {
        let expected = "\"last\": a stream predicts from a single step";
        check(head.pool.is_last(), "head.pool", head.pool.name(), expected)?;
    }
    Ok(())
}
