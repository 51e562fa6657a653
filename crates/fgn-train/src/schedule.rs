//! Schedules of the learning rate, and early stopping.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ranges::{decay, expect, not_negative, positive};

/// How the learning rate goes from the first step to the last, after a warm-up if there is one.
///
/// In TOML: `[schedule]`, `name = "cosine"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It is multiplied by `factor` after every `epochs` epochs.
    Step {
        /// At least 1.
        epochs: usize,
        /// Above 0 and below 1; 0.1.
        #[serde(default = "tenth")]
        factor: f64,
    },
    /// Half a cosine wave, from the full rate down to a share of it (Loshchilov & Hutter, 2017).
    Cosine {
        /// The share that is left at the end, in `[0, 1)`; 0.
        #[serde(default)]
        floor: f64,
    },
    /// Up from a 25th of the rate to all of it, and then down to almost nothing, both along half a cosine
    /// wave (Smith & Topin, 2018; the numbers are PyTorch's).
    OneCycle {
        /// The share of the steps that go up, above 0 and below 1; 0.3.
        #[serde(default = "rise")]
        rise: f64,
    },
    /// It is multiplied by `factor` each time that what the configuration [monitors](crate::Config::monitor)
    /// has not improved for `patience` epochs: the loss or a metric, of the validation set, or of the training
    /// set where there is none.
    Plateau {
        /// Above 0 and below 1; 0.1.
        #[serde(default = "tenth")]
        factor: f64,
        /// Epochs that may pass without an improvement, at least 1; 5.
        #[serde(default = "patience")]
        patience: usize,
        /// By how much the value must be better to count, at least 0; 0.
        #[serde(default)]
        min_delta: f64,
    },
}

/// The position of a step in a training, in steps of the optimizer, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulePosition {
    /// The step.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Steps an epoch.
    pub epoch: usize,
    /// The first steps, in which the rate rises in a straight line; the schedule begins after them.
    pub warmup: usize,
}

impl Schedule {
    /// The factor on the learning rate at a step, for all but `Plateau`, which depends on what
    /// is monitored: that one gives 1.
    ///
    /// ```
    /// use fgn_train::{SchedulePosition, Schedule};
    ///
    /// let at = |step, warmup| SchedulePosition { step, steps: 1000, epoch: 100, warmup };
    /// let cosine = Schedule::Cosine { floor: 0.0 };
    /// assert_eq!(cosine.factor(at(0, 0)), 1.0);
    /// assert!((cosine.factor(at(500, 0)) - 0.5).abs() < 1e-12);
    /// assert_eq!(Schedule::Constant.factor(at(4, 10)), 0.5); // of the warm-up's ten steps the fifth
    /// ```
    pub fn factor(&self, at: SchedulePosition) -> f64 {
        if at.step < at.warmup {
            return (at.step + 1) as f64 / at.warmup as f64;
        }
        let (step, steps) = (at.step - at.warmup, at.steps.saturating_sub(at.warmup).max(1));
        let share = step as f64 / steps as f64;
        match *self {
            Schedule::Constant | Schedule::Plateau { .. } => 1.0,
            Schedule::Step { epochs, factor } => {
                let times = step / (epochs * at.epoch).max(1);
                factor.powi(i32::try_from(times).unwrap_or(i32::MAX))
            }
            Schedule::Cosine { floor } => floor + (1.0 - floor) * half_wave(share),
            Schedule::OneCycle { rise } => {
                let (low, end) = (1.0 / 25.0, 1.0 / 25.0 / 1e4);
                let top = (rise * steps as f64 - 1.0).max(0.0);
                let step = step as f64;
                if step <= top {
                    let share = if top > 0.0 { step / top } else { 1.0 };
                    1.0 + (low - 1.0) * half_wave(share)
                } else {
                    let share = (step - top) / (steps as f64 - 1.0 - top);
                    end + (1.0 - end) * half_wave(share)
                }
            }
        }
    }

    /// # Errors
    /// An option outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        let shrinks = |factor: f64| {
            let fits = factor > 0.0 && factor < 1.0;
            expect(fits, "schedule.factor", factor, "above 0 and below 1")
        };
        match *self {
            Schedule::Constant => Ok(()),
            Schedule::Step { epochs, factor } => {
                expect(epochs >= 1, "schedule.epochs", epochs, "at least 1")?;
                shrinks(factor)
            }
            Schedule::Cosine { floor } => decay("schedule.floor", floor),
            Schedule::OneCycle { rise } => {
                positive("schedule.rise", rise)?;
                decay("schedule.rise", rise)
            }
            Schedule::Plateau { factor, patience, min_delta } => {
                expect(patience >= 1, "schedule.patience", patience, "at least 1")?;
                not_negative("schedule.min_delta", min_delta)?;
                shrinks(factor)
            }
        }
    }
}

/// Stops a training when what the configuration [monitors](crate::Config::monitor) no longer improves: the loss
/// or a metric, of the validation set, or of the training set where there is none.
///
/// In TOML: `[early_stopping]`, `patience = 5`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EarlyStopping {
    /// Epochs that may pass without an improvement, at least 1.
    pub patience: usize,
    /// By how much the value must be better to count, at least 0; 0.
    #[serde(default)]
    pub min_delta: f64,
}

