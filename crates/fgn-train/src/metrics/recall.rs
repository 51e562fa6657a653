//! Recall at K, of the item that comes next.

use super::rank_mean::{Gain, RankMean};

/// The share of targets whose rank among all items is at most `K`, 0 to 1. Each step has one target, so this is the hit
/// rate too.
pub(super) type Recall = RankMean<Hit>;

pub(super) struct Hit;

impl Gain for Hit {
    const NAMES: [&'static str; 2] = ["recall", "Recall"];

    fn gain(_: f64) -> f64 {
        1.0
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
                ranks.iter().filter(|&&rank| rank <= k).count() as f64 / ranks.len() as f64
            };
            let make =
                |target: &TargetSchema| Some(Box::new(Recall::new(target, k)?) as Box<dyn Metric>);
            check(make, k, |all| mean(&all.ranks));
        }
    }
}
