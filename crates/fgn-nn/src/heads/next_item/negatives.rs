//! Items drawn as negatives.

use fgn_schema::Catalogue;

use crate::random::Generator;

/// Draws items with probabilities in proportion to a power of how often they were taken in training.
#[derive(Debug)]
pub(super) struct Negatives {
    /// The sums of the weights up to and with each item, ascending.
    sums: Vec<f64>,
}

impl Negatives {
    /// With weights `count^alpha`; an item that was never taken has the weight of one that was taken once.
    pub(super) fn new(catalogue: &Catalogue, alpha: f64) -> Negatives {
        let weight = |count: &u64| (*count.max(&1) as f64).powf(alpha);
        let sums = catalogue.counts().iter().scan(0.0, |sum, count| {
            *sum += weight(count);
            Some(*sum)
        });
        Negatives { sums: sums.collect() }
    }

    /// `count` items, with replacement.
    pub(super) fn draw(&self, count: usize, generator: &mut Generator) -> Vec<u32> {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let last = self.sums.len().saturating_sub(1);
        let mut item = || {
            let at = generator.next_f64() * total;
            self.sums.partition_point(|&sum| sum <= at).min(last) as u32
        };
        (0..count).map(|_| item()).collect()
    }

    /// The probability with which a draw gives an item.
    pub(super) fn probability(&self, item: u32) -> f64 {
        let sum = |end: usize| end.checked_sub(1).map_or(0.0, |at| self.sums[at]);
        let at = item as usize;
        (sum(at + 1) - sum(at)) / sum(self.sums.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_drawn_by_a_power_of_their_counts() {
        let counts = vec![900, 90, 9, 0];
        let names = ["a", "b", "c", "d"].map(String::from).to_vec();
        let catalogue = Catalogue::new(names, counts).unwrap();
        for (alpha, weights) in [(1.0, [900.0, 90.0, 9.0, 1.0]), (0.0, [1.0; 4])] {
            let negatives = Negatives::new(&catalogue, alpha);
            let mut generator = Generator::seed_from_u64(2);
            let drawn = negatives.draw(100_000, &mut generator);
            let total: f64 = weights.iter().sum();
            for (item, weight) in (0..).zip(weights) {
                let expected = weight / total;
                assert!((negatives.probability(item) - expected).abs() < 1e-12);
                let found = drawn.iter().filter(|&&drawn| drawn == item).count() as f64 / 1e5;
                // Five standard deviations.
                let bound = 5.0 * (expected * (1.0 - expected) / 1e5).sqrt();
                assert!((found - expected).abs() < bound, "{alpha} {item}: {found} {expected}");
            }
        }
    }
}
