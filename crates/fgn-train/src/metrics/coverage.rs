//! Coverage at K: how much of the catalogue is recommended at all.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::ranks::{at_k, catalogue, for_each_best};
use super::values::restored;
use crate::error::{Error, Result};

/// The share of all items that are among the best `K` after at least one step, 0 to 1: low for a model that recommends
/// the same few to everybody.
pub(super) struct Coverage {
    k: usize,
    steps: u64,
    /// Whether each item was recommended.
    is_covered: Vec<bool>,
}

impl Coverage {
    pub(super) fn new(target: &TargetSchema, k: usize) -> Option<Coverage> {
        Some(Coverage { k, steps: 0, is_covered: vec![false; catalogue(target)?.len()] })
    }
}

impl Metric for Coverage {
    fn info(&self) -> MetricInfo {
        let (name, label) = (at_k("coverage", self.k), at_k("Coverage", self.k));
        MetricInfo::new(&name, &label, Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let (name, items) = (at_k("coverage", self.k), self.is_covered.len());
        for_each_best((&name, self.k), items, prediction, target, |best, _| {
            self.steps += 1;
            for &item in best {
                if let Some(is_covered) = self.is_covered.get_mut(item as usize) {
                    *is_covered = true;
                }
            }
        })
    }

    fn value(&self) -> f64 {
        if self.steps == 0 {
            return f64::NAN;
        }
        let covered = self.is_covered.iter().filter(|&&is_covered| is_covered).count();
        covered as f64 / self.is_covered.len() as f64
    }

    /// A bit for each item, four to a hexadecimal digit.
    fn save(&self) -> Value {
        let digit = |items: &[bool]| {
            let bits =
                items.iter().enumerate().map(|(at, &is_covered)| u32::from(is_covered) << at);
            char::from_digit(bits.sum(), 16)
        };
        let digits: String = self.is_covered.chunks(4).filter_map(digit).collect();
        json!([self.steps, digits])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        let (steps, is_covered) = (self.steps, self.is_covered.clone());
        self.restore(saved)?;
        self.steps += steps;
        self.is_covered.iter_mut().zip(is_covered).for_each(|(one, other)| *one |= other);
        Ok(())
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let (steps, digits): (u64, String) = restored(saved)?;
        let bits = digits.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>();
        let items = self.is_covered.len();
        let Some(bits) = bits.filter(|bits| bits.len() == items.div_ceil(4)) else {
            return Err(Error::MetricState(format!("coverage of other than {items} items")));
        };
        self.steps = steps;
        for (at, is_covered) in self.is_covered.iter_mut().enumerate() {
            *is_covered = bits[at / 4] >> (at % 4) & 1 == 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::ranks::tests::{Steps, check, items, logits, ranking};
    use super::*;

    #[test]
    fn it_is_that_of_its_definition() {
        for k in [1, 3, 20] {
            let make = |target: &TargetSchema| {
                Some(Box::new(Coverage::new(target, k)?) as Box<dyn Metric>)
            };
            check(make, k, |all| {
                let covered: BTreeSet<_> = all.best.iter().flat_map(|(best, _)| best).collect();
                covered.len() as f64 / all.counts.len() as f64
            });
        }
    }

    #[test]
    fn a_saved_state_of_other_items_is_refused() {
        let saved = Coverage::new(&items(&[1; 4]), 1).unwrap().save();
        let mut other = Coverage::new(&items(&[1; 5]), 1).unwrap();
        assert!(other.restore(&saved).is_err());
        assert!(other.restore(&json!([0, "0x"])).is_err());
        assert!(other.restore(&json!([1, "10"])).is_ok());
        assert_eq!(other.value(), 0.2);
    }

    #[test]
    fn a_ranking_must_be_wide_enough() {
        let steps = Steps::new(&[vec![1, 0]]);
        let scores = vec![vec![1.0, 2.0, 3.0, 4.0], vec![4.0, 3.0, 2.0, 1.0]];
        let mut metric = Coverage::new(&items(&[1; 4]), 3).unwrap();
        let error = metric.update(&ranking(&steps, &scores, 2), &steps.targets()).unwrap_err();
        assert_eq!(error.to_string(), "coverage@3 needs the best 3 items, the ranking has 2");
        metric.update(&logits(&steps, &scores), &steps.targets()).unwrap();
        assert_eq!(metric.value(), 1.0);
        // All items are enough, however many are asked for.
        let mut metric = Coverage::new(&items(&[1; 4]), 200).unwrap();
        metric.update(&ranking(&steps, &scores, 4), &steps.targets()).unwrap();
        assert_eq!(metric.value(), 1.0);
    }
}
