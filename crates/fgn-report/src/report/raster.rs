//! Pictures of pixels as `data:` addresses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::thumbnail as thumb;
use image::{ExtendedColorType, GrayImage, ImageEncoder as _, RgbImage};
use plotters::style::colors::colormaps::ViridisRGB;

use crate::error::{Error, Result};

/// Colours that a number becomes: few, so that pictures stay small.
const LEVELS: f64 = 63.0;

/// A grey picture, row by row, or with three numbers a pixel one in colour.
///
/// # Errors
/// Pixels of another number than the size says.
pub(super) fn picture(pixels: &[u8], width: usize, height: usize) -> Result<String> {
    let colour = if pixels.len() == 3 * width * height {
        ExtendedColorType::Rgb8
    } else {
        ExtendedColorType::L8
    };
    if pixels.len() * 8 != width * height * usize::from(colour.bits_per_pixel()) {
        return Err(Error::Report(format!(
            "{} numbers are no picture of {height} x {width} pixels",
            pixels.len()
        )));
    }
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::NoFilter);
    let written = encoder.write_image(pixels, width as u32, height as u32, colour);
    written.map_err(|error| Error::Report(error.to_string()))?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

/// As [`picture`], but no side longer than a card of the page needs.
///
/// # Errors
/// As there.
pub(super) fn thumbnail(pixels: Vec<u8>, width: usize, height: usize) -> Result<String> {
    let longest = width.max(height);
    if longest <= LONGEST {
        return picture(&pixels, width, height);
    }
    let [across, down] = [width, height].map(|side| (side * LONGEST / longest).max(1) as u32);
    let (w, h) = (width as u32, height as u32);
    let small = if pixels.len() == 3 * width * height {
        RgbImage::from_raw(w, h, pixels).map(|image| thumb(&image, across, down).into_raw())
    } else {
        GrayImage::from_raw(w, h, pixels).map(|image| thumb(&image, across, down).into_raw())
    };
    picture(&small.unwrap_or_default(), across as usize, down as usize)
}

/// The longest side of a thumbnail.
const LONGEST: usize = 256;

/// `values`, row by row, as colours: dark violet is 0, yellow 1.
///
/// # Errors
/// Values of another number than the size says.
pub(super) fn heat(values: &[f64], width: usize, height: usize) -> Result<String> {
    let pixels: Vec<u8> = values.iter().flat_map(|&value| colour(value)).collect();
    picture(&pixels, width, height)
}

/// The colour of a number in `0 ..= 1`.
pub(super) fn colour(value: f64) -> [u8; 3] {
    // A float cast makes NaN 0.
    let level = (value.clamp(0.0, 1.0) * LEVELS).round() as u8;
    let colour = ViridisRGB::get_color(f64::from(level) / LEVELS);
    [colour.0, colour.1, colour.2]
}

#[cfg(test)]
mod tests {
    use image::GenericImageView as _;

    use super::*;

    #[test]
    fn pictures_come_back_as_they_were_and_large_ones_smaller() {
        let read = |address: String| {
            let bytes = STANDARD.decode(address.strip_prefix("data:image/png;base64,").unwrap());
            image::load_from_memory(&bytes.unwrap()).unwrap()
        };
        let grey: Vec<u8> = (0..12).collect();
        assert_eq!(read(thumbnail(grey.clone(), 4, 3).unwrap()).to_luma8().into_raw(), grey);
        let colours: Vec<u8> = (0..18).collect();
        assert_eq!(read(thumbnail(colours.clone(), 3, 2).unwrap()).to_rgb8().into_raw(), colours);
        let large = read(thumbnail(vec![7; 1000 * 10], 1000, 10).unwrap());
        assert_eq!((large.dimensions(), large.get_pixel(9, 1).0[0]), ((256, 2), 7));
        let large = read(thumbnail(vec![9; 3 * 300 * 600], 300, 600).unwrap());
        assert_eq!(large.dimensions(), (128, 256));
        assert!(picture(&[0; 5], 2, 2).is_err());
        // Values out of range and NaN are colours too.
        let heat = read(heat(&[0.0, 1.0, 7.0, f64::NAN], 2, 2).unwrap()).to_rgb8();
        assert_eq!(heat.get_pixel(0, 0), heat.get_pixel(1, 1));
        assert_eq!(heat.get_pixel(1, 0), heat.get_pixel(0, 1));
    }
}
