//! Classifying image files.

use std::path::Path;

use fgn_nn::{Mode, Model};
use image::ImageReader;
use serde::Serialize;

use crate::evaluation::best;
use crate::{Error, Result};

/// What a model makes of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The most probable class.
    pub class: usize,
    /// One entry a class; their sum is 1.
    pub probabilities: Vec<f32>,
}

/// Classifies the image in `file`: PNG, JPEG, BMP or PNM; colours become shades of grey. With `invert`
/// it is read as a negative, which makes dark strokes on a light ground the light on dark of MNIST.
///
/// # Errors
/// A file that cannot be read or is no image, and an image of another size than the model's.
pub fn classify(model: &Model, file: &Path, invert: bool) -> Result<Prediction> {
    let Some(size) = model.config().input.image_size() else {
        let found = format!("an image, {}", file.display());
        return Err(Error::Mismatch { found, expected: "series".into() });
    };
    let mut pixels = read(file, size)?;
    if invert {
        pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    }
    let [height, width] = size;
    let input = fgn_data::input([&pixels[..]], height, width, model.device())?;
    let logits = model.forward(&input, Mode::Eval)?.flatten_all()?.to_vec1::<f32>()?;
    Ok(Prediction { class: best(&logits), probabilities: softmax(&logits) })
}

/// Gives the pixels row by row, 0 (black) to 255 (white).
fn read(file: &Path, [height, width]: [usize; 2]) -> Result<Vec<u8>> {
    let reader = ImageReader::open(file).map_err(Error::io("read", file))?;
    let reader = reader.with_guessed_format().map_err(Error::io("read", file))?;
    let image = reader.decode().map_err(|source| Error::Image { file: file.to_owned(), source })?;
    let found = (image.width() as usize, image.height() as usize);
    if found != (width, height) {
        return Err(Error::ImageSize { file: file.to_owned(), found, expected: (width, height) });
    }
    Ok(image.to_luma8().into_raw())
}

/// In f64, so that the sum is 1 to the last digit of an f32.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};

    use super::*;
    use crate::testing;

    fn model() -> Model {
        Model::new(&testing::config().model, 1, DType::F32, &Device::Cpu).unwrap()
    }

    /// A picture of the testing model's size.
    fn picture() -> GrayImage {
        GrayImage::from_fn(4, 6, |x, y| image::Luma([(40 * y + 9 * x) as u8]))
    }

    #[test]
    fn every_format_gives_the_same_as_the_pixels_themselves() {
        let (model, folder) = (model(), tempfile::tempdir().unwrap());
        let input = fgn_data::input([&picture().into_raw()[..]], 6, 4, &Device::Cpu).unwrap();
        let logits = model.forward(&input, Mode::Eval).unwrap().to_vec2::<f32>().unwrap();
        let expected = Prediction { class: best(&logits[0]), probabilities: softmax(&logits[0]) };
        let formats =
            [("a.png", ImageFormat::Png), ("a.bmp", ImageFormat::Bmp), ("a.pgm", ImageFormat::Pnm)];
        for (name, format) in formats {
            let file = folder.path().join(name);
            picture().save_with_format(&file, format).unwrap();
            assert_eq!(classify(&model, &file, false).unwrap(), expected, "{name}");
        }
        // The format is found by content, and grey in colour is grey.
        let file = folder.path().join("colour-without-extension");
        let colour = RgbImage::from_fn(4, 6, |x, y| Rgb([picture().get_pixel(x, y)[0]; 3]));
        colour.save_with_format(&file, ImageFormat::Png).unwrap();
        assert_eq!(classify(&model, &file, false).unwrap(), expected);
        // A negative, read as one.
        let mut negative = DynamicImage::from(picture());
        negative.invert();
        negative.save_with_format(&file, ImageFormat::Png).unwrap();
        assert_eq!(classify(&model, &file, true).unwrap(), expected);
        assert_ne!(classify(&model, &file, false).unwrap(), expected);
    }

    #[test]
    fn what_is_no_image_of_the_models_size_is_refused() {
        let (model, folder) = (model(), tempfile::tempdir().unwrap());
        let file = folder.path().join("a.png");
        let message = || classify(&model, &file, false).unwrap_err().to_string();
        assert!(message().starts_with("cannot read "), "{}", message());
        GrayImage::new(6, 4).save(&file).unwrap();
        assert!(message().contains("6 x 4 pixels, expected 4 x 6"), "{}", message());
        std::fs::write(&file, "no image").unwrap();
        assert!(message().contains("PNG, JPEG, BMP and PNM are known"), "{}", message());
        let whole = {
            picture().save(&file).unwrap();
            std::fs::read(&file).unwrap()
        };
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert!(message().contains("cannot read the image"), "{}", message());
    }

    #[test]
    fn probabilities_sum_to_one_whatever_the_logits() {
        for logits in [[0.0, 0.0, 0.0], [1e30, -1e30, 0.0], [-700.0, -701.0, -702.0]] {
            let probabilities = softmax(&logits);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{probabilities:?}");
        }
    }
}
