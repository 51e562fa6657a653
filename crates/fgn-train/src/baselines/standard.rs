//! The baselines that a recommender is compared with.

use std::sync::Arc;

use fgn_data::{Dataset, Samples};
use fgn_schema::TargetSchema;

use super::baseline::Baseline;
use super::best_possible::BestPossible;
use super::evaluate::evaluate_baseline;
use super::histories::{Histories, catalogue_size};
use super::knn::{Kind, Past, SessionKnn};
use super::markov::MarkovChain;
use super::popularity::Popularity;
use super::result::BaselineResult;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How far the evaluation of baselines is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BaselineProgress {
    /// The baseline that is evaluated.
    pub name: String,
    /// Test samples that are done, over all baselines.
    pub done: usize,
    /// How many there are in all.
    pub total: usize,
}

/// Whether there are baselines for such targets: for next items.
pub fn have_baselines(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::NextItem { .. })
}

/// The baselines of recommendation, trained on the training part of `dataset`:
///
/// - `popularity`: what was taken most often in training;
/// - `Markov chain of order k`: the next item by the last `k` items, 1 to 5, with interpolated Witten-Bell smoothing;
///   `k` is chosen by the likelihood of the validation part, or without one of the last tenth of the training steps;
/// - `S-KNN`: the items of the 100 sessions that are most like the current one, among the 1,000 most recent ones that
///   share an item with it (Jannach & Ludewig, RecSys 2017);
/// - `V-SKNN`: the same, where the last items of a session count more (Ludewig & Jannach, UMUAI 2018);
/// - `best possible`: of the generated data set `shop`, the rules by which it was generated.
///
/// A session of the training part counts as more recent than those before it.
///
/// # Errors
/// Other targets than next items; samples that cannot be read.
pub fn standard_baselines(dataset: &Dataset) -> Result<Vec<Box<dyn Baseline>>> {
    let items = catalogue_size(&*dataset.train)?;
    let train = Histories::read(&*dataset.train)?;
    let valid = match &dataset.valid {
        Some(valid) => {
            check_items(&**valid, items)?;
            Some(Histories::read(&**valid)?)
        }
        None => None,
    };
    let past = Arc::new(Past::new(&train, items));
    let mut all: Vec<Box<dyn Baseline>> = vec![
        Box::new(Popularity::train(&train, items)),
        Box::new(MarkovChain::train(&train, valid.as_ref(), items)?),
        Box::new(SessionKnn::new(&past, Kind::Sets)),
        Box::new(SessionKnn::new(&past, Kind::Positions)),
    ];
    if let Some(best) = BestPossible::of(&*dataset.train) {
        all.push(Box::new(best));
    }
    Ok(all)
}

/// Evaluates the [`standard_baselines`] on the test part of `dataset` with the metrics of these names: the very same
/// metrics as of a model.
///
/// # Errors
/// As there, and as [`evaluate_baseline`].
pub fn evaluate_baselines(
    dataset: &Dataset,
    metrics: &[String],
    progress: &mut dyn FnMut(BaselineProgress),
) -> Result<Vec<BaselineResult>> {
    let test = &*dataset.test;
    check_items(test, catalogue_size(&*dataset.train)?)?;
    let baselines = standard_baselines(dataset)?;
    let total = baselines.len() * test.len();
    let mut results = Vec::with_capacity(baselines.len());
    for baseline in &baselines {
        let before = results.len() * test.len();
        let metrics = Metrics::named(metrics, &test.schema().target)?;
        results.push(evaluate_baseline(&**baseline, test, metrics, &mut |done| {
            progress(BaselineProgress { name: baseline.name(), done: before + done, total });
        })?);
    }
    Ok(results)
}

/// Checks that a part has as many items as the training part.
fn check_items(samples: &dyn Samples, expected: usize) -> Result<()> {
    match catalogue_size(samples)? {
        found if found == expected => Ok(()),
        found => Err(Error::Sessions {
            samples: samples.name().to_owned(),
            found: format!("{found} items"),
            expected: format!("the {expected} of the training part"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rows, Stream, drawn};
    use super::*;

    #[test]
    fn all_are_measured_with_the_same_metrics() {
        let (train, test) = (drawn(6, 8, 300), drawn(7, 8, 120));
        let part = |sessions: &[Vec<u32>]| Arc::new(Rows::new(8, sessions)) as Arc<dyn Samples>;
        let valid = Some(part(&drawn(8, 8, 50)));
        let rows = Dataset { train: part(&train), valid, test: part(&test) };
        let names = ["recall@3", "mrr@3", "perplexity"].map(str::to_owned);
        let mut seen = Vec::new();
        let found = evaluate_baselines(&rows, &names, &mut |progress| seen.push(progress)).unwrap();
        let called: Vec<_> = found.iter().map(|found| &found.name[..]).collect();
        assert_eq!(called, ["popularity", "Markov chain of order 1", "S-KNN", "V-SKNN"]);
        let total = 4 * 120;
        assert_eq!((seen.len(), seen[0].done, seen[7].done, seen[7].total), (8, 100, total, total));
        let perplexities = found.iter().map(|found| found.measures.get("perplexity").unwrap());
        assert_eq!(perplexities.map(f64::is_nan).collect::<Vec<_>>(), [false, false, true, true]);
        // Items are drawn alike at all steps, so the most popular ones are a good guess.
        assert!(found.iter().all(|found| found.measures.get("recall@3").unwrap() > 0.5));

        let stream = Dataset::<Arc<dyn Samples>> {
            train: Arc::new(Stream::new(8, &train, 7)),
            ..rows.clone()
        };
        assert_eq!(evaluate_baselines(&stream, &names, &mut |_| ()).unwrap(), found);
        let other = Dataset::<Arc<dyn Samples>> { test: Arc::new(Rows::new(9, &test)), ..rows };
        let error = evaluate_baselines(&other, &names, &mut |_| ()).unwrap_err().to_string();
        assert_eq!(error, "rows has 9 items, expected the 8 of the training part");
    }
}
