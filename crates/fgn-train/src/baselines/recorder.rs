//! The observer that compares a recommender with the baselines.

use std::path::{Path, PathBuf};

use super::result::write;
use super::standard::{BaselineProgress, evaluate_baselines, have_baselines};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::observer::{Finished, Observer};

/// An observer that, at the end of the training of a recommender, evaluates the baselines with the metrics of the model
/// (those of [`metric_names`](crate::metric_names)) and writes `baselines.json` into the run folder, which [`read_baselines`](crate::read_baselines) reads. For models
/// with other targets than next items it does nothing.
pub struct BaselineRecorder<P> {
    folder: PathBuf,
    progress: P,
}

impl<P: FnMut(BaselineProgress)> BaselineRecorder<P> {
    /// For the run in `folder`; `progress` gets how far the evaluation is.
    pub fn new(folder: &Path, progress: P) -> BaselineRecorder<P> {
        BaselineRecorder { folder: folder.to_owned(), progress }
    }
}

impl<M: ?Sized, P: FnMut(BaselineProgress)> Observer<M> for BaselineRecorder<P> {
    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        let target = &finished.dataset.test.schema().target;
        if !have_baselines(target) {
            return Ok(());
        }
        // A program's own metrics have no name by which they can be made again.
        let names = finished.test.own_metrics().map(|info| info.name.clone());
        let names: Vec<String> =
            names.filter(|name| Metrics::named(&[name], target).is_ok()).collect();
        let results = evaluate_baselines(finished.dataset, &names, &mut self.progress)?;
        write(&self.folder, &results)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fgn_data::Dataset;

    use super::super::result::read_baselines;
    use super::super::testing::{Rows, drawn};
    use super::*;
    use crate::evaluation::Evaluation;
    use crate::metrics::{Direction, Measures, MetricInfo, Unit};

    fn finish(dataset: &Dataset, folder: &Path) {
        let info = |name: &str| MetricInfo::new(name, name, Direction::Higher, Unit::Share);
        let names = ["mrr@2", "streaming_mrr@2", "one_of_my_own"];
        let test = Evaluation::new(1, Measures::new(1.0), names.map(info).to_vec());
        let (config, history) = ("", &[][..]);
        let finished = Finished { model: &(), config, history, epoch: 1, test: &test, dataset };
        BaselineRecorder::new(folder, |_| ()).finish(&finished).unwrap();
    }

    #[test]
    fn the_metrics_of_the_model_are_measured() {
        let folder = tempfile::tempdir().unwrap();
        finish(&crate::testing::dataset(), folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it recommends nothing");
        let rows = |seed| Rows::new(6, &drawn(seed, 6, 30));
        let dataset = Dataset { train: Arc::new(rows(1)), valid: None, test: Arc::new(rows(2)) };
        let dataset = dataset.shared();
        finish(&dataset, folder.path());
        let found = read_baselines(folder.path()).unwrap();
        let expected = evaluate_baselines(&dataset, &["mrr@2".to_owned()], &mut |_| ()).unwrap();
        assert_eq!(found, expected);
        let names = found[0].measures.iter().map(|(name, _)| name);
        assert_eq!(names.collect::<Vec<_>>(), ["loss", "mrr@2"]);
    }
}
