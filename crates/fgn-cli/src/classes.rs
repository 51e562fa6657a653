//! The classes of samples.

use candle_core::Device;
use fgn_data::{Batches, Order, Samples, TargetSchema};

use crate::error::Result;

/// Whether each sample has a class.
pub(crate) fn is_class_per_sample(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::Class { per_step: false, .. })
}

/// The class of each sample; 0 where samples have none.
pub(crate) fn classes(samples: &dyn Samples) -> Result<Vec<u32>> {
    if !is_class_per_sample(&samples.schema().target) {
        return Ok(vec![0; samples.len()]);
    }
    let mut all = Vec::with_capacity(samples.len());
    let size = samples.len().min(1000);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        all.extend(batch?.target().tensor().to_vec1::<u32>()?);
    }
    Ok(all)
}
