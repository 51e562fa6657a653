//! Several metrics over the same predictions.

use std::collections::BTreeMap;

use fgn_data::Samples;
use fgn_schema::{MAX_SIZE, Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::measures::{LOSS, Measures};
use super::metric::{Breakdown, Direction, Metric, MetricInfo};
use super::{Found, cutoff, find, fitting};
use crate::error::{Error, Result};
use crate::nearest::nearest;

/// Some metrics, in order.
#[derive(Default)]
pub struct Metrics {
    all: Vec<Box<dyn Metric>>,
}

impl Metrics {
    /// No metrics.
    pub fn none() -> Metrics {
        Metrics::default()
    }

    /// Metrics by their names, for a data set's targets. [`metric_names`](crate::metric_names) lists the names.
    ///
    /// ```
    /// use fgn_schema::TargetSchema;
    /// use fgn_train::Metrics;
    ///
    /// let target = TargetSchema::Value { names: vec!["price".into()], per_step: false };
    /// assert_eq!(Metrics::named(&["mae", "r2"], &target)?.infos()[1].label, "R²");
    /// let error = Metrics::named(&["accuracy"], &target).err().unwrap().to_string();
    /// assert_eq!(error, "metrics has \"accuracy\", which is not for 1 value: expected some of mae, rmse, r2, mase@K");
    /// # Ok::<(), fgn_train::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Metric`] for an unknown or repeated name, or a metric that is for other targets.
    pub fn named(names: &[impl AsRef<str>], target: &TargetSchema) -> Result<Metrics> {
        let mut metrics = Metrics::none();
        for name in names {
            let name = name.as_ref();
            let problem = match find(name, target) {
                Found::Metric(_) if metrics.infos().iter().any(|info| info.name == name) => {
                    "which is there already".into()
                }
                Found::Metric(metric) => {
                    metrics.push(metric);
                    continue;
                }
                Found::ForOthers => format!("which is not for {target}"),
                Found::NoCutoff => format!("whose K is not a whole number from 1 to {MAX_SIZE}"),
                Found::Unknown => "which is unknown".into(),
            };
            // Suggested with the number that was meant.
            let k = cutoff(name).unwrap_or(10);
            let near: Vec<String> =
                fitting(target).map(|name| name.replace("@K", &format!("@{k}"))).collect();
            return Err(Error::Metric {
                name: name.to_owned(),
                problem,
                expected: fitting(target).collect::<Vec<_>>().join(", "),
                nearest: nearest(name, near.iter().map(String::as_str)).filter(|near| near != name),
            });
        }
        Ok(metrics)
    }

    /// Which values of the measure `monitor`, the loss or one of these metrics, are better.
    ///
    /// # Errors
    /// [`Error::Value`] for another name.
    pub(crate) fn direction_of(&self, monitor: &str) -> Result<Direction> {
        let infos = self.infos();
        match infos.iter().find(|info| info.name == monitor) {
            Some(info) => Ok(info.direction),
            None if monitor == LOSS => Ok(Direction::Lower),
            None => {
                let known = infos.iter().map(|info| &info.name[..]);
                let known: Vec<_> = [LOSS].into_iter().chain(known).collect();
                Err(Error::Value {
                    key: "monitor",
                    found: format!("{monitor:?}"),
                    expected: format!("one of {}", known.join(", ")),
                })
            }
        }
    }

    /// Adds a metric, one of your own say.
    pub fn push(&mut self, metric: Box<dyn Metric>) {
        self.all.push(metric);
    }

    /// What they are called.
    pub fn infos(&self) -> Vec<MetricInfo> {
        self.all.iter().map(|metric| metric.info()).collect()
    }

    /// Whether one of them has to be [prepared](Self::prepare).
    pub fn need_training_part(&self) -> bool {
        self.all.iter().any(|metric| metric.needs_training_part())
    }

    /// Prepares those that need the training part, before the first batch. Without it, they refuse every batch.
    ///
    /// # Errors
    /// Those of [`Metric::prepare`].
    pub fn prepare(&mut self, train: &dyn Samples) -> Result<()> {
        let needing = self.all.iter_mut().filter(|metric| metric.needs_training_part());
        needing.into_iter().try_for_each(|metric| metric.prepare(train))
    }

    /// Adds a batch to all of them.
    ///
    /// # Errors
    /// Those of [`Metric::update`].
    pub fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        self.all.iter_mut().try_for_each(|metric| metric.update(prediction, target))
    }

    /// The loss and the values of all of them.
    pub fn measures(&self, loss: f64) -> Measures {
        let values = self.all.iter().map(|metric| (metric.info().name, metric.value()));
        Measures::from_values([(LOSS.to_owned(), loss)].into_iter().chain(values).collect())
    }

    /// Their tables; those with the same rows are one.
    pub fn breakdowns(&self) -> Vec<Breakdown> {
        let mut tables: Vec<Breakdown> = Vec::new();
        for breakdown in self.all.iter().filter_map(|metric| metric.breakdown()) {
            let same = |table: &&mut Breakdown| {
                (table.row, &table.names) == (breakdown.row, &breakdown.names)
            };
            match tables.iter_mut().find(same) {
                Some(table) => table.columns.extend(breakdown.columns),
                None => tables.push(breakdown),
            }
        }
        tables
    }

    /// The states of all of them, by name.
    pub(crate) fn save(&self) -> BTreeMap<String, Value> {
        self.all.iter().map(|metric| (metric.info().name, metric.save())).collect()
    }

    /// Adds saved states of other batches.
    ///
    /// # Errors
    /// Those of [`Metric::merge`], and a state that is missing.
    pub(crate) fn merge(&mut self, saved: &BTreeMap<String, Value>) -> Result<()> {
        for metric in &mut self.all {
            let name = metric.info().name;
            match saved.get(&name) {
                Some(saved) => metric.merge(saved)?,
                None => return Err(Error::MetricState(format!("nothing is saved of {name}"))),
            }
        }
        Ok(())
    }

    /// Goes on from saved states.
    ///
    /// # Errors
    /// A state that is missing or of another metric.
    pub(crate) fn restore(&mut self, saved: &BTreeMap<String, Value>) -> Result<()> {
        for metric in &mut self.all {
            let name = metric.info().name;
            match saved.get(&name) {
                Some(saved) => metric.restore(saved)?,
                None => return Err(Error::MetricState(format!("nothing is saved of {name}"))),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::ranks;
    use super::*;

    fn tensor(rows: &[[f64; 2]]) -> Padded {
        let shape = (rows.len(), 2);
        Tensor::from_slice(rows.as_flattened(), shape, &Device::Cpu).unwrap().into()
    }

    #[test]
    fn errors_of_values_are_in_their_own_unit_and_go_on_from_a_saved_state() {
        let names = vec!["x".to_owned(), "y".to_owned()];
        let target = TargetSchema::Value { names, per_step: false };
        let metrics = || Metrics::named(&["mae", "rmse", "r2"], &target).unwrap();
        let predicted = [[1.0, 7.0], [2.0, 7.0], [6.0, 7.0]];
        let targets = [[1.0, 7.0], [4.0, 7.0], [7.0, 7.0]];
        let mut first = metrics();
        first.update(&Prediction::Values(tensor(&predicted[..1])), &tensor(&targets[..1])).unwrap();
        let mut second = metrics();
        second.restore(&first.save()).unwrap();
        second
            .update(&Prediction::Values(tensor(&predicted[1..])), &tensor(&targets[1..]))
            .unwrap();

        // Differences 0, 2, 1 of x; the targets' squared differences from their mean, 4, sum up to 18.
        let measures = second.measures(1.5);
        assert_eq!(measures.loss(), 1.5);
        let close = |name: &str, expected: f64| {
            let found = measures.get(name).unwrap();
            assert!((found - expected).abs() < 1e-12, "{name}: {found}");
        };
        close("mae", 0.5);
        close("rmse", (5.0_f64 / 3.0).sqrt() / 2.0);
        assert!(measures.get("r2").unwrap().is_nan(), "all targets of y are the same");
        let [table] = &second.breakdowns()[..] else { panic!("one table of all three") };
        assert_eq!((table.row, &table.names[..]), ("value", &["x".to_owned(), "y".into()][..]));
        let column = |at: usize| table.columns[at].texts().join(" ");
        assert_eq!(column(0), "1.0000 0.0000");
        assert_eq!(column(2), "0.72222 -");
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        let target = TargetSchema::Class { names: vec!["a".into()], per_step: false };
        for (names, expected) in [
            (&["acuracy"][..], "did you mean \"accuracy\"?"),
            (&["mae"], "not for 1 classes"),
            (&["accuracy@5"], "\"accuracy@5\", which is not for 1 classes"),
            (&["accuracy", "accuracy"], "there already"),
        ] {
            let message = Metrics::named(names, &target).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let mut metrics = Metrics::named(&["accuracy"], &target).unwrap();
        assert!(metrics.restore(&BTreeMap::new()).is_err());
        let items = ranks::tests::items(&[1, 2]);
        for (names, expected) in [
            (&["recal@20"][..], "did you mean \"recall@20\"?"),
            (&["mrr"], "which is unknown: expected some of perplexity, bits, recall@K, mrr@K"),
            (&["mrr"], "did you mean \"mrr@10\"?"),
            (&["ndcg@0"], "\"ndcg@0\", whose K is not a whole number from 1 to 16777216: expected"),
            (&["recall@5", "recall@5"], "there already"),
            (&["accuracy"], "not for the next of 2 items"),
        ] {
            let message = Metrics::named(names, &items).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let metrics = Metrics::named(&["recall@5", "recall@50"], &items).unwrap();
        assert_eq!(metrics.direction_of("recall@50").unwrap(), Direction::Higher);
    }

    #[test]
    fn merged_states_are_those_of_all_batches() {
        let target = TargetSchema::Value { names: vec!["x".into(), "y".into()], per_step: false };
        let metrics = || Metrics::named(&["mae", "rmse", "r2"], &target).unwrap();
        let predicted = [[1.0, 7.0], [2.0, 7.5], [6.0, -7.0], [0.5, 1e3]];
        let targets = [[1.5, 7.0], [4.0, 7.0], [7.0, -6.0], [0.25, 990.0]];
        let add = |metrics: &mut Metrics, from: usize, to: usize| {
            let found = Prediction::Values(tensor(&predicted[from..to]));
            metrics.update(&found, &tensor(&targets[from..to])).unwrap();
        };
        let mut whole = metrics();
        add(&mut whole, 0, 4);
        for split in 1..4 {
            let (mut merged, mut other) = (metrics(), metrics());
            add(&mut merged, 0, split);
            add(&mut other, split, 4);
            merged.merge(&other.save()).unwrap();
            merged.merge(&metrics().save()).unwrap();
            let pairs = merged.measures(0.0);
            for (name, value) in whole.measures(0.0).iter() {
                let found = pairs.get(name).unwrap();
                assert!((found - value).abs() <= 1e-12 * value.abs(), "{name}: {found} {value}");
            }
        }
        let mut merged = metrics();
        assert!(merged.merge(&Metrics::named(&["mae"], &target).unwrap().save()).is_err());
    }
}
