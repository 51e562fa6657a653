//! Images for models that generate them: at each pixel, what came before it.

use candle_core::{DType, Tensor, WithDType};
use fgn_schema::{InputSchema, Padded, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::images;
use super::kind::{InputKind, InputLayer};
use crate::check::{check, range};
use crate::dropout::Mode;
use crate::error::Result;
use crate::parameters::Parameters;
use crate::sequences::Sequences;

/// Each pixel of a grey image is a time step, row by row. Its features are pixels before it, never itself or one after
/// it: `[B, height, width]` becomes `[T, B, I]` with `T = height · width`. For the head [`Pixels`](crate::Pixels), which
/// predicts the pixel of each step (the inputs of Row LSTM, van den Oord et al. 2016, without its convolutions).
///
/// The features of a step are:
/// 1. the pixel of the step before, `1`;
/// 2. of each of some rows above, the nearest first, the pixels at most `radius` columns away,
///    `rows · (2 · radius + 1)`;
/// 3. with `coordinates`, the row and the column, each from 0 for the first to 1 for the last, `2`.
///
/// A pixel outside the image is 0.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ImageRaster {
    /// The height of the images.
    pub height: usize,
    /// Their width.
    pub width: usize,
    /// How many rows above are read; 2 if left out.
    #[serde(default = "two")]
    pub rows: usize,
    /// How many columns to the left and to the right are read of the rows above; 7 if left out.
    #[serde(default = "seven")]
    pub radius: usize,
    /// Whether the position of the pixel is read, too; if left out it is not.
    #[serde(default)]
    pub coordinates: bool,
}

fn two() -> usize {
    2
}

fn seven() -> usize {
    7
}

/// The most pixels of an image, and the most rows or columns that are read around one.
const MOST_PIXELS: usize = 1 << 22;
const MOST_AROUND: usize = 1 << 10;

impl ImageRaster {
    /// For images of this size, with two rows above, seven columns to each side, and without the position.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, rows: two(), radius: seven(), coordinates: false }
    }

    /// How many pixels of one row above are read.
    fn window(&self) -> usize {
        self.radius.saturating_mul(2).saturating_add(1)
    }

    /// Writes the features of the step `at` of an image. What `image` holds from there on is not read.
    pub(crate) fn write_features<T: WithDType>(&self, image: &[T], at: usize, features: &mut [T]) {
        let zero = T::from_f64(0.0);
        features.fill(zero);
        let (row, column) = (at / self.width, at % self.width);
        let (before, rest) = features.split_at_mut(1);
        before[0] = if at > 0 { image[at - 1] } else { zero };
        let (first, last) =
            (column.saturating_sub(self.radius), (column + self.radius).min(self.width - 1));
        let inside = first + self.radius - column..=last + self.radius - column;
        let above = rest.chunks_exact_mut(self.window()).take(self.rows.min(row));
        for (distance, window) in (1..).zip(above) {
            let pixels = (row - distance) * self.width;
            window[inside.clone()].copy_from_slice(&image[pixels + first..=pixels + last]);
        }
        if self.coordinates {
            let scaled = |at: usize, size: usize| {
                T::from_f64(at as f64 / size.saturating_sub(1).max(1) as f64)
            };
            let position = &mut rest[self.rows * self.window()..];
            position[0] = scaled(row, self.height);
            position[1] = scaled(column, self.width);
        }
    }
}

impl InputKind for ImageRaster {
    fn stand_in() -> InputSchema {
        images::schema(1, 1, 1)
    }

    fn complete(
        _: &Map<String, Value>,
        samples: &InputSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        match samples {
            InputSchema::Image { channels: 1, .. } => images::complete(samples),
            _ => None,
        }
    }

    fn validate(&self) -> Result<()> {
        images::validate(self.height, self.width, images::grey())?;
        let expected = format!("at most {MOST_PIXELS} pixels, as each is a step");
        let fits = self.height * self.width <= MOST_PIXELS;
        check(fits, "input.width", self.width, expected)?;
        range("input.rows", self.rows, 0..=MOST_AROUND)?;
        range("input.radius", self.radius, 0..=MOST_AROUND)
    }

    fn samples(&self) -> InputSchema {
        images::schema(self.height, self.width, images::grey())
    }

    fn features(&self) -> usize {
        let position = if self.coordinates { 2 } else { 0 };
        self.rows.saturating_mul(self.window()).saturating_add(1 + position)
    }

    fn steps(&self) -> Option<usize> {
        Some(self.height * self.width)
    }

