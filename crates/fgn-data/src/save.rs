//! Samples as image files.

use std::fs::File;
use std::io::{Cursor, Write as _};
use std::path::Path;

use candle_core::Device;
use fgn_schema::InputSchema;
use image::{ExtendedColorType, ImageFormat, write_buffer_with_format};

use crate::error::{Error, Result};
use crate::samples::Samples;

/// Writes the image of the sample at `index` as a PNG file, as a model sees it: in the size and the colours of
/// the samples.
///
/// ```
/// let digits = fgn_data::mnist()?.test;
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("seven.png");
/// fgn_data::save_png(&digits, 0, &file)?;
/// assert_eq!(image::open(&file)?.into_bytes(), digits.pixels(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::NoPicture`] for samples that are no images of 1 or 3 channels; [`Error::Write`] for a file that is
/// there already, or cannot be written; whatever [`Samples::batch`] gives.
pub fn save_png(samples: &dyn Samples, index: u32, file: &Path) -> Result<()> {
    let input = &samples.schema().input;
    let (height, width, colours) = match *input {
        InputSchema::Image { height, width, channels: 1 } => (height, width, ExtendedColorType::L8),
        InputSchema::Image { height, width, channels: 3 } => {
            (height, width, ExtendedColorType::Rgb8)
        }
        _ => {
            let origin = samples.name().to_owned();
            return Err(Error::NoPicture { origin, found: input.to_string() });
        }
    };
    let batch = samples.batch(&[index], &Device::Cpu)?;
    let values: Vec<f32> = batch.input().tensor().flatten_all()?.to_vec1()?;
    let pixels: Vec<u8> = values.iter().map(|value| (value * 255.0).round() as u8).collect();
    let mut png = Cursor::new(Vec::new());
    let [width, height] = [width, height].map(|side| side as u32);
    let unwritable = |source| Error::Write { file: file.display().to_string(), source };
    write_buffer_with_format(&mut png, &pixels, width, height, colours, ImageFormat::Png)
        .map_err(|error| unwritable(std::io::Error::other(error)))?;
    let mut created = File::create_new(file).map_err(unwritable)?;
    created.write_all(png.get_ref()).map_err(unwritable)
}
