//! F1, weighted by the number of targets of each class.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::classes::{ClassCounts, mean_of_known};
use super::metric::{Direction, Metric, MetricInfo, Unit};
use crate::error::Result;

/// The mean over classes of F1, each weighted by how many targets it has, 0 to 1.
pub(super) struct WeightedF1(ClassCounts);

impl WeightedF1 {
    pub(super) fn new(target: &TargetSchema) -> Option<WeightedF1> {
        ClassCounts::new(target).map(WeightedF1)
    }
}

impl Metric for WeightedF1 {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("f1_weighted", "weighted F1", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.0.update("f1_weighted", prediction, target)
    }

    fn value(&self) -> f64 {
        mean_of_known(self.0.iter().map(|class| (class.f1(), class.targets as f64)))
    }

    fn save(&self) -> Value {
        self.0.save()
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.0.restore(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::{classes, predicted, refuses_others, value_of};
    use super::*;

    fn metric(count: usize) -> Box<dyn Metric> {
        Box::new(WeightedF1::new(&classes(count)).unwrap())
    }

    #[test]
    fn each_target_has_the_same_weight() {
        // F1 is 4/7 of class 0, which has four targets, 0 of class 1, which has none, and 1/2 of class 2, which has two.
        let rows = predicted(4, &[(0, 0), (0, 0), (0, 1), (0, 2), (2, 0), (2, 2)]);
        let found = value_of(|| metric(4), &rows);
        assert!((found - (4.0 * 4.0 / 7.0 + 2.0 * 0.5) / 6.0).abs() < 1e-15, "{found}");
        assert_eq!(value_of(|| metric(2), &predicted(2, &[(1, 1)])), 1.0, "one class only");
        refuses_others(&mut *metric(3), 3);
    }
}