impl EarlyStopping {
    /// Stops after so many epochs without an improvement, however small one is.
    pub fn new(patience: usize) -> EarlyStopping {
        EarlyStopping { patience, min_delta: 0.0 }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let patience = self.patience;
        expect(patience >= 1, "early_stopping.patience", patience, "at least 1")?;
        not_negative("early_stopping.min_delta", self.min_delta)
    }
}

/// Counts the epochs since a score was last lower than ever; the lower, the better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Patience {
    lowest: Option<f64>,
    waited: usize,
}

impl Patience {
    /// How many epochs it has waited.
    pub(crate) fn waited(&self) -> usize {
        self.waited
    }

    /// Forgets the epochs that it has waited, but not the lowest score.
    pub(crate) fn wait_anew(&mut self) {
        self.waited = 0;
    }

    /// Whether more than `patience` epochs, this one included, have passed without a lower score; it
    /// begins to count anew then. NaN is no lower score.
    pub(crate) fn is_lost(&mut self, score: f64, patience: usize, min_delta: f64) -> bool {
        if !score.is_nan() && self.lowest.is_none_or(|lowest| score < lowest - min_delta) {
            *self = Patience { lowest: Some(score), waited: 0 };
            return false;
        }
        self.waited += 1;
        if self.waited < patience {
            return false;
        }
        self.waited = 0;
        true
    }
}

/// From 1 at 0 to 0 at 1.
fn half_wave(share: f64) -> f64 {
    0.5 * (1.0 + (PI * share).cos())
}

fn tenth() -> f64 {
    0.1
}

fn rise() -> f64 {
    0.3
}

fn patience() -> usize {
    5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: usize, steps: usize) -> SchedulePosition {
        SchedulePosition { step, steps, epoch: 10, warmup: 0 }
    }

    #[test]
    fn rates_go_as_their_names_say() {
        let step = Schedule::Step { epochs: 2, factor: 0.5 };
        let factors = [0, 19, 20, 39, 40].map(|n| step.factor(at(n, 100)));
        assert_eq!(factors, [1.0, 1.0, 0.5, 0.5, 0.25]);
        let cosine = Schedule::Cosine { floor: 0.1 };
        for (n, expected) in [(0, 1.0), (50, 0.55), (100, 0.1)] {
            assert!((cosine.factor(at(n, 100)) - expected).abs() < 1e-12, "{n}");
        }
        assert_eq!(Schedule::Constant.factor(at(70, 100)), 1.0);
    }

    /// `OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3)`: each number by hand from its formula,
    /// `end + (start - end) / 2 * (1 + cos(pi * share))`, with peaks at step 2 and an end at step 9.
    #[test]
    fn one_cycle_is_pytorchs() {
        let cycle = Schedule::OneCycle { rise: 0.3 };
        let expected = |start: f64, end: f64, share: f64| {
            end + (start - end) / 2.0 * (1.0 + (PI * share).cos())
        };
        for step in 0..10 {
            let expected = match step {
                0..=2 => expected(0.04, 1.0, f64::from(step) / 2.0),
                _ => expected(1.0, 4e-6, f64::from(step - 2) / 7.0),
            };
            let found = cycle.factor(at(step as usize, 10));
            assert!((found - expected).abs() < 1e-12, "{step}: {found} {expected}");
        }
        assert!(cycle.factor(at(0, 1)).is_finite());
        assert!(cycle.factor(at(1, 2)).is_finite());
    }

    #[test]
    fn a_warm_up_goes_before_any() {
        for schedule in [Schedule::Constant, Schedule::Cosine { floor: 0.0 }] {
            let factor = |step| schedule.factor(SchedulePosition { warmup: 4, ..at(step, 24) });
            assert_eq!([0, 1, 2, 3, 4].map(factor), [0.25, 0.5, 0.75, 1.0, 1.0]);
            assert_eq!(factor(14), schedule.factor(at(10, 20)));
        }
        // Longer than the training: it never reaches the full rate.
        let factor = Schedule::Constant.factor(SchedulePosition { warmup: 1000, ..at(9, 10) });
        assert_eq!(factor, 0.01);
    }

    #[test]
    fn patience_is_lost_after_so_many_epochs_without_a_lower_loss() {
        let mut patience = Patience::default();
        let losses = [3.0, 2.0, 2.5, 1.95, 1.8, 1.9, 1.9, 1.9, 1.9];
        let lost: Vec<_> = losses.map(|loss| patience.is_lost(loss, 2, 0.1)).to_vec();
        assert_eq!(lost, [false, false, false, true, false, false, true, false, true]);
        let mut patience = Patience::default();
        let scores = [f64::NAN, 1.0, 2.0, f64::NAN, 0.5];
        let lost = scores.map(|score| patience.is_lost(score, 2, 0.0));
        assert_eq!(lost, [false, false, false, true, false], "NaN is no lower score");
    }
}
