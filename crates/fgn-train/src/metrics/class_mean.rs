//! What the metrics that are means over classes share.

use std::marker::PhantomData;

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::classes::{ClassCounts, Counts, mean_of_known};
use super::metric::{Breakdown, Column, Direction, Metric, MetricInfo, Unit};
use super::values::summed;
use crate::error::Result;

/// What a class is worth, by its counts.
pub(super) trait Worth: Send {
    /// The metric's name and label.
    const NAMES: [&'static str; 2];
    /// Whether reports list it class by class.
    const HAS_BREAKDOWN: bool;

    /// Between 0 and 1; NaN for a class that is left out.
    fn worth(class: &Counts) -> f64;

    /// Its weight among the classes: by default that of any other.
    fn weight(_class: &Counts) -> f64 {
        1.0
    }
}

/// The mean of a [`Worth`] over the classes.
pub(super) struct ClassMean<W> {
    counts: ClassCounts,
    of: PhantomData<W>,
}

impl<W: Worth> ClassMean<W> {
    /// `None` where the targets are not classes.
    pub(super) fn new(target: &TargetSchema) -> Option<ClassMean<W>> {
        Some(ClassMean { counts: ClassCounts::new(target)?, of: PhantomData })
    }
}

impl<W: Worth> Metric for ClassMean<W> {
    fn info(&self) -> MetricInfo {
        let [name, label] = W::NAMES;
        MetricInfo::new(name, label, Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.counts.update(W::NAMES[0], prediction, target)
    }

    fn value(&self) -> f64 {
        mean_of_known(self.counts.iter().map(|class| (W::worth(class), W::weight(class))))
    }

    fn breakdown(&self) -> Option<Breakdown> {
        let columns = vec![Column::new(&self.info(), self.counts.iter().map(W::worth))];
        let names = || self.counts.names().to_vec();
        W::HAS_BREAKDOWN.then(|| Breakdown { row: "class", names: names(), columns })
    }

    fn save(&self) -> Value {
        self.counts.save()
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.counts.restore(saved)
    }
}
