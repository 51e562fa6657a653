//! The state of a training, but for its tensors.

use std::collections::BTreeMap;

use fgn_data::{Dataset, Fingerprint};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::epoch_metrics::EpochMetrics;
use crate::error::{Error, Result};
use crate::loss_sum::LossSum;
use crate::schedule::Patience;

/// How far a training is, and what it has measured so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// The version of this format; others are not read.
    pub(crate) format: u32,
    /// What the data set is: a training is not resumed on another one by mistake. None until it is known.
    pub(crate) data: Option<DataState>,
    /// The loss on some training samples before the first step, where it is finite.
    pub(crate) untrained_loss: Option<f64>,
    /// The instruction set: on another one, the bits may differ.
    pub(crate) isa: String,
    /// Steps made over all epochs, those skipped included.
    pub(crate) step: usize,
    /// The epoch that the next step belongs to, counted from 1; the sampler's order follows from it.
    pub(crate) epoch: usize,
    /// Steps made within it: the sampler's position.
    pub(crate) epoch_step: usize,
    /// Steps that the optimizer made.
    pub(crate) updates: u64,
    /// The losses of these steps.
    pub(crate) losses: LossSum,
    /// The states of the metrics over these steps, by name; filled in for a checkpoint alone.
    pub(crate) metrics: BTreeMap<String, Value>,
    /// The samples of these steps, those of skipped ones included.
    pub(crate) epoch_samples: usize,
    /// How long these steps took.
    pub(crate) seconds: f64,
    pub(crate) plateau: Patience,
    /// How many times the plateau's schedule lowered the rate.
    pub(crate) lowered: i32,
    pub(crate) stopping: Patience,
    /// Whether the training was stopped early.
    pub(crate) stopped: bool,
    pub(crate) best: Option<Best>,
    pub(crate) history: Vec<EpochMetrics>,
}

/// What the parts of a data set are: for training, validation and test.
pub(crate) type DataState = [PartState; 3];

/// What a part of a data set is. The default is that of a part that there is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartState {
    pub(crate) samples: usize,
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// What the parts of a data set are.
///
/// # Errors
/// Whatever reading them gives.
pub(crate) fn data_state(dataset: &Dataset) -> Result<DataState> {
    let parts = [Some(&dataset.train), dataset.valid.as_ref(), Some(&dataset.test)];
    let mut found = DataState::default();
    for (state, samples) in found.iter_mut().zip(parts) {
        if let Some(samples) = samples {
            let fingerprint = samples.fingerprint()?;
            *state = PartState { samples: samples.len(), fingerprint: Some(fingerprint) };
        }
    }
    Ok(found)
}

/// The best epoch so far, by what the training monitors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Best {
    pub(crate) step: usize,
    /// The monitored value, negative where larger ones are better.
    pub(crate) score: f64,
}

pub(crate) const FORMAT: u32 = 4;

/// More steps or samples than any training has, and few enough to be multiplied.
const MOST: usize = 1 << 40;

impl TrainerState {
    pub(crate) fn new(isa: &str) -> TrainerState {
        TrainerState {
            format: FORMAT,
            data: None,
            untrained_loss: None,
            isa: isa.to_owned(),
            step: 0,
            epoch: 1,
            epoch_step: 0,
            updates: 0,
            losses: LossSum::default(),
            metrics: BTreeMap::new(),
            epoch_samples: 0,
            seconds: 0.0,
            plateau: Patience::default(),
            lowered: 0,
            stopping: Patience::default(),
            stopped: false,
            best: None,
            history: Vec::new(),
        }
    }

    /// Steps made, over all epochs.
    pub fn step(&self) -> usize {
        self.step
    }

    /// How many samples there are to train on; 0 until they are known.
    pub(crate) fn train_samples(&self) -> usize {
        self.data.map_or(0, |[train, ..]| train.samples)
    }

    /// The epochs measured so far.
    pub fn history(&self) -> &[EpochMetrics] {
        &self.history
    }

    /// After which step the model was best, by the measure that `monitor` names.
    pub fn best_step(&self) -> Option<usize> {
        self.best.map(|best| best.step)
    }

    /// Checks that a training can have such a state.
    ///
    /// # Errors
    /// The first value that no training can have.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: &str, found: String, expected: String| {
            Err(Error::OtherTraining { what: format!("its {what}"), found, expected })
        };
        if self.format != FORMAT {
            return wrong("format", self.format.to_string(), FORMAT.to_string());
        }
        if self.epoch != self.history.len() + 1 {
            let expected = format!("{}, as that many are measured", self.history.len() + 1);
            return wrong("epoch", self.epoch.to_string(), expected);
        }
        let largest = self.step.max(self.epoch_samples).max(self.losses.targets());
        if largest > MOST {
            return wrong(
                "count of steps or samples",
                largest.to_string(),
                format!("at most {MOST}"),
            );
        }
        let waited = self.plateau.waited().max(self.stopping.waited());
        for (what, found, most) in [
            ("step within the epoch", self.epoch_step, self.step),
            ("count of updates", usize::try_from(self.updates).unwrap_or(usize::MAX), self.step),
            ("count of epochs waited", waited, self.history.len()),
            ("count of lowered rates", self.lowered.unsigned_abs() as usize, self.history.len()),
        ] {
            if found > most {
                return wrong(what, found.to_string(), format!("at most {most}"));
            }
        }
        Ok(())
    }

    /// Ends an epoch, whose score is the better the lower it is.
    pub(crate) fn close(&mut self, metrics: EpochMetrics, score: f64) {
        if score.is_finite() && self.best.is_none_or(|best| score < best.score) {
            self.best = Some(Best { step: self.step, score });
        }
        self.history.push(metrics);
        self.epoch += 1;
        self.epoch_step = 0;
        self.losses = LossSum::default();
        self.metrics.clear();
        self.epoch_samples = 0;
        self.seconds = 0.0;
    }
}
