//! F1, weighted by the number of targets of each class.

use super::class_mean::{ClassMean, Worth};
use super::classes::Counts;

/// The mean over classes of F1, each weighted by how many targets it has, 0 to 1.
pub(super) type WeightedF1 = ClassMean<Weighted>;

pub(super) struct Weighted;

impl Worth for Weighted {
    const NAMES: [&'static str; 2] = ["f1_weighted", "weighted F1"];
    const HAS_BREAKDOWN: bool = false;

    fn worth(class: &Counts) -> f64 {
        class.f1()
    }

    fn weight(class: &Counts) -> f64 {
        class.targets as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::{classes, predicted, refuses_others, value_of};
    use super::super::metric::Metric;
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
