//! Some samples of a larger set.

use std::sync::Arc;

use candle_core::Device;
use fgn_schema::{Batch, Schema};

use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Forecast, Samples, check_indices};

/// Some of other samples, as samples of their own.
#[derive(Clone, Debug)]
pub struct Subset {
    whole: Arc<dyn Samples>,
    indices: Vec<u32>,
}

impl Subset {
    /// The samples of `whole` at `indices`, in that order.
    ///
    /// # Errors
    /// [`Error::Empty`] for no indices, [`Error::Index`] for one that is out of range.
    pub fn new(whole: Arc<dyn Samples>, indices: Vec<u32>) -> Result<Subset> {
        if indices.is_empty() {
            return Err(Error::Empty { origin: format!("a part of {}", whole.name()) });
        }
        check_indices(&indices, whole.len())?;
        Ok(Subset { whole, indices })
    }

    /// Which samples of the whole these are.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl Samples for Subset {
    fn name(&self) -> &str {
        self.whole.name()
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn schema(&self) -> &Schema {
        self.whole.schema()
    }

    fn features(&self) -> &[String] {
        self.whole.features()
    }

    fn title(&self, index: u32) -> String {
        match self.indices.get(index as usize) {
            Some(&index) => self.whole.title(index),
            None => index.to_string(),
        }
    }

    fn forecast(&self) -> Option<Forecast> {
        self.whole.forecast()
    }

    fn group(&self, index: u32) -> u32 {
        self.indices.get(index as usize).map_or(index, |&index| self.whole.group(index))
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let indices: Vec<u32> = indices.iter().map(|&index| self.indices[index as usize]).collect();
        self.whole.batch(&indices, device)
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.fingerprint(self.whole.fingerprint()?);
        self.indices.iter().for_each(|&index| content.number(index.into()));
        Ok(content.finish())
    }
}
