//! The observer that writes the report.

use std::path::{Path, PathBuf};

use fgn_train::{Config, Finished, Learner, Observer, Result};
use serde::Serialize;

use super::subject::Training;
use super::write;

/// An observer that writes `report.html` into a run folder when the training has come to its end. It reads the
/// folder's `metrics.jsonl`, `gates.jsonl`, `samples.jsonl` and `baselines.json`: observers that write these come before
/// it.
pub struct ReportWriter {
    folder: PathBuf,
    training: Training,
}

impl ReportWriter {
    /// Writes into `folder` of the training that `config` describes.
    ///
    /// # Errors
    /// A configuration that TOML cannot hold.
    pub fn new<C: Serialize, D: Serialize>(
        folder: &Path,
        config: &Config<C, D>,
    ) -> Result<ReportWriter> {
        Ok(ReportWriter { folder: folder.to_owned(), training: Training::of(config)? })
    }
}

impl<M: Learner> Observer<M> for ReportWriter {
    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        write(&self.folder, &self.training, finished.model, finished.dataset)?;
        Ok(())
    }
}
