//! Area under the ROC curve.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::classes::{class_names, for_each_row, mean_of_known};
use super::metric::{Breakdown, Column, Direction, Metric, MetricInfo, Unit};
use super::values::restored;
use crate::error::{Error, Result};

/// The probability that a target of a class has a higher score of this class than a target of another class, where equal
/// scores count half: the area under the ROC curve, exactly (Hanley & McNeil 1982). Of two classes it is that of the
/// second, which is that of the first too; of several it is the mean over classes of each against all others.
///
/// Classes without targets are left out. Where all targets are of one class there is no value, and so it is where a score
/// is NaN. The scores of all targets are kept in memory, and in the checkpoints within an epoch.
pub(super) struct RocAuc {
    names: Vec<String>,
    targets: Vec<u32>,
    /// Of each target the scores of the classes from [`first`](Self::first) on.
    scores: Vec<f32>,
}

impl RocAuc {
    pub(super) fn new(target: &TargetSchema) -> Option<RocAuc> {
        Some(RocAuc { names: class_names(target)?, targets: Vec::new(), scores: Vec::new() })
    }

    /// The first class whose scores are kept: of two classes those of the second say all.
    fn first(&self) -> usize {
        usize::from(self.names.len() == 2)
    }

    /// How many scores a target has.
    fn width(&self) -> usize {
        self.names.len() - self.first()
    }

    /// Of each class against all others; NaN where there is none.
    fn areas(&self) -> Vec<f64> {
        let (first, width) = (self.first(), self.width());
        let rows = self.targets.iter().zip(self.scores.chunks(width.max(1)));
        let of = |class: usize| {
            area(rows.clone().map(|(&target, row)| (row[class - first], target as usize == class)))
        };
        let mut areas: Vec<f64> = (first..self.names.len()).map(of).collect();
        if first == 1 {
            areas.insert(0, areas[0]);
        }
        areas
    }
}

impl Metric for RocAuc {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("roc_auc", "ROC AUC", Direction::Higher, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let first = self.first();
        for_each_row::<f64>("roc_auc", self.names.len(), prediction, target, |logits, target| {
            self.targets.push(target as u32);
            self.scores.extend(log_odds(logits).skip(first).map(|score| score as f32));
        })
    }

    fn value(&self) -> f64 {
        // A class without targets has no area; a score that is NaN leaves none to any class that it is of.
        match self.scores.iter().any(|score| score.is_nan()) {
            true => f64::NAN,
            false => mean_of_known(self.areas().into_iter().map(|area| (area, 1.0))),
        }
    }

    fn breakdown(&self) -> Option<Breakdown> {
        let columns = vec![Column::new(&self.info(), self.areas())];
        Some(Breakdown { row: "class", names: self.names.clone(), columns })
    }

    /// The scores as their bits, so that they are exact, NaN too.
    fn save(&self) -> Value {
        let bits: Vec<u32> = self.scores.iter().map(|score| score.to_bits()).collect();
        json!([self.targets, bits])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        let mut other =
            RocAuc { targets: Vec::new(), scores: Vec::new(), names: self.names.clone() };
        other.restore(saved)?;
        self.targets.extend(other.targets);
        self.scores.extend(other.scores);
        Ok(())
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let [targets, bits]: [Vec<u32>; 2] = restored(saved)?;
        if targets.len() * self.width() != bits.len() {
            let (found, expected) = (bits.len(), targets.len() * self.width());
            return Err(Error::MetricState(format!("{found} scores, expected {expected}")));
        }
        self.targets = targets;
        self.scores = bits.into_iter().map(f32::from_bits).collect();
        Ok(())
    }
}

/// The logarithm of `p / (1 − p)` of each class: it grows with the probability `p`, and keeps those near 0, and
/// those near 1, distinct.
fn log_odds(logits: &[f64]) -> impl Iterator<Item = f64> {
    let mut largest = 0;
    for class in 1..logits.len() {
        if logits[class] > logits[largest] {
            largest = class;
        }
    }
    // Without the largest, beside whose power the others may be lost.
    let others = || logits.iter().enumerate().filter(|&(class, _)| class != largest);
    let powers = |of: f64| -> f64 { others().map(|(_, logit)| (logit - of).exp()).sum() };
    let top = logits.get(largest).copied().unwrap_or(f64::NAN);
    let second = others().map(|(_, &logit)| logit).fold(f64::NEG_INFINITY, f64::max);
    let (beside_largest, rest) = (second + powers(second).ln(), powers(top));
    logits.iter().enumerate().map(move |(class, &logit)| match class == largest {
        true => logit - beside_largest,
        false => logit - (top + (rest - (logit - top).exp()).ln_1p()),
    })
}

