//! Normalised discounted cumulative gain at K.

use super::rank_mean::{Gain, RankMean};

/// The mean of 1 / log₂(1 + rank) over the targets, where a rank beyond `K` counts 0 (Järvelin & Kekäläinen 2002). Each
/// step has one target, so the ideal gain by which it is normalised is 1.
pub(super) type Ndcg = RankMean<Discounted>;

pub(super) struct Discounted;

impl Gain for Discounted {
    const NAMES: [&'static str; 2] = ["ndcg", "NDCG"];

    fn gain(rank: f64) -> f64 {
        1.0 / (1.0 + rank).log2()
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
                within.map(|&rank| 2f64.ln() / (rank as f64 + 1.0).ln()).sum::<f64>()
                    / ranks.len() as f64
            };
            let make =
                |target: &TargetSchema| Some(Box::new(Ndcg::new(target, k)?) as Box<dyn Metric>);
            check(make, k, |all| mean(&all.ranks));
        }
    }
}