    fn build(&self, _: &mut Parameters, _: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        Ok(Box::new(Raster(*self)))
    }
}

#[derive(Debug)]
struct Raster(ImageRaster);

impl InputLayer for Raster {
    fn forward(&self, samples: &Padded, _: &mut Mode<'_>) -> Result<Sequences> {
        let size = [self.0.height, self.0.width, images::grey()];
        let images = images::checked(samples, size)?;
        let features = match images.dtype() {
            DType::F64 => self.features::<f64>(&images)?,
            _ => self.features::<f32>(&images.to_dtype(DType::F32)?)?,
        };
        Sequences::new(features.to_dtype(images.dtype())?, None)
    }
}

impl Raster {
    /// `[B, height, width, 1]` to `[T, B, I]`.
    fn features<T: WithDType>(&self, images: &Tensor) -> Result<Tensor> {
        let (batch, steps, size) =
            (images.dim(0)?, self.0.height * self.0.width, self.0.features());
        let pixels = images.flatten_all()?.to_vec1::<T>()?;
        let mut features = vec![T::from_f64(0.0); steps * batch * size];
        for (at, rows) in features.chunks_exact_mut(batch * size).enumerate() {
            for (image, row) in pixels.chunks_exact(steps).zip(rows.chunks_exact_mut(size)) {
                self.0.write_features(image, at, row);
            }
        }
        Ok(Tensor::from_vec(features, (steps, batch, size), images.device())?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The features `[T][I]` of one image.
    fn features(config: ImageRaster, pixels: &[f64]) -> Vec<Vec<f64>> {
        let shape = (1, config.height, config.width);
        let image = Tensor::from_slice(pixels, shape, &Device::Cpu).unwrap();
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
        let layer = config.build(&mut parameters, "input").unwrap();
        let x = layer.forward(&image.into(), &mut Mode::Eval).unwrap();
        x.tensor().squeeze(1).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn a_step_sees_the_pixel_before_and_the_rows_above() {
        let config = ImageRaster { rows: 2, radius: 1, ..ImageRaster::new(3, 3) };
        let found = features(config, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let expected = [
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [3.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0],
            [4.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0],
            [5.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0],
            [6.0, 0.0, 4.0, 5.0, 0.0, 1.0, 2.0],
            [7.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0],
            [8.0, 5.0, 6.0, 0.0, 2.0, 3.0, 0.0],
        ];
        assert_eq!(found, expected);
        let wide = ImageRaster { rows: 1, radius: 3, coordinates: true, ..config };
        let found = features(wide, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        assert_eq!(found[4], [4.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.5, 0.5]);
        assert_eq!(found[8], [8.0, 0.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let alone = ImageRaster { rows: 0, radius: 0, coordinates: true, ..ImageRaster::new(1, 1) };
        assert_eq!(features(alone, &[5.0]), [[0.0; 3]]);
    }

    #[test]
    fn nothing_of_a_pixel_or_of_those_after_it_is_visible() {
        for (rows, radius) in [(0, 0), (1, 0), (2, 7), (5, 2), (9, 9)] {
            let config = ImageRaster { rows, radius, coordinates: true, ..ImageRaster::new(4, 5) };
            let image: Vec<f64> = (0..20).map(|at| f64::from(at) + 1.0).collect();
            let before = features(config, &image);
            for at in 0..20 {
                let mut other = image.clone();
                other[at] = -1.0;
                let after = features(config, &other);
                assert_eq!(before[..=at], after[..=at], "{rows} rows, {radius} columns, {at}");
                // The next step sees it, if there is one.
                assert!(at == 19 || before[at + 1] != after[at + 1]);
            }
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let config = ImageRaster::new(28, 28);
        assert_eq!((config.features(), config.steps()), (31, Some(784)));
        for (wrong, expected) in [
            (ImageRaster { rows: 1025, ..config }, "`input.rows` is 1025, expected 0 to 1024"),
            (ImageRaster { radius: 1025, ..config }, "`input.radius` is 1025, expected 0 to 1024"),
            (ImageRaster::new(0, 28), "`input.height` is 0"),
            (ImageRaster::new(1 << 12, 1 << 12), "`input.width` is 4096, expected at most 4194304"),
        ] {
            let error = wrong.validate().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let colour = InputSchema::Image { height: 2, width: 2, channels: 3 };
        assert!(ImageRaster::complete(&Map::new(), &colour, &Statistics::default()).is_none());
    }
}
