//! Pixels as numbers: from bytes to tensors.

use candle_core::{Device, Tensor};

use crate::error::{Error, Result};

/// Grey images as the input of one batch: `[B, height, width]`, f32 in \[0, 1\], from `B` times
/// `height * width` pixels, 0 to 255.
///
/// # Errors
/// [`Error::ImageSize`] for a size without pixels, [`Error::Image`] for an image of another number of pixels.
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

/// The pixels of one image, at least 1.
pub(crate) fn image_size(origin: &str, height: usize, width: usize) -> Result<usize> {
    height.checked_mul(width).filter(|&size| size > 0).ok_or_else(|| Error::ImageSize {
        origin: origin.to_owned(),
        height,
        width,
    })
}
