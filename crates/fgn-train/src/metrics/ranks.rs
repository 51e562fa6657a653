//! What the metrics of rankings share: the ranks of targets and the best items, from a ranking or from all logits.
//!
//! Both are over all items: a rank among a sample of them says little of that among all (Krichene & Rendle 2020).

use candle_core::DType;
use fgn_nn::{rank, top};
use fgn_schema::{Catalogue, IGNORED, Padded, Prediction, RankedTargets, Ranking, TargetSchema};

use super::values::wrong_prediction;
use crate::error::{Error, Result};

/// The items, where targets are such.
pub(super) fn catalogue(target: &TargetSchema) -> Option<&Catalogue> {
    match target {
        TargetSchema::NextItem { catalogue } => Some(catalogue),
        _ => None,
    }
}

/// The `k` items with the highest scores, the best first; of those with the same score the first items. A score that is
/// NaN is below all others.
pub(crate) fn best(scores: &[f64], k: usize) -> Vec<u32> {
    top(scores, k, |_| false).into_iter().map(|(item, _)| item).collect()
}

/// What a ranking says of the targets, and the targets that count, in its order.
///
/// # Errors
/// A ranking without targets, or of other targets.
pub(super) fn ranked<'a>(
    metric: &str,
    ranking: &'a Ranking,
    target: &Padded,
) -> Result<(&'a RankedTargets, Vec<u32>)> {
    let wrong = |expected: String, found: String| Error::Ranking {
        metric: metric.to_owned(),
        expected,
        found,
    };
    let Some(of_targets) = ranking.targets() else {
        return Err(wrong("the ranks of targets".into(), "none".into()));
    };
    let mut counted = target.steps()?.to_vec1::<u32>()?;
    counted.retain(|&item| item != IGNORED);
    let rows = of_targets.ranks.dim(0)?;
    match rows == counted.len() {
        true => Ok((of_targets, counted)),
        false => {
            Err(wrong(format!("a row for each of {} targets", counted.len()), rows.to_string()))
        }
    }
}

/// Calls `each` with the scores of all items and the target, for each target that counts.
///
/// # Errors
/// Scores of another number of items, and a target that is none of them.
fn for_each_scored(
    metric: &str,
    items: usize,
    prediction: &Prediction,
    target: &Padded,
    mut each: impl FnMut(&[f64], u32),
) -> Result<()> {
    /// Scores in memory beside the logits.
    const TOGETHER: usize = 1 << 22;
    let (rows, targets) = prediction.rows(target)?;
    let targets = targets.to_vec1::<u32>()?;
    let (count, width) = rows.dims2()?;
    let wrong = |expected: String, found: String| {
        Err(Error::Ranking { metric: metric.to_owned(), expected, found })
    };
    if width != items {
        return wrong(format!("the scores of {items} items"), width.to_string());
    }
    if let Some(item) = targets.iter().find(|&&item| item as usize >= items) {
        return wrong(format!("targets below {items}"), format!("{item} as one"));
    }
    let chunk = (TOGETHER / width.max(1)).max(1);
    for first in (0..count).step_by(chunk) {
        let rows = rows.narrow(0, first, chunk.min(count - first))?.to_dtype(DType::F64)?;
        let scores = rows.flatten_all()?.to_vec1::<f64>()?;
        scores
            .chunks(width)
            .zip(&targets[first..])
            .for_each(|(scores, &target)| each(scores, target));
    }
    Ok(())
}

/// The rank of each target that counts; none of the losses of steps.
pub(super) fn ranks(
    metric: &str,
    items: usize,
    prediction: &Prediction,
    target: &Padded,
) -> Result<Vec<usize>> {
    let mut ranks = Vec::new();
    match prediction {
        Prediction::StepLosses(_) => {}
        Prediction::Ranking(ranking) => {
            let (of_targets, _) = ranked(metric, ranking, target)?;
            let found = of_targets.ranks.to_dtype(DType::U32)?.to_vec1::<u32>()?;
            ranks.extend(found.into_iter().map(|rank| rank as usize));
        }
        Prediction::Logits(_) => {
            for_each_scored(metric, items, prediction, target, |scores, item| {
                ranks.push(rank(scores, item as usize));
            })?;
        }
        _ => return Err(wrong_prediction(metric, "a ranking of items")),
    }
    match ranks.iter().find(|rank| !(1..=items).contains(*rank)) {
        Some(rank) => Err(Error::Ranking {
            metric: metric.to_owned(),
            expected: format!("ranks from 1 to {items}"),
            found: format!("{rank} as one"),
        }),
        None => Ok(ranks),
    }
}

