//! How good a baseline is on some samples.

use candle_core::{Device, Tensor};
use fgn_data::{Batches, Order, Samples};
use fgn_nn::rank;
use fgn_schema::{Prediction, RankedTargets, Ranking};
use rayon::prelude::*;

use super::baseline::Baseline;
use super::histories::{Histories, catalogue_size};
use super::result::BaselineResult;
use crate::error::{Error, Result};
use crate::evaluation::EVALUATION_BATCH;
use crate::metrics::ranks::best;
use crate::metrics::{Metrics, cutoff};

/// Evaluates `baseline` on all of `samples`, whose targets are next items, with `metrics`: over the same steps as a
/// model, and over the full ranking of all items. `progress` gets the number of samples that are done.
///
/// The history of a step is what [`evaluate`](crate::evaluate) lets a model read of the session before it; of a stream,
/// what a model reads whose state is carried from window to window.
///
/// The result does not depend on the number of threads.
///
/// # Errors
/// Samples with other targets, or without one that counts; metrics for other predictions.
pub fn evaluate_baseline(
    baseline: &dyn Baseline,
    samples: &dyn Samples,
    mut metrics: Metrics,
    progress: &mut dyn FnMut(usize),
) -> Result<BaselineResult> {
    let items = catalogue_size(samples)?;
    let width = metrics.infos().iter().filter_map(|info| cutoff(&info.name)).max();
    let width = width.unwrap_or(1).min(items);
    let is_stream = samples.windows().is_some();
    let size = EVALUATION_BATCH.min(samples.len());
    let (mut histories, mut nats, mut count, mut done) = (Histories::default(), 0.0, 0, 0);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        let batch = batch?;
        let first = histories.len();
        histories.push(&batch, is_stream, samples)?;
        let steps: Vec<(&[u32], u32)> = histories.steps(first).collect();
        let ranked = ranked(baseline, &steps, items, width);
        if !ranked.is_empty() {
            nats -= ranked.iter().map(|step| step.log_likelihood).sum::<f64>();
            count += ranked.len();
            metrics.update(&prediction(&ranked, width)?, batch.target())?;
        }
        done += batch.size();
        progress(done);
    }
    match count {
        0 => Err(Error::NoTargets { samples: samples.name().to_owned() }),
        _ => Ok(BaselineResult {
            name: baseline.name(),
            measures: metrics.measures(nats / count as f64),
        }),
    }
}

/// A step as a baseline ranks it.
struct Ranked {
    items: Vec<u32>,
    scores: Vec<f64>,
    rank: u32,
    /// NaN where scores are no probabilities.
    log_likelihood: f64,
}

fn ranked(
    baseline: &dyn Baseline,
    steps: &[(&[u32], u32)],
    items: usize,
    width: usize,
) -> Vec<Ranked> {
    let step = |scores: &mut Vec<f64>, &(history, target): &(&[u32], u32)| {
        scores.fill(0.0);
        baseline.scores(history, scores);
        let best = best(scores, width);
        let log_likelihood = match baseline.are_probabilities() {
            true => scores[target as usize].ln(),
            false => f64::NAN,
        };
        Ranked {
            scores: best.iter().map(|&item| scores[item as usize]).collect(),
            items: best,
            rank: rank(scores, target as usize) as u32,
            log_likelihood,
        }
    };
    steps.par_iter().with_min_len(8).map_init(|| vec![0.0; items], step).collect()
}

