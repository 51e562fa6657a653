//! Everything that this crate writes of a training, as one observer.

use std::path::Path;

use fgn_train::{Config, Learner, Observer, Result};
use serde::Serialize;

use crate::curves::Curves;
use crate::report::writer::ReportWriter;
use crate::tensorboard::TensorBoard;

/// The observer that writes event files for TensorBoard, the learning curves and, at the end, the report of the
/// training that `config` describes into its run folder `folder`. The [`Recorder`](fgn_train::Recorder), the
/// [`GateRecorder`](fgn_train::GateRecorder), the [`SampleRecorder`](fgn_train::SampleRecorder) and the
/// [`BaselineRecorder`](fgn_train::BaselineRecorder) come before it: the report reads what they write.
///
/// # Errors
/// A configuration that TOML cannot hold.
pub fn observers<M: Learner, C: Serialize, D: Serialize>(
    folder: &Path,
    config: &Config<C, D>,
) -> Result<impl Observer<M> + use<M, C, D>> {
    let report = ReportWriter::new(folder, config)?;
    Ok((TensorBoard::new(folder), (Curves::new(folder, &config.monitor), report)))
}