/// Calls `each` with the best `k` items and the target, for each target that counts; never for the losses of
/// steps. Of fewer than `k` items all are the best.
///
/// # Errors
/// A ranking of fewer items than are needed.
pub(super) fn for_each_best(
    (metric, k): (&str, usize),
    items: usize,
    prediction: &Prediction,
    target: &Padded,
    mut each: impl FnMut(&[u32], u32),
) -> Result<()> {
    let k = k.min(items);
    match prediction {
        Prediction::StepLosses(_) => Ok(()),
        Prediction::Ranking(ranking) => {
            let (_, targets) = ranked(metric, ranking, target)?;
            let rows = ranking.items().tensor().to_vec2::<u32>()?;
            for (row, target) in rows.iter().zip(targets) {
                let best = row.get(..k).ok_or_else(|| Error::Ranking {
                    metric: metric.to_owned(),
                    expected: format!("the best {k} items"),
                    found: row.len().to_string(),
                })?;
                each(best, target);
            }
            Ok(())
        }
        Prediction::Logits(_) => {
            for_each_scored(metric, items, prediction, target, |scores, item| {
                each(&best(scores, k), item);
            })
        }
        _ => Err(wrong_prediction(metric, "a ranking of items")),
    }
}

/// The name of a metric of the best `k` items, and likewise its label: `recall@20`.
pub(super) fn at_k(name: &str, k: usize) -> String {
    format!("{name}@{k}")
}

#[cfg(test)]
pub(super) mod tests {
    use candle_core::{Device, Tensor};
    use fgn_nn::Generator;
    use serde_json::json;

    use super::*;
    use crate::metrics::Metric;

    /// [`IGNORED`].
    pub(in crate::metrics) const IGN: u32 = IGNORED;

    /// Targets that are items, taken so often in training.
    pub(in crate::metrics) fn items(counts: &[u64]) -> TargetSchema {
        let names = (0..counts.len()).map(|item| format!("item {item}")).collect();
        TargetSchema::NextItem { catalogue: Catalogue::new(names, counts.to_vec()).unwrap() }
    }

    /// The targets of the steps of some samples.
    pub(in crate::metrics) struct Steps(Vec<Vec<u32>>);

    impl Steps {
        pub(in crate::metrics) fn new(samples: &[Vec<u32>]) -> Steps {
            Steps(samples.to_vec())
        }

        fn padded<T: candle_core::WithDType>(&self, width: usize, rows: Vec<Vec<T>>) -> Padded {
            let longest = self.0.iter().map(Vec::len).max().unwrap();
            let mut rows = rows.into_iter();
            let mut all = Vec::new();
            for sample in &self.0 {
                for at in 0..longest {
                    match at < sample.len() {
                        true => all.extend(rows.next().unwrap()),
                        // The padding is like the first item.
                        false => all.extend(vec![T::zero(); width]),
                    }
                }
            }
            let shape = [self.0.len(), longest, width];
            let shape = if width == 1 { &shape[..2] } else { &shape[..] };
            let tensor = Tensor::from_vec(all, shape, &Device::Cpu).unwrap();
            Padded::with_lengths(tensor, self.0.iter().map(Vec::len).collect()).unwrap()
        }

        pub(in crate::metrics) fn targets(&self) -> Padded {
            self.padded(1, self.0.iter().flatten().map(|&item| vec![item]).collect())
        }

        /// The steps that count: their number and target.
        fn counted(&self) -> Vec<(usize, usize)> {
            let all = self.0.iter().flatten().enumerate();
            all.filter(|&(_, &item)| item != IGN).map(|(at, &item)| (at, item as usize)).collect()
        }
    }

    /// All scores, step by step.
    pub(in crate::metrics) fn logits(steps: &Steps, scores: &[Vec<f64>]) -> Prediction {
        Prediction::Logits(steps.padded(scores[0].len(), scores.to_vec()))
    }

    /// The same as a ranking of the best `width` items.
    pub(in crate::metrics) fn ranking(
        steps: &Steps,
        scores: &[Vec<f64>],
        width: usize,
    ) -> Prediction {
        let counted = steps.counted();
        let rows: Vec<u32> = counted.iter().flat_map(|&(at, _)| best(&scores[at], width)).collect();
        let ranks = counted.iter().map(|&(at, item)| rank(&scores[at], item) as u32).collect();
        let likelihood = |&(at, item): &(usize, usize)| {
            scores[at][item] - scores[at].iter().map(|score: &f64| score.exp()).sum::<f64>().ln()
        };
        let likelihoods = counted.iter().map(likelihood).collect();
        let count = counted.len();
        let device = &Device::Cpu;
        let of_targets = RankedTargets {
            ranks: Tensor::from_vec::<_, u32>(ranks, count, device).unwrap(),
            log_likelihoods: Tensor::from_vec::<_, f64>(likelihoods, count, device).unwrap(),
        };
        let rows = Tensor::from_vec(rows, (count, width), device).unwrap();
        let scores = Tensor::zeros((count, width), DType::F32, device).unwrap();
        Prediction::Ranking(Ranking::new(rows, scores, Some(of_targets)).unwrap())
    }

    /// The losses of steps.
    pub(in crate::metrics) fn sampled(steps: &Steps) -> Prediction {
        let losses = steps.0.iter().flatten().map(|_| vec![0.5]).collect();
        Prediction::StepLosses(steps.padded(1, losses))
    }

