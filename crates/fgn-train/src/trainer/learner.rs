//! What can be trained.

use std::path::Path;

use candle_core::{Tensor, Var};
use fgn_data::Batch;
use fgn_nn::Mode;

use crate::checkpoint::durable::replace;
use crate::{Error, NamedRows, Result};

/// A model that a [`Trainer`](crate::Trainer) trains: some parameters, and a loss on a batch.
///
/// [`Model`](crate::Model) is one; `examples/own_model.rs` shows a model of one's own.
pub trait Learner {
    /// The parameters by name, in a fixed order.
    fn parameters(&self) -> &[(String, Var)];

    /// Runs on a batch.
    ///
    /// # Errors
    /// A batch that the model cannot read.
    fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Scored>;

    /// Whether it takes up the states that the batch before left, as `training.carry_state` asks for.
    fn carries_state(&self) -> bool {
        false
    }

    /// Rows of the parameters that have a name of their own, for [`Group`](crate::Group)s.
    fn named_rows(&self) -> Vec<NamedRows> {
        Vec::new()
    }

    /// Writes the model to a file: all parameters as safetensors, if nothing else is said.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.parameters().iter().map(|(name, var)| (name, var.as_tensor()));
        let bytes = safetensors::serialize(tensors, None);
        replace(path, &bytes.map_err(|error| Error::Tensor(error.into()))?)
    }

    /// What it is, in a word or two, for people.
    fn summary(&self) -> String {
        "model".into()
    }
}

/// How a model runs on a batch.
pub struct Pass<'a> {
    /// Training, with a generator for dropout, or measuring.
    pub mode: Mode<'a>,
    /// The states that the batch before left, outside the graph; empty at the beginning of an epoch, and
    /// always where `training.carry_state` is off. What the model leaves here, the next batch finds.
    pub carried: &'a mut Vec<Tensor>,
    /// The share of a target's weight that goes to all classes alike; 0 when measuring.
    pub label_smoothing: f64,
}

/// What a model made of a batch.
pub struct Scored {
    /// The mean loss, a scalar.
    pub loss: Tensor,
    /// How many targets it is the mean of.
    pub targets: usize,
    /// How many of them the model had right, where there is right and wrong.
    pub correct: Option<usize>,
}
