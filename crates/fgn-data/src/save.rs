//! Samples as files.

use std::fs::File;
use std::io::{self, Cursor, Write as _};
use std::path::Path;

use candle_core::{DType, Device};
use fgn_audio::files::to_wav;
use fgn_schema::InputSchema;
use image::{ExtendedColorType, ImageFormat, write_buffer_with_format};

use crate::error::{Error, Result};
use crate::samples::Samples;

/// The ending of the files that [`save_sample`] writes for such samples; `None` if it writes none.
pub fn saved_ending(input: &InputSchema) -> Option<&'static str> {
    match input {
        InputSchema::Image { channels: 1 | 3, .. } => Some("png"),
        InputSchema::Audio { .. } => Some("wav"),
        _ => None,
    }
}

/// Writes the sample at `index` to a file, as a model sees it: an image as PNG, in the size and the colours of the
/// samples; a sound as WAV of 16 bits, at their rate.
///
/// ```
/// let digits = fgn_data::mnist()?.test;
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("seven.png");
/// fgn_data::save_sample(&digits, 0, &file)?;
/// assert_eq!(image::open(&file)?.into_bytes(), digits.pixels(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::NoFile`] for samples that are neither sounds nor images of 1 or 3 channels; [`Error::Write`] for a file that
/// is there already, or cannot be written; whatever [`Samples::batch`] gives.
pub fn save_sample(samples: &dyn Samples, index: u32, file: &Path) -> Result<()> {
    let input = &samples.schema().input;
    let unwritable = |source| Error::Write { file: file.display().to_string(), source };
    let values = || -> Result<Vec<f32>> {
        let batch = samples.batch(&[index], &Device::Cpu)?;
        Ok(batch.input().tensor().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    };
    let bytes = match *input {
        InputSchema::Image { height, width, channels: 1 } => {
            png(&values()?, [height, width], ExtendedColorType::L8).map_err(unwritable)?
        }
        InputSchema::Image { height, width, channels: 3 } => {
            png(&values()?, [height, width], ExtendedColorType::Rgb8).map_err(unwritable)?
        }
        InputSchema::Audio { sample_rate } => {
            to_wav(&values()?, sample_rate).map_err(|error| unwritable(io::Error::other(error)))?
        }
        _ => {
            let origin = samples.name().to_owned();
            return Err(Error::NoFile { origin, found: input.to_string() });
        }
    };
    let mut created = File::create_new(file).map_err(unwritable)?;
    created.write_all(&bytes).map_err(unwritable)
}

fn png(values: &[f32], size: [usize; 2], colours: ExtendedColorType) -> io::Result<Vec<u8>> {
    let pixels: Vec<u8> = values.iter().map(|value| (value * 255.0).round() as u8).collect();
    let mut png = Cursor::new(Vec::new());
    let [height, width] = size.map(|side| side as u32);
    write_buffer_with_format(&mut png, &pixels, width, height, colours, ImageFormat::Png)
        .map_err(io::Error::other)?;
    Ok(png.into_inner())
}
