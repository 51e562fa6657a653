//! Traces of the gates of a model on some samples.

use std::sync::Arc;

use fgn_data::{Dataset, Samples};

use super::record::GateRecord;
use super::tally::Tally;
use crate::error::Result;
use crate::evaluation::device_of;
use crate::learner::Learner;

/// Traces `model` over the first `count` of `samples`, one by one, and records what its gates did. Of long
/// samples fewer are taken, and of one that is longer still only the beginning: of all layers together
/// some 4 million units and steps. The caller adds the name of their part.
///
/// # Errors
/// Samples that cannot be read, or that the model cannot read.
pub fn record_gates(
    epoch: usize,
    model: &impl Learner,
    samples: &dyn Samples,
    count: usize,
) -> Result<GateRecord> {
    let mut tally = Tally::default();
    let device = device_of(model);
    let mut left = (MOST_UNIT_STEPS / model.gated_units().max(1)).max(1);
    for index in 0..count.min(samples.len()) as u32 {
        if left == 0 {
            break;
        }
        let traces = model.trace(&samples.batch(&[index], &device)?, left)?;
        left -= tally.add(&traces).min(left);
    }
    Ok(tally.record(epoch))
}

/// The samples on which the gates of a model are looked at, and the name of their part: those of the validation
/// part, or of the training part where there is none.
pub fn gate_samples(dataset: &Dataset) -> (&'static str, Arc<dyn Samples>) {
    match &dataset.valid {
        Some(valid) => ("validation", valid.clone()),
        None => ("training", dataset.train.clone()),
    }
}

/// What one look at the gates may cost: a second or two.
const MOST_UNIT_STEPS: usize = 1 << 22;
