//! A pass over samples, a batch at a time.

use std::ops::Range;

use candle_core::Device;
use fgn_schema::Batch;

use crate::error::{Error, Result};
use crate::samples::Samples;
use crate::sampling::Order;

/// One pass over samples: an iterator of [`Batch`]es, each of `batch_size` samples but the last, which holds
/// what is left.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Batches, Images, Order};
///
/// let dots = Images::new("three dots", 1, 2, 2, vec![255, 0, 0, 255, 255, 0], vec![0, 1, 0])?;
/// let mut batches = Batches::new(&dots, Order::AsGiven, 2, &Device::Cpu)?;
/// assert_eq!(batches.len(), 2);
/// let batch = batches.next().expect("there are two")?;
/// assert_eq!(batch.input().tensor().to_vec3::<f32>()?, [[[1.0, 0.0]], [[0.0, 1.0]]]);
/// assert_eq!(batch.target().tensor().to_vec1::<u32>()?, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batches<'a> {
    samples: &'a dyn Samples,
    indices: Vec<u32>,
    next: usize,
    batch_size: usize,
    device: Device,
}

impl<'a> Batches<'a> {
    /// A pass over all of `samples`.
    ///
    /// # Errors
    /// [`Error::BatchSize`] for 0, or more than there are samples; [`Error::TooMany`] for more than `u32::MAX`
    /// samples.
    pub fn new(
        samples: &'a dyn Samples,
        order: Order,
        batch_size: usize,
        device: &Device,
    ) -> Result<Batches<'a>> {
        let count = samples.len();
        if batch_size == 0 || batch_size > count {
            return Err(Error::BatchSize { batch_size, count });
        }
        let end = u32::try_from(count).map_err(|_| Error::TooMany { count })?;
        let indices = order.of(end, batch_size);
        Ok(Batches { samples, indices, next: 0, batch_size, device: device.clone() })
    }

    /// The same pass from batch number `batch` on, counted from 0, without reading those before it: to
    /// continue a pass that was interrupted. After the last batch there is nothing.
    pub fn starting_at(mut self, batch: usize) -> Self {
        self.next = batch.saturating_mul(self.batch_size).min(self.indices.len());
        self
    }

    /// The samples of the next batch; empty after the last.
    pub fn indices(&self) -> &[u32] {
        let left = &self.indices[self.next..];
        &left[..left.len().min(self.batch_size)]
    }

    /// Parts of the next batch, each of the samples at a range of its [`indices`](Self::indices), without reading the
    /// others; the pass goes on to the batch after it. A part is none where its range is empty, and there are none at all
    /// after the last batch. What a range has beyond the batch is left out.
    ///
    /// # Errors
    /// Whatever reading the data gives.
    pub fn next_parts(&mut self, parts: &[Range<usize>]) -> Result<Option<Vec<Option<Batch>>>> {
        let indices = self.indices();
        if indices.is_empty() {
            return Ok(None);
        }
        let read = |range: &Range<usize>| {
            let end = range.end.min(indices.len());
            let part = &indices[range.start.min(end)..end];
            (!part.is_empty()).then(|| self.samples.batch(part, &self.device)).transpose()
        };
        let batches = parts.iter().map(read).collect::<Result<_>>()?;
        self.next += indices.len();
        Ok(Some(batches))
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let indices = self.indices();
        if indices.is_empty() {
            return None;
        }
        let batch = self.samples.batch(indices, &self.device);
        self.next += self.indices().len();
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.indices.len() - self.next).div_ceil(self.batch_size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches<'_> {}
