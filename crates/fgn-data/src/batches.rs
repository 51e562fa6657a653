//! Images into Candle tensors, a batch at a time.

use candle_core::{Device, Tensor};

use crate::images::image_size;
use crate::{Error, Images, Order, Result};

/// Some images and what they show.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, height, width]`, f32, 0 (black) to 1 (white).
    pub input: Tensor,
    /// `[B]`, u32, each less than the number of classes.
    pub target: Tensor,
}

/// One pass over some images of a set: an iterator of [`Batch`]es, each of `batch_size` images but
/// the last, which holds what is left.
pub struct Batches<'a> {
    images: &'a Images,
    indices: Vec<u32>,
    next: usize,
    batch_size: usize,
    device: Device,
}

impl<'a> Batches<'a> {
    /// A pass over the images that `indices` name, in the given order.
    ///
    /// # Errors
    /// No indices, a batch size of 0 or above their number, and an index that names no image.
    pub fn new(
        images: &'a Images,
        indices: &[u32],
        order: Order,
        batch_size: usize,
        device: &Device,
    ) -> Result<Batches<'a>> {
        if indices.is_empty() {
            return Err(Error::NoIndices);
        }
        if batch_size == 0 || batch_size > indices.len() {
            return Err(Error::BatchSize { batch_size, count: indices.len() });
        }
        if let Some(&index) = indices.iter().find(|&&index| index as usize >= images.len()) {
            return Err(Error::Index { index, count: images.len() });
        }
        let mut indices = indices.to_vec();
        order.apply(&mut indices);
        Ok(Batches { images, indices, next: 0, batch_size, device: device.clone() })
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let left = &self.indices[self.next..];
        let indices = &left[..left.len().min(self.batch_size)];
        if indices.is_empty() {
            return None;
        }
        self.next += indices.len();
        Some(batch(self.images, indices, &self.device))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.indices.len() - self.next).div_ceil(self.batch_size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches<'_> {}

/// Any images as the input of one batch: `[B, height, width]`, f32 in \[0, 1\], from `B` times
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

fn batch(images: &Images, indices: &[u32], device: &Device) -> Result<Batch> {
    let indices = || indices.iter().map(|&index| index as usize);
    let pixels = indices().map(|index| images.pixels(index));
    let target: Vec<u32> = indices().map(|index| u32::from(images.label(index))).collect();
    Ok(Batch {
        input: input(pixels, images.height(), images.width(), device)?,
        target: Tensor::from_vec(target, indices().len(), device)?,
    })
}
