//! What a model makes of files: images, and tables of series. For many of them, a [`Model::frozen`] is quicker.

use std::path::Path;

use candle_core::DType;
use fgn_data::{Batches, Known, Order, Picture, Samples as _, Series};
use fgn_nn::{Given, InputConfig, Mode, Model};
use serde::Serialize;

use crate::evaluation::{BATCH_SIZE, best};
use crate::{DataConfig, Error, Result};

/// What a model makes of a sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prediction {
    /// Of a model that tells classes.
    Class {
        /// The most probable class.
        class: usize,
        /// What it is called.
        name: String,
        /// One entry a class; their sum is 1.
        probabilities: Vec<f32>,
    },
    /// Of a model that tells numbers.
    Numbers {
        /// In the order of the model's `names`.
        numbers: Vec<f32>,
    },
}

/// Tells what is on the image in `file`: PNG, JPEG, BMP or PNM; colours become shades of grey. An image of
/// another size than the model's is resized if those that it learned from were (`data.images.size`). With
/// `invert` it is read as a negative, which makes dark strokes on a light ground the light on dark of MNIST.
///
/// # Errors
/// A model of no images; a file that cannot be read or is no image; an image of another size where none are
/// resized.
pub fn predict_image(
    model: &Model,
    data: &DataConfig,
    file: &Path,
    invert: bool,
) -> Result<Prediction> {
    let Some(size) = model.config().input.image_size() else {
        return Err(Error::NotThisFile {
            file: file.to_owned(),
            expected: "a table of series, .csv, .tsv or .parquet".into(),
        });
    };
    let resize = data.images.size.is_some();
    let picture = Picture { size, colour: false, resize };
    let mut pixels = picture.read(file)?;
    if invert {
        pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    }
    let input = picture.input(&[pixels], model.device())?;
    let output = model.forward(&input, Mode::Eval)?.to_dtype(DType::F32)?;
    Ok(Prediction::of(model, &output.flatten_all()?.to_vec1()?))
}

/// Tells what the series of the table in `file` are, calling `each` with what a series is called and what
/// the model makes of it: of each sequence, or of each window to forecast from. The table has the columns
/// that the model learned from, `data.series.features` and `data.series.id`; it need not have the target.
///
/// # Errors
/// A model of no series; a table that cannot be read or lacks a column; whatever `each` returns.
pub fn predict_table(
    model: &Model,
    data: &DataConfig,
    file: &Path,
    each: &mut dyn FnMut(String, Prediction) -> Result<()>,
) -> Result<()> {
    if !matches!(model.config().input, InputConfig::Series { .. }) {
        return Err(Error::NotThisFile { file: file.to_owned(), expected: "images".into() });
    }
    let known = Known { features: data.series.features.clone(), target: None };
    let series = Series::read(file, &data.series, Some(&known), &mut |_| ())?;
    let mut place = 0;
    let size = BATCH_SIZE.min(series.len());
    for batch in Batches::new(&series, Order::AsGiven, size, model.device())? {
        let batch = batch?;
        let given = Given { lengths: batch.lengths.as_deref(), state: None };
        let output = model.run(&batch.input, &given, Mode::Eval)?.output.to_dtype(DType::F32)?;
        for output in output.to_vec2()? {
            each(series.title(place), Prediction::of(model, &output))?;
            place += 1;
        }
    }
    Ok(())
}

impl Prediction {
    fn of(model: &Model, output: &[f32]) -> Prediction {
        if model.config().numbers > 0 {
            return Prediction::Numbers { numbers: output.to_vec() };
        }
        let class = best(output);
        let name = model.config().name(class);
        Prediction::Class { class, name, probabilities: softmax(output) }
    }
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
    use candle_core::Device;
    use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};

    use super::*;
    use crate::testing;

    fn model() -> Model {
        Model::new(&testing::config().model, 1, DType::F32, &Device::Cpu).unwrap()
    }

    fn predict(file: &Path, invert: bool) -> Result<Prediction> {
        predict_image(&model(), &testing::config().data, file, invert)
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
        let expected = Prediction::of(&model, &logits[0]);
        let formats =
            [("a.png", ImageFormat::Png), ("a.bmp", ImageFormat::Bmp), ("a.pgm", ImageFormat::Pnm)];
        for (name, format) in formats {
            let file = folder.path().join(name);
            picture().save_with_format(&file, format).unwrap();
            assert_eq!(predict(&file, false).unwrap(), expected, "{name}");
        }
        // The format is found by content, and grey in colour is grey.
        let file = folder.path().join("colour-without-extension");
        let colour = RgbImage::from_fn(4, 6, |x, y| Rgb([picture().get_pixel(x, y)[0]; 3]));
        colour.save_with_format(&file, ImageFormat::Png).unwrap();
        assert_eq!(predict(&file, false).unwrap(), expected);
        // A negative, read as one.
        let mut negative = DynamicImage::from(picture());
        negative.invert();
        negative.save_with_format(&file, ImageFormat::Png).unwrap();
        assert_eq!(predict(&file, true).unwrap(), expected);
        assert_ne!(predict(&file, false).unwrap(), expected);
    }

    #[test]
    fn what_is_no_image_of_the_models_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        let message = || predict(&file, false).unwrap_err().to_string();
        assert!(message().starts_with("cannot read "), "{}", message());
        GrayImage::new(6, 4).save(&file).unwrap();
        assert!(message().contains("4 x 6 pixels, expected 6 x 4"), "{}", message());
        let mut data = testing::config().data;
        data.images.size = Some([6, 4]);
        predict_image(&model(), &data, &file, false).unwrap();
        std::fs::write(&file, "no image").unwrap();
        assert!(message().contains("PNG, JPEG, BMP and PNM are known"), "{}", message());
        let whole = {
            picture().save(&file).unwrap();
            std::fs::read(&file).unwrap()
        };
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert!(message().contains("cannot read the image"), "{}", message());
        let error = predict_table(&model(), &data, &file, &mut |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains("expected images"), "{error}");
    }

    #[test]
    fn probabilities_sum_to_one_whatever_the_logits() {
        for logits in [[0.0, 0.0, 0.0], [1e30, -1e30, 0.0], [-700.0, -701.0, -702.0]] {
            let probabilities = softmax(&logits);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{probabilities:?}");
        }
    }
}
