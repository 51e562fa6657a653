//! Image files, decoded: upright, and without transparency.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use image::error::{DecodingError, ImageFormatHint, LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult,
    Limits,
};

use super::background::Background;
use super::{jpeg, png};
use crate::error::{Error, Result};
use crate::pixels::image_size;

/// The longest side of an image.
pub(super) const LONGEST: usize = 1 << 14;
/// How many bytes a file may have, and decoding it may take: the header of a small file can declare an image
/// that fills the memory.
const MEMORY: u64 = 512 << 20;

/// `[height, width]` of an image file, upright, from its header alone.
///
/// # Errors
/// A file that cannot be read, is not an image, or has no pixels.
pub(super) fn dimensions(file: &Path) -> Result<[usize; 2]> {
    let encoded = Encoded::open(file)?;
    let [height, width] = encoded.dimensions().map_err(|source| no_image(file, source))?;
    image_size(&file.display().to_string(), height, width)?;
    Ok([height, width])
}

/// An image file, upright, and on `background` where it is transparent.
///
/// # Errors
/// A file that cannot be read, is not an image, is damaged, or needs too much memory to decode.
pub(super) fn decode(file: &Path, background: Background) -> Result<DynamicImage> {
    let encoded = Encoded::open(file)?;
    let image = encoded.decode().map_err(|source| no_image(file, source))?;
    Ok(opaque(image, background))
}

/// The bytes of an image file.
struct Encoded {
    format: Option<ImageFormat>,
    bytes: Vec<u8>,
}

impl Encoded {
    fn open(file: &Path) -> Result<Encoded> {
        let unreadable = |source| Error::Read { file: file.display().to_string(), source };
        let mut bytes = Vec::new();
        let mut opened = File::open(file).map_err(unreadable)?.take(MEMORY + 1);
        opened.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MEMORY {
            return Err(no_image(file, too_large()));
        }
        Ok(Encoded { format: image::guess_format(&bytes).ok(), bytes })
    }

    fn reader(&self) -> ImageResult<ImageReader<Cursor<&[u8]>>> {
        ImageReader::new(Cursor::new(&self.bytes[..]))
            .with_guessed_format()
            .map_err(ImageError::from)
    }

    /// How the stored pixels are to be turned.
    fn orientation(&self, decoder: &mut impl ImageDecoder) -> ImageResult<Orientation> {
        if self.format != Some(ImageFormat::Png) {
            return decoder.orientation();
        }
        let found = png::exif(&self.bytes).and_then(Orientation::from_exif_chunk);
        Ok(found.unwrap_or(Orientation::NoTransforms))
    }

    fn dimensions(&self) -> ImageResult<[usize; 2]> {
        let mut decoder = self.reader()?.into_decoder()?;
        let (width, height) = decoder.dimensions();
        let [height, width] = [height, width].map(|side| side as usize);
        Ok(match swaps_sides(self.orientation(&mut decoder)?) {
            true => [width, height],
            false => [height, width],
        })
    }

    fn decode(&self) -> ImageResult<DynamicImage> {
        let mut reader = self.reader()?;
        reader.limits(limits());
        let mut decoder = reader.into_decoder()?;
        let orientation = self.orientation(&mut decoder)?;
        if decoder.total_bytes() > MEMORY {
            return Err(too_large());
        }
        let damaged = |fault| {
            let format = self.format.map_or(ImageFormatHint::Unknown, ImageFormatHint::Exact);
            ImageError::Decoding(DecodingError::new(format, fault))
        };
        let mut image = match self.format {
            Some(ImageFormat::Jpeg) => jpeg::decode(&self.bytes, LONGEST).map_err(damaged)?,
            Some(ImageFormat::Png) => {
                png::check(&self.bytes).map_err(damaged)?;
                DynamicImage::from_decoder(decoder)?
            }
            _ => DynamicImage::from_decoder(decoder)?,
        };
        image.apply_orientation(orientation);
        Ok(image)
    }
}

fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The image on a background, in the precision that it has.
fn opaque(image: DynamicImage, Background(behind): Background) -> DynamicImage {
    match image.color() {
        colour if !colour.has_alpha() => image,
        ColorType::La8 | ColorType::Rgba8 => {
            let mut image = image.into_rgba8();
            for pixel in image.pixels_mut() {
                let alpha = u32::from(pixel.0[3]);
                for (value, behind) in pixel.0.iter_mut().zip(behind) {
                    *value = blend(u32::from(*value), behind.into(), alpha, 255) as u8;
                }
                pixel.0[3] = u8::MAX;
            }
            image.into()
        }
        _ => {
            let mut image = image.into_rgba16();
            for pixel in image.pixels_mut() {
                let alpha = u32::from(pixel.0[3]);
                for (value, behind) in pixel.0.iter_mut().zip(behind) {
                    // 255 is 65,535, so 1 is 257.
                    let behind = 257 * u32::from(behind);
                    *value = blend(u32::from(*value), behind, alpha, 65_535) as u16;
                }
                pixel.0[3] = u16::MAX;
            }
            image.into()
        }
    }
}

/// `value` over `behind`, rounded to the nearest; all are at most `most`, which is at most 65,535.
fn blend(value: u32, behind: u32, alpha: u32, most: u32) -> u32 {
    let [value, behind, alpha, most] = [value, behind, alpha, most].map(u64::from);
    ((value * alpha + behind * (most - alpha) + most / 2) / most) as u32
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_height = Some(LONGEST as u32);
    limits.max_image_width = Some(LONGEST as u32);
    limits.max_alloc = Some(MEMORY);
    limits
}

fn too_large() -> ImageError {
    ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
}

fn no_image(file: &Path, source: ImageError) -> Error {
    Error::NoImage { file: PathBuf::from(file), source }
}
