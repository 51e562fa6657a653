//! Where a training is: all that it knows beside tensors.

use serde::{Deserialize, Serialize};

use super::learner::Scored;
use crate::schedule::Patience;
use crate::{EpochMetrics, Error, Result};

/// Where a training is, and what it has measured up to there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Of what is written here; another one is not read.
    pub(crate) format: u32,
    /// Samples to train on, held out, and to test on: another data set is not gone on with.
    pub(crate) samples: [usize; 3],
    /// The instruction set: on another one, the bits may differ.
    pub(crate) isa: String,
    /// Steps made over all epochs, those skipped included.
    pub(crate) step: usize,
    /// The epoch that the next step belongs to, counted from 1; the sampler's order follows from it.
    pub(crate) epoch: usize,
    /// Steps made within it: the sampler's place.
    pub(crate) epoch_step: usize,
    /// Steps that the optimizer made.
    pub(crate) updates: u64,
    /// Of the epoch's steps up to here.
    pub(crate) tally: Tally,
    /// What those took.
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

/// The best epoch so far, by [`EpochMetrics::loss`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Best {
    pub(crate) step: usize,
    pub(crate) loss: f64,
}

/// Sums over the batches of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    loss: f64,
    targets: usize,
    correct: Option<usize>,
    pub(crate) samples: usize,
}

pub(crate) const FORMAT: u32 = 1;

/// More steps or samples than any training has, and few enough to be multiplied.
const MOST: usize = 1 << 40;

impl Progress {
    pub(crate) fn new(isa: &str) -> Progress {
        Progress {
            format: FORMAT,
            samples: [0; 3],
            isa: isa.to_owned(),
            step: 0,
            epoch: 1,
            epoch_step: 0,
            updates: 0,
            tally: Tally::default(),
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

    /// The epochs measured so far.
    pub fn history(&self) -> &[EpochMetrics] {
        &self.history
    }

    /// After which step the model was best, by [`EpochMetrics::loss`].
    pub fn best_step(&self) -> Option<usize> {
        self.best.map(|best| best.step)
    }

    /// Whether it is one that a training could have come to.
    ///
    /// # Errors
    /// What it says that cannot be.
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
        let counts = [self.tally.samples, self.tally.targets, self.tally.correct.unwrap_or(0)];
        let largest = counts.into_iter().fold(self.step, usize::max);
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

    /// Ends an epoch.
    pub(crate) fn close(&mut self, metrics: EpochMetrics) {
        let loss = metrics.loss();
        if self.best.is_none_or(|best| loss < best.loss) {
            self.best = Some(Best { step: self.step, loss });
        }
        self.history.push(metrics);
        self.epoch += 1;
        self.epoch_step = 0;
        self.tally = Tally::default();
        self.seconds = 0.0;
    }
}

impl Tally {
    /// Adds a batch of `samples` samples, and gives its loss.
    ///
    /// # Errors
    /// A loss that is no scalar.
    pub(crate) fn add(&mut self, scored: &Scored, samples: usize) -> Result<f64> {
        let loss = scalar(scored)?;
        self.loss += loss * scored.targets as f64;
        self.targets += scored.targets;
        self.correct = match (self.correct, scored.correct) {
            (sum, None) => sum,
            (sum, Some(correct)) => Some(sum.unwrap_or(0) + correct),
        };
        self.samples += samples;
        Ok(loss)
    }

    /// Counts samples whose step was left out.
    pub(crate) fn without(self, samples: usize) -> Tally {
        Tally { samples: self.samples + samples, ..self }
    }

    pub(crate) fn loss(&self) -> f64 {
        self.loss / self.targets as f64
    }

    pub(crate) fn accuracy(&self) -> Option<f64> {
        self.correct.map(|correct| correct as f64 / self.targets as f64)
    }
}

fn scalar(scored: &Scored) -> Result<f64> {
    if scored.loss.rank() != 0 {
        return Err(Error::Loss(scored.loss.dims().to_vec()));
    }
    Ok(scored.loss.to_dtype(candle_core::DType::F64)?.to_scalar()?)
}
