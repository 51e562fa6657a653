//! JPEG files, strictly: what is cut short or not decodable is an error, not grey.
//!
//! The decoder of the crate `image` forgives both, so this is zune-jpeg, which it is built on, in strict mode;
//! a file without an end marker is refused before. Bytes that are changed but still decode to other pixels
//! cannot be found: JPEG has no checksum.

use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// What is wrong with a file.
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The image, as grey if it is stored as such, else in colour. No side is longer than `longest`.
pub(super) fn decode(bytes: &[u8], longest: usize) -> Result<DynamicImage, Fault> {
    if !has_end(bytes) {
        return Err("it ends before the end of the image (no EOI marker): truncated?".into());
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(longest)
        .set_max_height(longest);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if is_grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode()?;
    let info = decoder.info().ok_or("it has no header")?;
    let [width, height] = [info.width, info.height].map(u32::from);
    let image = match is_grey {
        true => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    image.ok_or_else(|| "it holds too few pixels".into())
}

/// Whether the segments of a file end with an EOI marker (ITU T.81, annex B). What comes after it is no part
/// of the image. A marker in the data of a segment, a thumbnail's for example, does not count.
fn has_end(bytes: &[u8]) -> bool {
    const STUFFED: u8 = 0x00;
    const FILL: u8 = 0xff;
    const EOI: u8 = 0xd9;
    let mut rest = bytes;
    // In entropy-coded data and before markers, everything is skipped up to the next marker.
    while let Some(start) = rest.iter().position(|&byte| byte == 0xff) {
        let Some(&marker) = rest.get(start + 1) else { return false };
        let length = match marker {
            EOI => return true,
            FILL => 1,
            // Without a segment: stuffing, TEM, RST0 to RST7, SOI.
            STUFFED | 0x01 | 0xd0..=0xd8 => 2,
            _ => match rest.get(start + 2..start + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        };
        rest = rest.get(start + length..).unwrap_or_default();
    }
    false
}
