//! What a training is of: its data, which must stay the same, and its plan.

use fgn_data::Dataset;
use tracing::warn;

use super::Trainer;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::metrics::Metrics;
use crate::observer::TrainingPlan;
use crate::state::{DataState, PartState, data_state};

impl<M: Learner> Trainer<M> {
    /// Data that has changed since the checkpoint is taken as it is from now on, with a warning.
    pub fn accept_changed_data(&mut self) {
        self.accepts_changed_data = true;
    }

    /// Checks that `dataset` is what the training began with, and remembers it.
    ///
    /// # Errors
    /// [`Error::ChangedData`] for other samples; whatever reading them gives.
    pub(crate) fn check_data(&mut self, dataset: &Dataset) -> Result<()> {
        // What was found as the training joined its group is not read again.
        let found = self.found_data.take().map_or_else(|| data_state(dataset), Ok)?;
        let changes = self.state.data.map(|before| changes(&before, &found)).unwrap_or_default();
        if !changes.is_empty() {
            let error = Error::ChangedData { changes: changes.join("; ") };
            match self.accepts_changed_data {
                true => warn!("accepted: {error}"),
                false => return Err(error),
            }
        }
        self.state.data = Some(found);
        Ok(())
    }

    pub(super) fn plan(&mut self, dataset: &Dataset) -> Result<TrainingPlan> {
        self.check_data(dataset)?;
        let valid = dataset.valid.as_ref().map_or(0, |valid| valid.len());
        let samples = [dataset.train.len(), valid, dataset.test.len()];
        let count = self.model.parameters().iter().map(|(_, var)| var.elem_count()).sum();
        Ok(TrainingPlan {
            name: self.name.clone(),
            config: self.config.clone(),
            model: self.model.summary(),
            metrics: self.metrics.first().map(Metrics::infos).unwrap_or_default(),
            parameters: count,
            samples,
            epochs: self.settings.training.epochs,
            steps: self.steps_of_epoch(samples[0]),
            done: self.state.step,
            history: self.state.history.clone(),
        })
    }
}

/// What is not the same, part by part.
fn changes(before: &DataState, found: &DataState) -> Vec<String> {
    let parts = ["training", "validation", "test"].into_iter().zip(before.iter().zip(found));
    let change = |(part, (before, found)): (&str, (&PartState, &PartState))| {
        let (was, is) = (before.samples, found.samples);
        match before == found {
            true => None,
            false if was == is => Some(format!("other content in the {is} {part} samples")),
            false => Some(format!("{is} {part} samples, {was} before")),
        }
    };
    parts.filter_map(change).collect()
}