fn prediction(steps: &[Ranked], width: usize) -> Result<Prediction> {
    let (count, device) = (steps.len(), &Device::Cpu);
    let items: Vec<u32> = steps.iter().flat_map(|step| step.items.iter().copied()).collect();
    let scores: Vec<f64> = steps.iter().flat_map(|step| step.scores.iter().copied()).collect();
    let ranks: Vec<u32> = steps.iter().map(|step| step.rank).collect();
    let likelihoods: Vec<f64> = steps.iter().map(|step| step.log_likelihood).collect();
    let targets = RankedTargets {
        ranks: Tensor::from_vec(ranks, count, device)?,
        log_likelihoods: Tensor::from_vec(likelihoods, count, device)?,
    };
    let items = Tensor::from_vec(items, (count, width), device)?;
    let scores = Tensor::from_vec(scores, (count, width), device)?;
    Ok(Prediction::Ranking(Ranking::new(items, scores, Some(targets))?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::testing::{IGN, Rows, Stream, drawn};
    use super::*;

    /// Scores by a table of histories.
    struct Table(HashMap<Vec<u32>, Vec<f64>>);

    impl Baseline for Table {
        fn name(&self) -> String {
            "table".into()
        }

        fn scores(&self, history: &[u32], scores: &mut [f64]) {
            scores.copy_from_slice(&self.0[history]);
        }

        fn are_probabilities(&self) -> bool {
            true
        }
    }

    fn metrics(samples: &dyn Samples, names: &[&str]) -> Metrics {
        Metrics::named(names, &samples.schema().target).unwrap()
    }

    #[test]
    fn every_step_that_counts_is_ranked_among_all_items() {
        let rows =
            Rows::with_targets(3, vec![(vec![0, 1, 2], vec![IGN, 2, 0]), (vec![0], vec![1])]);
        let table = [
            (vec![0, 1], vec![0.25, 0.25, 0.5]),
            (vec![0, 1, 2], vec![0.25, 0.5, 0.25]),
            (vec![0], vec![0.5, 0.5, 0.0]),
        ];
        let names = ["recall@1", "recall@2", "mrr@3", "coverage@1", "perplexity"];
        let (table, mut done) = (Table(table.into_iter().collect()), Vec::new());
        let found = evaluate_baseline(&table, &rows, metrics(&rows, &names), &mut |samples| {
            done.push(samples);
        });
        let found = found.unwrap();
        // The ranks are 1, 3 (behind two others, one of the same score) and 2.
        let close = |name: &str, expected: f64| {
            let value = found.measures.get(name).unwrap();
            assert!((value - expected).abs() < 1e-12, "{name}: {value}");
        };
        close("recall@1", 1.0 / 3.0);
        close("recall@2", 2.0 / 3.0);
        close("mrr@3", (1.0 + 1.0 / 3.0 + 0.5) / 3.0);
        close("coverage@1", 1.0);
        close("loss", -(0.5f64 * 0.25 * 0.5).ln() / 3.0);
        close("perplexity", (0.5f64 * 0.25 * 0.5).powf(-1.0 / 3.0));
        assert_eq!((&found.name[..], done), ("table", vec![2]));
        let nothing = Rows::with_targets(3, vec![(vec![0], vec![IGN])]);
        let none = evaluate_baseline(&table, &nothing, metrics(&rows, &names), &mut |_| ());
        assert!(matches!(none, Err(Error::NoTargets { .. })));
    }

    /// The sum of the items so far decides.
    struct Sums;

    impl Baseline for Sums {
        fn name(&self) -> String {
            "sums".into()
        }

        fn scores(&self, history: &[u32], scores: &mut [f64]) {
            let (sum, count) = (history.iter().sum::<u32>() as usize, scores.len());
            scores[sum % count] += 2.0;
            scores[(sum + 1) % count] += 1.0;
        }
    }

    #[test]
    fn streams_are_measured_as_rows_are_with_any_number_of_threads() {
        let sessions = drawn(5, 9, 230);
        let rows = Rows::new(9, &sessions);
        let names = ["recall@1", "mrr@2", "ndcg@5", "coverage@1", "popularity_bias@2", "bits"];
        let of = |samples: &dyn Samples, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let metrics = metrics(samples, &names);
            pool.install(|| evaluate_baseline(&Sums, samples, metrics, &mut |_| ()).unwrap())
        };
        let expected = of(&rows, 1);
        assert!(expected.measures.get("recall@1").unwrap() > 0.0);
        assert!(expected.measures.get("bits").unwrap().is_nan(), "scores are no probabilities");
        assert_eq!(of(&rows, 3), expected);
        for window in [3, 50, 10_000] {
            assert_eq!(of(&Stream::new(9, &sessions, window), 2), expected, "{window}");
        }
    }
}
