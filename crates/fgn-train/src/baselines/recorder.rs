//! The observer that compares a recommender with the baselines.

use std::path::{Path, PathBuf};

use super::result::write;
use super::standard::{BaselineProgress, evaluate_baselines, have_baselines};
use crate::error::Result;
use crate::observer::{Finished, Observer};

/// An observer that, at the end of the training of a recommender, evaluates the baselines with the metrics of the model
/// and writes `baselines.json` into the run folder, which [`read_baselines`](crate::read_baselines) reads. For models
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
        if !have_baselines(&finished.dataset.test.schema().target) {
            return Ok(());
        }
        let names = finished.test.own_metrics().map(|info| info.name.clone()).collect::<Vec<_>>();
        let results = evaluate_baselines(finished.dataset, &names, &mut self.progress)?;
        write(&self.folder, &results)
    }
}
