//! What can be trained.

use std::path::Path;

use candle_core::{Tensor, Var};
use fgn_nn::{GeneratedImage, LayerTrace, LossOptions, Mode, Precision, TouchedRows};
use fgn_schema::{Batch, Prediction};

use crate::durable::replace_file;
use crate::error::{Error, Result};
use crate::generation::GeneratedText;
use crate::metrics::Metrics;
use crate::optimizer::groups::NamedRows;

/// A model that a [`Trainer`](crate::Trainer) trains: some parameters, and a loss for a batch.
///
/// [`Model`](crate::Model) is one; the example `own_model` of `fgn-cli` shows a model of one's own. Only
/// [`parameters`](Self::parameters) and [`forward`](Self::forward) are required. What a model adds of the rest,
/// the trainer, [`evaluate`](crate::evaluate()), the gate recorder and the report make use of.
pub trait Learner {
    /// The parameters by name, in a fixed order.
    fn parameters(&self) -> &[(String, Var)];

    /// Computes the loss of a batch, and what is predicted for it.
    ///
    /// # Errors
    /// A batch that the model cannot read.
    fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Scored>;

    /// New metrics of those names; without names, the ones that suit the model. By default there are none.
    ///
    /// # Errors
    /// A name that the model does not know.
    fn metrics(&self, names: &[String]) -> Result<Metrics> {
        match names.first() {
            None => Ok(Metrics::none()),
            Some(name) => Err(Error::Metric {
                name: name.clone(),
                problem: "but this model names no metrics".into(),
                expected: "none".into(),
                nearest: None,
            }),
        }
    }

    /// Sets the weights of classes and the focus of its loss, in training and in evaluation; by default it has none.
    ///
    /// # Errors
    /// Options that its loss does not have.
    fn set_loss_options(&mut self, options: &LossOptions) -> Result<()> {
        Ok(options.are_none()?)
    }

    /// Sets what operands of its products are rounded to, in training and in evaluation; by default nothing can be.
    ///
    /// # Errors
    /// A precision that it has not.
    fn set_precision(&mut self, precision: Precision) -> Result<()> {
        match precision {
            Precision::F32 => Ok(()),
            _ => Err(Error::Value {
                key: "training.precision",
                found: format!("{precision:?}"),
                expected: "f32: this model has no other".into(),
            }),
        }
    }

    /// The same model, outside the computation graph and faster on many batches, where there is such a form.
    ///
    /// # Errors
    /// Memory that is not there.
    fn frozen(&self) -> Result<Option<Self>>
    where
        Self: Sized,
    {
        Ok(None)
    }

    /// Whether a batch can continue from the states that the batch before left, as `training.carry_state`
    /// asks for.
    fn carries_state(&self) -> bool {
        false
    }

    /// Rows of the parameters that have a name of their own, for [`ParameterGroup`](crate::ParameterGroup)s.
    fn named_rows(&self) -> Vec<NamedRows> {
        Vec::new()
    }

    /// How many units with gates the model has in all its layers and directions; 0 if it has no gates to show.
    fn gated_units(&self) -> usize {
        0
    }

    /// Every gate of every unit at each of the first `steps` steps of a batch, layer by layer.
    ///
    /// # Errors
    /// A batch that the model cannot read.
    fn trace(&self, batch: &Batch, steps: usize) -> Result<Vec<LayerTrace>> {
        let _ = (batch, steps);
        Ok(Vec::new())
    }

    /// The features `[T, B, I]` of a batch's steps that the recurrent layers read, where they are worth a picture.
    ///
    /// # Errors
    /// A batch that the model cannot read.
    fn features(&self, batch: &Batch) -> Result<Option<Tensor>> {
        let _ = batch;
        Ok(None)
    }

    /// A text of `length` tokens that continues `prompt`, sampled by `seed`; without a prompt, one that begins a line.
    /// None for a model that writes no texts; by default none does.
    ///
    /// # Errors
    /// A prompt with symbols that the vocabulary lacks.
    fn generate(
        &self,
        prompt: Option<&str>,
        length: usize,
        seed: u64,
    ) -> Result<Option<GeneratedText>> {
        let _ = (prompt, length, seed);
        Ok(None)
    }

    /// An image for each of `known`, which are the levels of grey of its first pixels, row by row: the image at index `i`
    /// sampled by `seed + i` from the model's own distribution. None for a model that generates no images; by default none
    /// does.
    ///
    /// # Errors
    /// More known pixels than an image has, or others than the model's levels.
    fn generate_images(
        &self,
        known: &[Vec<u32>],
        seed: u64,
    ) -> Result<Option<Vec<GeneratedImage>>> {
        let _ = (known, seed);
        Ok(None)
    }

    /// Writes the model to a file; by default all parameters, as safetensors.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.parameters().iter().map(|(name, var)| (name, var.as_tensor()));
        let bytes = safetensors::serialize(tensors, None);
        replace_file(path, &bytes.map_err(|error| Error::Tensor(error.into()))?)
    }

    /// What it is, in a word or two, for people.
    fn summary(&self) -> String {
        "model".into()
    }
}

/// How a model runs on a batch.
pub struct Pass<'a> {
    /// Training, with a generator for dropout, or evaluation.
    pub mode: Mode<'a>,
    /// The states that the batch before left, outside the graph. It is empty at the beginning of an epoch, and
    /// always where `training.carry_state` is off. What the model leaves here is what the next batch finds.
    pub carried: &'a mut Vec<Tensor>,
    /// In training, the probability with which a sequence begins anew: what was carried for it is not used.
    pub reset_state: f64,
    /// The share of a target's weight that is given to all classes alike; 0 in evaluation.
    pub label_smoothing: f64,
}

impl<'a> Pass<'a> {
    /// Evaluation.
    pub fn evaluation(carried: &'a mut Vec<Tensor>) -> Pass<'a> {
        Pass { mode: Mode::Eval, carried, reset_state: 0.0, label_smoothing: 0.0 }
    }
}

/// The loss of a batch, and what was predicted for it.
pub struct Scored {
    /// The mean loss, a scalar.
    pub loss: Tensor,
    /// What is added to the loss that is differentiated, a scalar, if anything is. It is reported nowhere.
    pub penalty: Option<Tensor>,
    /// How many targets it is the mean of.
    pub targets: usize,
    /// By what a mean over several batches weights this one: the number of targets, or the sum of their weights.
    pub weight: f64,
    /// What metrics compare with the batch's first target; none for a model without such metrics.
    pub prediction: Option<Prediction>,
    /// In training, rows of parameters that the loss depends on in place of the parameters, where gradients are
    /// sparse.
    pub touched: Vec<TouchedRows>,
}

impl Scored {
    /// That mean loss of so many targets, without a penalty.
    pub fn new(loss: Tensor, targets: usize, prediction: Option<Prediction>) -> Scored {
        let weight = targets as f64;
        Scored { loss, penalty: None, targets, weight, prediction, touched: Vec::new() }
    }
}
