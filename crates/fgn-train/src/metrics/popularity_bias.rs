//! Popularity bias at K: how much more popular the recommended items are than those that are taken.

use fgn_schema::{Catalogue, Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::ranks::{at_k, catalogue, for_each_best};
use super::values::{restored, summed};
use crate::error::Result;

/// The mean training count of the items among the best `K`, the average recommendation popularity (Abdollahpouri et
/// al. 2019), divided by that of the targets: above 1 the model recommends items that are more popular than those that
/// are taken.
pub(super) struct PopularityBias {
    k: usize,
    catalogue: Catalogue,
    recommended: Counts,
    taken: Counts,
}

/// How many items, and the sum of their training counts.
#[derive(Default)]
struct Counts {
    items: u64,
    sum: f64,
}

impl Counts {
    fn add(&mut self, count: u64) {
        self.items += 1;
        self.sum += count as f64;
    }

    fn mean(&self) -> f64 {
        self.sum / self.items as f64
    }
}

impl PopularityBias {
    pub(super) fn new(target: &TargetSchema, k: usize) -> Option<PopularityBias> {
        let (recommended, taken) = (Counts::default(), Counts::default());
        Some(PopularityBias { k, catalogue: catalogue(target)?.clone(), recommended, taken })
    }
}

impl Metric for PopularityBias {
    fn info(&self) -> MetricInfo {
        let name = at_k("popularity_bias", self.k);
        MetricInfo::new(&name, &at_k("Popularity bias", self.k), Direction::Lower, Unit::Number)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let PopularityBias { k, catalogue, recommended, taken } = self;
        let (name, items) = (at_k("popularity_bias", *k), catalogue.len());
        for_each_best((&name, *k), items, prediction, target, |best, target| {
            best.iter().for_each(|&item| recommended.add(catalogue.count(item)));
            taken.add(catalogue.count(target));
        })
    }

    /// NaN also where no target was ever taken in training.
    fn value(&self) -> f64 {
        match self.taken.mean() {
            0.0 => f64::NAN,
            taken => self.recommended.mean() / taken,
        }
    }

    fn save(&self) -> Value {
        let [recommended, taken] = [&self.recommended, &self.taken].map(|it| (it.items, it.sum));
        json!([recommended, taken])
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let [recommended, taken] = restored::<[(u64, f64); 2]>(saved)?;
        self.recommended = Counts { items: recommended.0, sum: recommended.1 };
        self.taken = Counts { items: taken.0, sum: taken.1 };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranks::tests::{Steps, check, items, logits};
    use super::*;

    #[test]
    fn it_is_that_of_its_definition() {
        for k in [1, 3, 20] {
            let make = |target: &TargetSchema| {
                Some(Box::new(PopularityBias::new(target, k)?) as Box<dyn Metric>)
            };
            check(make, k, |all| {
                let mean = |items: &mut dyn Iterator<Item = usize>| {
                    let counts: Vec<f64> = items.map(|item| all.counts[item] as f64).collect();
                    counts.iter().sum::<f64>() / counts.len() as f64
                };
                let best = all.best.iter().flat_map(|(best, _)| best);
                let recommended = mean(&mut best.map(|&item| item as usize));
                recommended / mean(&mut all.best.iter().map(|&(_, target)| target))
            });
        }
    }

    #[test]
    fn it_is_above_one_where_popular_items_are_recommended() {
        let steps = Steps::new(&[vec![0, 1]]);
        let mut metric = PopularityBias::new(&items(&[1, 3, 8]), 2).unwrap();
        let scores = [0.0, 1.0, 2.0].to_vec();
        metric.update(&logits(&steps, &[scores.clone(), scores]), &steps.targets()).unwrap();
        // The best two were taken 5.5 times on average, the targets 2.
        assert_eq!(metric.value(), 2.75);
        let mut metric = PopularityBias::new(&items(&[0, 0, 8]), 1).unwrap();
        metric.update(&logits(&steps, &vec![vec![0.0; 3]; 2]), &steps.targets()).unwrap();
        assert!(metric.value().is_nan(), "no target was taken in training");
    }
}
