//! What a training begins with.

use std::path::Path;

use candle_core::{Tensor, Var};
use tracing::{info, warn};

use super::Trainer;
use crate::error::Result;
use crate::initial_weights::{InitialWeights, take_over};
use crate::learner::Learner;

impl<M: Learner> Trainer<M> {
    /// Which parameters began with the weights of another model (`training.init`); none before the first step, without
    /// such a model, and in a training that was resumed.
    pub fn initial_weights(&self) -> Option<&InitialWeights> {
        self.initial.as_ref()
    }

    /// Takes over the initial weights of another model, once, before the first step.
    ///
    /// # Errors
    /// A model that cannot be read, or of which nothing fits.
    pub(crate) fn initialise(&mut self) -> Result<()> {
        let Some(source) = self.settings.training.init.as_deref() else { return Ok(()) };
        if self.state.step > 0 || self.initial.is_some() {
            return Ok(());
        }
        let parameters = self.model.parameters();
        let found = take_over(parameters, Path::new(source))?;
        if let Some(average) = &self.average {
            let copy = |(_, var): &(String, Var)| var.copy();
            let weights = parameters.iter().map(copy);
            average.set(&weights.collect::<candle_core::Result<Vec<Tensor>>>()?)?;
        }
        match found.kept.is_empty() && found.unused.is_empty() {
            true => info!("{found}"),
            false => warn!("{found}"),
        }
        self.initial = Some(found);
        Ok(())
    }
}
