//! Mean reciprocal rank at K.

use super::rank_mean::{Gain, RankMean};

/// The mean of 1 / rank over the targets, where a rank beyond `K` counts 0: 1 where all targets come first.
pub(super) type MeanReciprocalRank = RankMean<Reciprocal>;

pub(super) struct Reciprocal;

impl Gain for Reciprocal {
    const NAMES: [&'static str; 2] = ["mrr", "MRR"];

    fn gain(rank: f64) -> f64 {
        1.0 / rank
    }
}

#[cfg(test)]
mod tests {
    use fgn_schema::TargetSchema;

    use super::super::metric::Metric;
    use super::super::ranks::tests::check;
    use super::*;

    #[test]
    fn it_is_that_of_its_definition() {
        for k in [1, 3, 20] {
            let mean = |ranks: &[usize]| {
                let within = ranks.iter().filter(|&&rank| rank <= k);
                within.map(|&rank| 1.0 / rank as f64).sum::<f64>() / ranks.len() as f64
            };
            let make = |target: &TargetSchema| {
                Some(Box::new(MeanReciprocalRank::new(target, k)?) as Box<dyn Metric>)
            };
            check(make, k, |all| mean(&all.ranks));
        }
    }
}
