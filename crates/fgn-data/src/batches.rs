//! A pass over a data set, a batch at a time.

use candle_core::{Device, Tensor};

use crate::images::image_size;
use crate::{Batch, Error, Order, Result, Samples};

/// One pass over a set of samples: an iterator of [`Batch`]es, each of `batch_size` samples but the
/// last, which holds what is left.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Batches, Images, Order};
///
/// let dots = Images::new("three dots", 1, 2, 2, vec![255, 0, 0, 255, 255, 0], vec![0, 1, 0])?;
/// let mut batches = Batches::new(&dots, Order::AsGiven, 2, &Device::Cpu)?;
/// assert_eq!(batches.len(), 2);
/// let batch = batches.next().expect("there are two")?;
/// assert_eq!(batch.input.to_vec3::<f32>()?, [[[1.0, 0.0]], [[0.0, 1.0]]]);
/// assert_eq!(batch.target.to_vec1::<u32>()?, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batches<'a> {
    samples: &'a dyn Samples,
    places: Vec<u32>,
    next: usize,
    batch_size: usize,
    device: Device,
}

impl<'a> Batches<'a> {
    /// A pass over all of `samples`.
    ///
    /// # Errors
    /// A batch size of 0 or above the number of samples, and more than `u32::MAX` of them.
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
        let places = order.of(end, batch_size);
        Ok(Batches { samples, places, next: 0, batch_size, device: device.clone() })
    }

    /// The same pass from its batch number `batch` on, counted from 0, without reading those before:
    /// to go on where a pass was interrupted. Behind the last batch there is nothing.
    pub fn starting_at(mut self, batch: usize) -> Self {
        self.next = batch.saturating_mul(self.batch_size).min(self.places.len());
        self
    }

    /// Which samples the next batch is of; none behind the last.
    pub fn places(&self) -> &[u32] {
        let left = &self.places[self.next..];
        &left[..left.len().min(self.batch_size)]
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let places = self.places();
        if places.is_empty() {
            return None;
        }
        let batch = self.samples.batch(places, &self.device);
        self.next += self.places().len();
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.places.len() - self.next).div_ceil(self.batch_size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches<'_> {}

/// Any grey images as the input of one batch: `[B, height, width]`, f32 in \[0, 1\], from `B` times
/// `height * width` pixels, 0 to 255.
///
/// # Errors
/// A size without pixels, and an image of another number of pixels than that.
///
/// ```
/// use candle_core::Device;
///
/// let input = fgn_data::input([&[0, 255][..], &[51, 0]], 1, 2, &Device::Cpu)?;
/// assert_eq!(input.to_vec3::<f32>()?, [[[0.0, 1.0]], [[0.2, 0.0]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn input<'a>(
    images: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
    height: usize,
    width: usize,
    device: &Device,
) -> Result<Tensor> {
    let size = image_size("input", height, width)?;
    let images = images.into_iter();
    let count = images.len();
    let mut values = Vec::with_capacity(count.saturating_mul(size));
    for (index, image) in images.enumerate() {
        if image.len() != size {
            return Err(Error::Image { index, found: image.len(), height, width });
        }
        values.extend(image.iter().map(|&pixel| f32::from(pixel) / 255.0));
    }
    Ok(Tensor::from_vec(values, (count, height, width), device)?)
}
