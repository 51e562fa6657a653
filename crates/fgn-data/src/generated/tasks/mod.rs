//! The long-memory tasks by which recurrent networks are judged, one file each.
//!
//! Nothing of them is stored: every sample follows from the seed, its part and its index, and is drawn when a batch
//! asks for it. So a data set of a million samples takes no memory.

pub(crate) mod adding;
pub(crate) mod copy;
pub(crate) mod options;
pub(crate) mod parity;
pub(crate) mod reber;
pub(crate) mod recall;
mod samples;
pub(crate) mod selective_copy;

use std::sync::Arc;

use fgn_schema::TargetSchema;

use self::options::TaskOptions;
use self::samples::{Part, Task, TaskSamples};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::reader::Like;
use crate::samples::Samples;

/// A task as a data set, whose parts `seed` draws.
///
/// # Errors
/// [`Error::Option`](crate::error::Error::Option) for an option that the task lacks, or that is out of range.
pub(crate) fn open<T: Task>(
    options: &TaskOptions,
    seed: u64,
    like: Option<&Like>,
) -> Result<Dataset> {
    let task = Arc::new(T::new(options)?);
    let counts = options.samples(T::SAMPLES)?;
    let mut schema = task.schema();
    if like.is_some_and(|like| !like.labelled) {
        schema.target = TargetSchema::None;
    }
    let [train, valid, test] = Part::ALL.map(|part| {
        let count = counts[part as usize];
        let samples = TaskSamples::new(task.clone(), schema.clone(), part, seed, count);
        Arc::new(samples) as Arc<dyn Samples>
    });
    Ok(Dataset { train, valid: Some(valid), test })
}
