//! Balanced accuracy: the mean of the recalls of all classes.

use super::class_mean::{ClassMean, Worth};
use super::classes::Counts;

/// The mean over classes of the share of their targets that were predicted right, 0 to 1 (Brodersen et al. 2010). Classes
/// without targets are left out, as in scikit-learn.
pub(super) type BalancedAccuracy = ClassMean<Recall>;

pub(super) struct Recall;

impl Worth for Recall {
    const NAMES: [&'static str; 2] = ["balanced_accuracy", "balanced accuracy"];
    const HAS_BREAKDOWN: bool = false;

    fn worth(class: &Counts) -> f64 {
        class.recall()
    }
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::{classes, predicted, refuses_others, value_of};
    use super::super::metric::Metric;
    use super::*;

    fn metric(count: usize) -> Box<dyn Metric> {
        Box::new(BalancedAccuracy::new(&classes(count)).unwrap())
    }

    #[test]
    fn each_class_has_the_same_weight() {
        // Three of four targets of class 0 are right, none of class 1, and the one of class 3; class 2 has none.
        let pairs = [(0, 0), (0, 0), (0, 2), (0, 0), (1, 0), (1, 2), (3, 3)];
        let found = value_of(|| metric(4), &predicted(4, &pairs));
        assert!((found - (0.75 + 0.0 + 1.0) / 3.0).abs() < 1e-15, "{found}");
        assert_eq!(value_of(|| metric(3), &predicted(3, &[(1, 1), (1, 0)])), 0.5, "one class only");
        assert!(value_of(|| metric(2), &Vec::new()).is_nan());
        refuses_others(&mut *metric(3), 3);
    }
}