    /// Random steps with scores of few values, so that many are the same, and some that are NaN.
    pub(in crate::metrics) fn drawn(seed: u64, items: usize) -> (Steps, Vec<Vec<f64>>) {
        let mut generator = Generator::seed_from_u64(seed);
        let mut below = |end: usize| (generator.next_f64() * end as f64) as usize;
        let samples: Vec<Vec<u32>> = (0..1 + below(4))
            .map(|_| {
                let length = 1 + below(5);
                (0..length).map(|_| if below(4) == 0 { IGN } else { below(items) as u32 }).collect()
            })
            .collect();
        let steps: usize = samples.iter().map(Vec::len).sum();
        let mut score = || match below(8) {
            0 => f64::NAN,
            at => at as f64 / 2.0,
        };
        let scores = (0..steps).map(|_| (0..items).map(|_| score()).collect()).collect();
        (Steps(samples), scores)
    }

    /// The rank by its definition: all other items that are not worse come before.
    fn defined(scores: &[f64], target: usize) -> usize {
        let key =
            |item: usize| if scores[item].is_nan() { f64::NEG_INFINITY } else { scores[item] };
        1 + (0..scores.len()).filter(|&item| item != target && key(item) >= key(target)).count()
    }

    /// What was predicted after all steps that count, by the definitions.
    pub(in crate::metrics) struct Predicted {
        /// How often each item was taken in training.
        pub(in crate::metrics) counts: Vec<u64>,
        /// The rank of each target.
        pub(in crate::metrics) ranks: Vec<usize>,
        /// The best items of each step, and its target.
        pub(in crate::metrics) best: Vec<(Vec<u32>, usize)>,
    }

    /// Checks a metric of the best `k` items against its definition `of`.
    pub(in crate::metrics) fn check(
        make: impl Fn(&TargetSchema) -> Option<Box<dyn Metric>>,
        k: usize,
        of: impl Fn(&Predicted) -> f64,
    ) {
        for (seed, count) in [(1, 3), (2, 2), (3, 7), (4, 23), (5, 64), (6, 5)] {
            let counts: Vec<u64> = (0..count as u64).map(|item| 1 + item * item).collect();
            let schema = items(&counts);
            let (mut of_logits, mut of_rankings) = (make(&schema).unwrap(), make(&schema).unwrap());
            assert!(of_logits.value().is_nan());
            let mut all = Predicted { counts, ranks: Vec::new(), best: Vec::new() };
            for part in 0..3 {
                let (steps, scores) = drawn(10 * seed + part, count);
                for (at, item) in steps.counted() {
                    all.ranks.push(defined(&scores[at], item));
                    let mut order: Vec<u32> = (0..count as u32).collect();
                    let key = |&item: &u32| {
                        let score = scores[at][item as usize];
                        if score.is_nan() { f64::INFINITY } else { -score }
                    };
                    // The sort is stable: of the same score the first items come first.
                    order.sort_by(|one, other| key(one).total_cmp(&key(other)));
                    order.truncate(k);
                    all.best.push((order, item));
                }
                let mut next = make(&schema).unwrap();
                next.restore(&of_logits.save()).unwrap();
                next.update(&logits(&steps, &scores), &steps.targets()).unwrap();
                next.update(&sampled(&steps), &steps.targets()).unwrap();
                of_logits = next;
                let ranking = ranking(&steps, &scores, k.min(count));
                of_rankings.update(&ranking, &steps.targets()).unwrap();
            }
            let expected = of(&all);
            let found = of_logits.value();
            assert!((found - expected).abs() < 1e-12, "{count} items: {found} for {expected}");
            assert_eq!(of_logits.save(), of_rankings.save());
            assert_eq!(of_rankings.value(), found);
        }
        let mut metric = make(&items(&[1, 2])).unwrap();
        let target = Steps::new(&[vec![0, 1]]).targets();
        let others =
            [Prediction::LogLikelihoods(target.clone()), Prediction::Tokens(target.clone())];
        assert!(others.iter().all(|other| metric.update(other, &target).is_err()));
        assert!(metric.restore(&json!("no state")).is_err());
        let wide = Steps::new(&[vec![0, 1]]);
        assert!(metric.update(&logits(&wide, &vec![vec![0.0; 3]; 2]), &target).is_err());
        assert!(make(&TargetSchema::NextToken { vocabulary: 2 }).is_none());
    }

    #[test]
    fn ties_count_against_the_target_and_nan_is_last() {
        let scores = [0.5, f64::NAN, 2.0, 0.5, f64::NEG_INFINITY, f64::NAN];
        let ranks: Vec<usize> = (0..6).map(|item| rank(&scores, item)).collect();
        assert_eq!(ranks, [3, 6, 1, 3, 4, 6]);
        assert_eq!(best(&scores, 3), [2, 0, 3]);
        assert_eq!(best(&scores, 9), [2, 0, 3, 4, 1, 5]);
        assert!(best(&scores, 0).is_empty());
    }
}
