//! F1, the mean over classes.

use super::class_mean::{ClassMean, Worth};
use super::classes::Counts;

/// The mean over classes of F1, the harmonic mean of precision and recall, 0 to 1 (macro F1). A class that is predicted
/// but has no targets counts 0; one with neither is left out, as in scikit-learn.
pub(super) type F1 = ClassMean<Plain>;

pub(super) struct Plain;

impl Worth for Plain {
    const NAMES: [&'static str; 2] = ["f1", "F1"];
    const HAS_BREAKDOWN: bool = true;

    fn worth(class: &Counts) -> f64 {
        class.f1()
    }
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::{
        Rows, classes, drawn, predicted, refuses_others, update, value_of,
    };
    use super::super::metric::Metric;
    use super::*;

    fn metric(count: usize) -> Box<dyn Metric> {
        Box::new(F1::new(&classes(count)).unwrap())
    }

    /// From precision and recall, class by class.
    fn naive(rows: &Rows, count: usize) -> f64 {
        let pairs: Vec<(usize, usize)> = rows
            .iter()
            .map(|(logits, target)| (*target as usize, fgn_nn::argmax(logits)))
            .collect();
        let of = |class: usize| {
            let targets = pairs.iter().filter(|pair| pair.0 == class).count() as f64;
            let predicted = pairs.iter().filter(|pair| pair.1 == class).count() as f64;
            let correct = pairs.iter().filter(|pair| **pair == (class, class)).count() as f64;
            match targets + predicted {
                0.0 => None,
                _ if correct == 0.0 => Some(0.0),
                _ => {
                    let (precision, recall) = (correct / predicted, correct / targets);
                    Some(2.0 * precision * recall / (precision + recall))
                }
            }
        };
        let all: Vec<f64> = (0..count).filter_map(of).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    #[test]
    fn it_is_the_mean_of_the_harmonic_means() {
        // Class 0: precision 2/3, recall 2/4. Class 1: predicted once, without a target. Class 2: both 1/2. Class 3: neither.
        let rows = predicted(4, &[(0, 0), (0, 0), (0, 1), (0, 2), (2, 0), (2, 2)]);
        let found = value_of(|| metric(4), &rows);
        let expected = (4.0 / 7.0 + 0.0 + 0.5) / 3.0;
        assert!((found - expected).abs() < 1e-15, "{found}");
        let mut metric = metric(4);
        update(&mut *metric, &rows);
        let table = metric.breakdown().unwrap();
        assert_eq!(table.columns[0].texts(), ["57.14 %", "0.00 %", "50.00 %", "-"]);
        refuses_others(&mut *self::metric(3), 3);
    }

    #[test]
    fn it_is_that_of_a_naive_computation() {
        for (seed, count, rows) in [(1, 2, 3), (2, 3, 40), (3, 9, 25), (4, 30, 20)] {
            let rows = drawn(seed, count, rows);
            let (found, expected) = (value_of(|| metric(count), &rows), naive(&rows, count));
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
    }
}
