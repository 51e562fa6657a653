//! The rules by which sessions were generated.

use fgn_data::{Samples, Shop};
use fgn_schema::{Catalogue, TargetSchema};

use super::baseline::Baseline;

/// Scores items by the probabilities with which the data set `shop` draws them: no model ranks better.
pub(super) struct BestPossible {
    shop: Shop,
    catalogue: Catalogue,
}

impl BestPossible {
    /// Of samples of that data set; `None` for all others, whose rules nobody knows.
    pub(super) fn of(samples: &dyn Samples) -> Option<BestPossible> {
        match &samples.schema().target {
            TargetSchema::NextItem { catalogue } if samples.name() == Shop::NAME => {
                Some(BestPossible { shop: Shop::new(), catalogue: catalogue.clone() })
            }
            _ => None,
        }
    }
}

impl Baseline for BestPossible {
    fn name(&self) -> String {
        "best possible".into()
    }

    fn scores(&self, history: &[u32], scores: &mut [f64]) {
        let probabilities = self.shop.probabilities(&self.catalogue, history);
        scores.iter_mut().zip(probabilities).for_each(|(score, of_item)| *score = of_item);
    }

    fn are_probabilities(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rows;
    use super::*;

    #[test]
    fn only_the_rules_of_the_shop_are_known() {
        let data = fgn_data::open(Shop::NAME).unwrap();
        let best = BestPossible::of(&*data.test).unwrap();
        let mut scores = vec![0.0; best.catalogue.len()];
        best.scores(&[7, 3], &mut scores);
        assert_eq!(scores, Shop::new().probabilities(&best.catalogue, &[7, 3]));
        assert!(BestPossible::of(&Rows::new(3, &[vec![0, 1]])).is_none());
    }
}
