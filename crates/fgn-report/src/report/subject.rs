//! What a report is about: a training and its outcome.

use std::collections::BTreeMap;

use fgn_core::Role;
use fgn_data::{Dataset, Samples};
use fgn_train::{
    CheckpointConfig, Config, EpochMetrics, GateRecord, Learner, Measures, MetricInfo, Result,
};
use serde::Serialize;

use super::outcomes::Outcomes;
use super::text::{shortened, without_folders};
use crate::best::loss;

/// What a report says of the configuration.
pub(super) struct Training {
    pub(super) name: String,
    /// The whole configuration, as TOML.
    pub(super) config: String,
    /// The names of the metrics; none for those that suit the model.
    pub(super) metrics: Vec<String>,
    /// The measure that decides which epoch is best.
    pub(super) monitor: String,
    /// Which epoch's weights are saved.
    pub(super) checkpoint: CheckpointConfig,
}

impl Training {
    pub(super) fn of<C: Serialize, D: Serialize>(config: &Config<C, D>) -> Result<Training> {
        Ok(Training {
            name: config.name.clone(),
            config: config.to_toml()?,
            metrics: config.metrics.clone(),
            monitor: config.monitor.clone(),
            checkpoint: config.checkpoint,
        })
    }
}

/// What a report is about.
pub(super) struct Subject<'a, M> {
    pub(super) training: &'a Training,
    pub(super) model: &'a M,
    pub(super) dataset: &'a Dataset,
    pub(super) history: Vec<EpochMetrics>,
    /// The epoch whose model this is, of a finished training; of an interrupted one, it is that of the last epoch.
    pub(super) epoch: Option<usize>,
    /// What a finished training measured on the test part with a state that goes on from sample to sample.
    pub(super) streaming: Option<Measures>,
    pub(super) gates: Vec<GateRecord>,
    /// What each gate is for, by its name in the cell's equations.
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) outcomes: Outcomes,
}

impl<M: Learner> Subject<'_, M> {
    /// What was trained on what, in a line.
    pub(super) fn subtitle(&self) -> String {
        let data = without_folders(self.dataset.train.name());
        format!("{}; trained on {data}", self.model.summary())
    }

    /// The name of a class, or of a regression target; of a long one the beginning.
    pub(super) fn name(&self, output: usize) -> String {
        shortened(&output_name(self.dataset.test.schema().target.names(), output), LONGEST)
    }

    /// What is monitored: the loss or a metric.
    pub(super) fn monitored(&self) -> MetricInfo {
        let name = &self.training.monitor;
        let info = self.outcomes.metrics.iter().find(|info| info.name == *name);
        info.cloned().unwrap_or_else(loss)
    }
}

/// Letters of a name that is shown.
const LONGEST: usize = 80;

/// The name of an output: the data set's, or its index.
pub(super) fn output_name(names: &[String], output: usize) -> String {
    names.get(output).cloned().unwrap_or_else(|| output.to_string())
}

/// Of the measures on the test part, those with a state that goes on from sample to sample, by their own names.
pub(super) fn streaming(test: &Measures) -> Option<Measures> {
    let mut found = Measures::new(test.get("streaming_loss")?);
    for (name, value) in test.iter() {
        match name.strip_prefix("streaming_") {
            Some(name) if name != "loss" => found = found.with(name, value),
            _ => {}
        }
    }
    Some(found)
}

/// What each gate of a model is for, from a short look at the first of some samples.
pub(super) fn roles(model: &impl Learner, samples: &dyn Samples) -> Result<BTreeMap<String, Role>> {
    if model.gated_units() == 0 {
        return Ok(BTreeMap::new());
    }
    let device = model.parameters().first().map(|(_, var)| var.device().clone());
    let batch = samples.batch(&[0], &device.unwrap_or(candle_core::Device::Cpu))?;
    let traces = model.trace(&batch, 1)?;
    let gates = traces.iter().flat_map(|traced| &traced.trace.gates);
    Ok(gates.map(|gate| (gate.name.to_owned(), gate.role)).collect())
}
