//! Top-K accuracy: the share of targets whose class is among the K with the largest logits.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::classes::{class_names, for_each_row};
use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::ranks::at_k;
use super::values::{restored, summed};
use crate::error::Result;

/// The share of targets whose class is among the `K` with the largest logits, 0 to 1; of equal logits the first come
/// first, so that of one it is the accuracy. There must be more than `K` classes.
pub(super) struct TopAccuracy {
    k: usize,
    classes: usize,
    targets: u64,
    correct: u64,
}

impl TopAccuracy {
    pub(super) fn new(target: &TargetSchema, k: usize) -> Option<TopAccuracy> {
        let classes = class_names(target)?.len();
        (k < classes).then_some(TopAccuracy { k, classes, targets: 0, correct: 0 })
    }
}

impl Metric for TopAccuracy {
    fn info(&self) -> MetricInfo {
        let [name, label] = ["accuracy", "accuracy"].map(|name| at_k(name, self.k));
        MetricInfo::new(&name, &label, Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let k = self.k;
        for_each_row::<f32>("accuracy@K", self.classes, prediction, target, |logits, target| {
            self.targets += 1;
            self.correct += u64::from(before(logits, target).is_some_and(|before| before < k));
        })
    }

    fn value(&self) -> f64 {
        self.correct as f64 / self.targets as f64
    }

    fn save(&self) -> Value {
        json!([self.correct, self.targets])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        [self.correct, self.targets] = restored(saved)?;
        Ok(())
    }
}

/// How many classes come before one; `None` for a logit that is NaN.
fn before(logits: &[f32], class: usize) -> Option<usize> {
    let own = logits[class];
    let comes_first = |(at, &logit): (usize, &f32)| logit > own || (logit == own && at < class);
    (!own.is_nan()).then(|| logits.iter().enumerate().filter(|&other| comes_first(other)).count())
}

#[cfg(test)]
mod tests {
    use super::super::accuracy::Accuracy;
    use super::super::classes::tests::{classes, drawn, refuses_others, value_of};
    use super::*;

    fn metric(count: usize, k: usize) -> Box<dyn Metric> {
        Box::new(TopAccuracy::new(&classes(count), k).unwrap())
    }

    #[test]
    fn the_first_k_are_right() {
        let rows = vec![
            (vec![0.1, 0.4, 0.3, 0.2], 3),
            (vec![0.1, 0.4, 0.3, 0.2], 2),
            // The third of three that are equal.
            (vec![0.0, 0.5, 0.5, 0.5], 3),
            (vec![f32::NAN, 0.0, 0.0, 0.0], 0),
        ];
        let found = [1, 2, 3].map(|k| value_of(|| metric(4, k), &rows));
        assert_eq!(found, [0.0, 0.25, 0.75]);
        refuses_others(&mut *metric(4, 2), 4);
        assert!(TopAccuracy::new(&classes(4), 4).is_none(), "every class is among the first four");
    }

    #[test]
    fn of_one_it_is_the_accuracy_and_of_several_that_of_a_sorted_list() {
        for (seed, count) in [(1, 2), (2, 6), (3, 20)] {
            let rows = drawn(seed, count, 50);
            let accuracy = || Box::new(Accuracy::new(&classes(count)).unwrap()) as Box<dyn Metric>;
            assert_eq!(value_of(|| metric(count, 1), &rows), value_of(accuracy, &rows));
            let k = count / 2;
            let right = rows.iter().filter(|(logits, target)| {
                let mut order: Vec<usize> = (0..count).collect();
                // The sort is stable.
                order.sort_by(|&one, &other| logits[other].total_cmp(&logits[one]));
                order[..k].contains(&(*target as usize))
            });
            assert_eq!(value_of(|| metric(count, k), &rows), right.count() as f64 / 50.0);
        }
    }
}
