//! What computes a training.

use std::sync::Arc;

use candle_core::Device;

use crate::group::{Alone, Group};

/// What computes a training: a device, and the processes that train together. A device alone is that of one process.
#[derive(Clone)]
pub struct Compute {
    /// Where this process computes.
    pub device: Device,
    /// The processes.
    pub group: Arc<dyn Group>,
}

impl From<&Device> for Compute {
    fn from(device: &Device) -> Compute {
        Compute { device: device.clone(), group: Arc::new(Alone) }
    }
}