/// The area of a class from the score of each target, and whether the target is of this class.
fn area(rows: impl Iterator<Item = (f32, bool)>) -> f64 {
    let mut rows: Vec<(f32, bool)> = rows.collect();
    if rows.iter().any(|(score, _)| score.is_nan()) {
        return f64::NAN;
    }
    rows.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    // Twice the number of pairs in which the class has the higher score.
    let (mut wins, mut class, mut others) = (0u128, 0u128, 0u128);
    for equal in rows.chunk_by(|one, other| one.0 == other.0) {
        let here = equal.iter().filter(|(_, is_class)| *is_class).count() as u128;
        let others_here = equal.len() as u128 - here;
        wins += here * (2 * others + others_here);
        class += here;
        others += others_here;
    }
    match 2 * class * others {
        0 => f64::NAN,
        pairs => wins as f64 / pairs as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::{Rows, classes, drawn, refuses_others, update, value_of};
    use super::*;

    fn metric(count: usize) -> Box<dyn Metric> {
        Box::new(RocAuc::new(&classes(count)).unwrap())
    }

    /// Over all pairs of a target of the class and another, by probabilities.
    fn naive(rows: &Rows, class: usize) -> Option<f64> {
        let probability = |logits: &[f32]| {
            let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit).exp()).collect();
            powers[class] / powers.iter().sum::<f64>()
        };
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (one, _) in rows.iter().filter(|row| row.1 as usize == class) {
            for (other, _) in rows.iter().filter(|row| row.1 as usize != class) {
                let difference = probability(one) - probability(other);
                pairs += 1.0;
                // The same sum in another order may differ in the last bits.
                wins += if difference.abs() < 1e-12 { 0.5 } else { f64::from(difference > 0.0) };
            }
        }
        (pairs > 0.0).then_some(wins / pairs)
    }

    /// The score of the second class is `score`.
    fn binary(pairs: &[(f32, u32)]) -> Rows {
        pairs.iter().map(|&(score, target)| (vec![0.5, 0.5 + score], target)).collect()
    }

    #[test]
    fn it_is_that_of_the_second_class_with_ties_as_halves() {
        // Of the six pairs of a 1 and a 0, three are in order and two are ties.
        let rows = binary(&[(0.0, 0), (1.0, 1), (1.0, 0), (2.0, 1), (2.0, 0)]);
        let found = value_of(|| metric(2), &rows);
        assert_eq!(found, (3.0 + 2.0 * 0.5) / 6.0);
        let worst = value_of(|| metric(2), &binary(&[(1.0, 0), (-3.0, 1), (0.5, 1)]));
        assert_eq!(worst, 0.0);
        let mut metric = metric(2);
        update(&mut *metric, &rows);
        assert_eq!(metric.breakdown().unwrap().columns[0].values, [found, found]);
    }

    #[test]
    fn without_two_classes_there_is_no_value() {
        assert!(value_of(|| metric(2), &binary(&[(0.0, 1), (1.0, 1)])).is_nan());
        assert!(value_of(|| metric(2), &binary(&[(f32::NAN, 1), (1.0, 0)])).is_nan());
        assert!(value_of(|| metric(3), &vec![(vec![0.0, 1.0, 2.0], 2)]).is_nan());
        // An infinite logit is a certain class: both pairs are in order.
        let rows = vec![(vec![f32::INFINITY, 0.0, 1.0], 0), (vec![0.0, 1.0, 2.0], 1)];
        assert_eq!(value_of(|| metric(3), &rows), 1.0);
        refuses_others(&mut *metric(2), 2);
        assert!(metric(3).restore(&json!([[1], [0, 0]])).is_err());
    }

    #[test]
    fn it_is_the_mean_of_all_pairs() {
        for (seed, count, rows) in [(1, 2, 40), (2, 3, 30), (3, 5, 60), (4, 12, 25)] {
            let rows = drawn(seed, count, rows);
            let areas: Vec<f64> = (0..count).filter_map(|class| naive(&rows, class)).collect();
            let expected = areas.iter().sum::<f64>() / areas.len() as f64;
            let found = value_of(|| metric(count), &rows);
            assert!((found - expected).abs() < 1e-9, "{count} classes: {found} for {expected}");
        }
    }

    #[test]
    fn probabilities_near_one_and_zero_are_apart() {
        // In `f32` all these probabilities are 0 or 1.
        let rows = binary(&[(200.0, 0), (201.0, 1), (-300.0, 0), (-299.0, 1)]);
        assert_eq!(value_of(|| metric(2), &rows), 0.75);
        let odds: Vec<f64> = log_odds(&[60.0, 0.0, 0.0]).collect();
        assert!((odds[0] - (60.0 - 2f64.ln())).abs() < 1e-12, "{odds:?}");
        assert!((odds[1] + 60.0).abs() < 1e-12, "{odds:?}");
    }
}
