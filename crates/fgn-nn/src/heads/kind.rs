//! What every kind of head provides.

use std::fmt::Debug;

use candle_core::Tensor;
use fgn_kernels::{Emit, Precision};
use fgn_schema::{Padded, Prediction, Statistics, TargetSchema};
use serde_json::{Map, Value};

use super::answer::Answer;
use crate::dense::Linear;
use crate::dropout::Mode;
use crate::error::Result;
use crate::inputs::InputConfig;
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;
use crate::recurrent::{RecurrentConfig, State};
use crate::scorer::Scorer;

/// A kind of head: its configuration, from which the head is built.
///
/// A new kind is a file with a configuration that implements this trait and a head that implements [`Head`],
/// and a line in the registry in `heads/mod.rs`.
pub trait HeadKind: Debug {
    /// The smallest targets that it is for. An incomplete recipe is checked with them before any data is
    /// read.
    fn stand_in() -> TargetSchema
    where
        Self: Sized;

    /// The keys of the configuration that follow from the data; `None` if it is not for such targets. Keys
    /// that are `given` in the recipe win over those returned.
    fn complete(
        given: &Map<String, Value>,
        targets: &TargetSchema,
        statistics: &Statistics,
    ) -> Option<Map<String, Value>>
    where
        Self: Sized;

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the first invalid field, as a path from the
    /// [`ModelConfig`](crate::ModelConfig).
    fn validate(&self) -> Result<()>;

    /// What it predicts. Further files are read for these targets, as those that it was trained on.
    fn target(&self) -> TargetSchema;

    /// The names of the metrics that it is evaluated by, beside the loss; the first is the main one.
    fn metrics(&self) -> &'static [&'static str];

    /// Whether metrics look at what it predicts in training, too: not where that would take longer than the training
    /// itself. By default they do.
    fn measures_training(&self) -> bool {
        true
    }

    /// Checks that it can be trained and evaluated on such targets.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) with the targets that it is for.
    fn accepts(&self, targets: &TargetSchema) -> Result<()>;

    /// Checks that it can follow such a recurrent layer: by default any.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a field that does not fit the layer's.
    fn accepts_recurrent(&self, recurrent: &RecurrentConfig) -> Result<()> {
        let _ = recurrent;
        Ok(())
    }

    /// Checks that it can follow such an input layer: by default any.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a layer that does not fit.
    fn accepts_input(&self, input: &InputConfig) -> Result<()> {
        let _ = input;
        Ok(())
    }

    /// Checks that its loss has these options: by default it has none.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an option that it lacks or a value out of range.
    fn check_loss_options(&self, options: &LossOptions) -> Result<()> {
        options.are_none()
    }

    /// The head over `inputs` features, its parameters named `{name}.` and so on.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), and those of [`Parameters::take`].
    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>>;
}

/// The recurrent layer's results for a batch, from which a head predicts.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Encoded<'a> {
    /// The outputs after each sequence's last step, `[B, H]`, for a head that [emits](Head::emit) the last;
    /// those of all steps, `[T, B, H]`, otherwise.
    pub output: &'a Tensor,
    /// The length of each sequence; `None` where all have `T` steps.
    pub lengths: Option<&'a [usize]>,
    /// The states after each sequence's last step.
    pub state: &'a State,
}

impl<'a> Encoded<'a> {
    /// Those results.
    pub fn new(output: &'a Tensor, lengths: Option<&'a [usize]>, state: &'a State) -> Self {
        Self { output, lengths, state }
    }
}

/// A head: predicts from the outputs of the recurrent layer, compares predictions with targets, and decodes
/// them into answers.
pub trait Head: Debug + Send + Sync {
    /// The outputs that it needs: the last, or all.
    fn emit(&self) -> Emit;

    /// The prediction for a batch. A head that is trained by teacher forcing reads the `target`; others ignore
    /// it.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for outputs of another shape.
    fn forward(
        &self,
        encoded: &Encoded<'_>,
        target: Option<&Padded>,
        mode: &mut Mode<'_>,
    ) -> Result<Prediction>;

    /// What is added to the loss in training, a scalar: a penalty on large outputs, say. By default nothing is.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for outputs of another shape.
    fn penalty(&self, encoded: &Encoded<'_>) -> Result<Option<Tensor>> {
        let _ = encoded;
        Ok(None)
    }

    /// The layer that computes the logits of a step from the output there, where that is all that the head computes in
    /// inference: a stream runs it by itself. By default there is none; nor is there one for a head that
    /// [pools](crate::Pool) the outputs of all steps.
    fn linear(&self) -> Option<&Linear> {
        None
    }

    /// What computes the scores of all items from the output after a step, for recommenders. By default there is none.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if there is not enough memory.
    fn scorer(&self, precision: Precision) -> Result<Option<Scorer>> {
        let _ = precision;
        Ok(None)
    }

    /// The mean loss of a prediction. Steps that are padding do not count.
    ///
    /// # Errors
    /// [`Error::Batch`](crate::Error::Batch), [`Error::Shape`](crate::Error::Shape),
    /// [`Error::DType`](crate::Error::DType) or [`Error::Target`](crate::Error::Target) for a target that
    /// does not fit, [`Error::Prediction`](crate::Error::Prediction) for a prediction of another kind of
    /// head, [`Error::Config`](crate::Error::Config) for options that it does not have.
    fn loss(&self, prediction: &Prediction, target: &Padded, options: &LossOptions)
    -> Result<Loss>;

    /// The answers, one for each sample.
    ///
    /// # Errors
    /// [`Error::Prediction`](crate::Error::Prediction) for a prediction of another kind of head.
    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>>;
}
