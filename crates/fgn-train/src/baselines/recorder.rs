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
