//! Grey images whose target are their own pixels, in a few levels of grey.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fgn_schema::{Batch, InputSchema, Schema, TargetSchema};
use rand_chacha::rand_core::RngCore as _;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::reader::Like;
use crate::samples::Samples;
use crate::sampling::generator;

/// How a pixel between two levels of grey becomes one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rounding {
    /// The nearer one. Of two levels the threshold is one half.
    #[default]
    Nearest,
    /// One of the two at random, the nearer one more often: so that the mean of many draws is the pixel itself. Of two
    /// levels a Bernoulli draw whose probability is the pixel's brightness. The draw depends on the pixels of the image
    /// alone: the same image is always drawn alike.
    Stochastic,
}

/// The levels of grey that images are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GreyLevels {
    levels: usize,
    rounding: Rounding,
}

/// The number of levels, with the name of the option that holds it.
pub(crate) type LevelsOption = (&'static str, Option<usize>);

impl GreyLevels {
    /// The levels that images are to be read in, for a model those that it predicts; `None` where the pixels are no
    /// target.
    ///
    /// # Errors
    /// [`Error::Option`] unless there are 2 to 256 levels.
    pub(crate) fn of(
        (option, given): LevelsOption,
        rounding: Rounding,
        like: Option<&Like>,
    ) -> Result<Option<GreyLevels>> {
        let known = like.and_then(|like| match like.schema.target {
            TargetSchema::Pixels { levels } => Some(levels),
            _ => None,
        });
        let Some(levels) = known.or(given) else { return Ok(None) };
        if !(2..=256).contains(&levels) {
            let (found, expected) = (levels.to_string(), "2 to 256 levels of grey".into());
            return Err(Error::Option { option, found, expected });
        }
        Ok(Some(GreyLevels { levels, rounding }))
    }

    /// Two levels, drawn at random.
    pub(crate) fn binary() -> GreyLevels {
        GreyLevels { levels: 2, rounding: Rounding::Stochastic }
    }

    /// Images with their pixels as targets; without targets unless `labelled`.
    ///
    /// # Errors
    /// [`Error::Option`] for samples that are no grey images.
    pub(crate) fn samples(
        self,
        images: Arc<dyn Samples>,
        labelled: bool,
    ) -> Result<Arc<dyn Samples>> {
        let input = images.schema().input.clone();
        let InputSchema::Image { channels: 1, .. } = input else {
            return Err(Error::Option {
                option: "data.images.colour",
                found: "true".into(),
                expected: "false beside data.images.levels: only grey pixels are targets".into(),
            });
        };
        let target = match labelled {
            true => TargetSchema::Pixels { levels: self.levels },
            false => TargetSchema::None,
        };
        Ok(Arc::new(PixelTargets { images, grey: self, schema: Schema::new(input, target) }))
    }

    /// The same for a whole data set.
    ///
    /// # Errors
    /// As [`samples`](Self::samples).
    pub(crate) fn dataset(self, dataset: Dataset) -> Result<Dataset> {
        Ok(Dataset {
            train: self.samples(dataset.train, true)?,
            valid: dataset.valid.map(|valid| self.samples(valid, true)).transpose()?,
            test: self.samples(dataset.test, true)?,
        })
    }

    /// Replaces each of an image's pixels, 0 to 255, by its level.
    fn quantize(self, pixels: &mut [u32]) {
        let last = self.levels as u32 - 1;
        match self.rounding {
            Rounding::Nearest => pixels.iter_mut().for_each(|x| *x = (*x * last + 127) / 255),
            Rounding::Stochastic => {
                let mut draw = generator(*b"levels..", SEED, hash(pixels));
                pixels.iter_mut().for_each(|x| {
                    let (below, rest) = (*x * last / 255, *x * last % 255);
                    *x = below + u32::from(below_255(draw.next_u32()) < rest);
                });
            }
        }
    }
}

/// A number of `0 .. 255` from a draw of all 32 bits.
fn below_255(drawn: u32) -> u32 {
    ((u64::from(drawn) * 255) >> 32) as u32
}

/// The seed of all stochastic rounding.
const SEED: u64 = 1;

/// FNV-1a (Fowler, Noll & Vo).
fn hash(pixels: &[u32]) -> u64 {
    let add = |hash: u64, &pixel: &u32| (hash ^ u64::from(pixel)).wrapping_mul(0x0100_0000_01b3);
    pixels.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

/// Images as a model that generates images reads and predicts them.
#[derive(Debug)]
struct PixelTargets {
    images: Arc<dyn Samples>,
    grey: GreyLevels,
    schema: Schema,
}

impl Samples for PixelTargets {
    fn name(&self) -> &str {
        self.images.name()
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn title(&self, index: u32) -> String {
        self.images.title(index)
    }

    fn group(&self, index: u32) -> u32 {
        self.images.group(index)
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        let batch = self.images.batch(indices, &Device::Cpu)?;
        let images = batch.input().tensor();
        let (count, height, width) = images.dims3()?;
        let bytes = (images.to_dtype(DType::F32)?.flatten_all()? * 255.0)?.round()?;
        let mut pixels: Vec<u32> =
            bytes.to_vec1::<f32>()?.into_iter().map(|byte| byte as u32).collect();
        pixels.chunks_mut(height * width).for_each(|image| self.grey.quantize(image));
        let last = (self.grey.levels - 1) as f32;
        let input: Vec<f32> = pixels.iter().map(|&level| level as f32 / last).collect();
        let input = Tensor::from_vec(input, (count, height, width), device)?;
        let target = match self.schema.target {
            TargetSchema::None => Tensor::zeros(count, DType::U32, device)?,
            _ => Tensor::from_vec(pixels, (count, height * width), device)?,
        };
        Ok(Batch::new(input, target))
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.fingerprint(self.images.fingerprint()?);
        content.number(self.grey.levels as u64);
        content.number(u64::from(self.grey.rounding == Rounding::Stochastic));
        Ok(content.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Images;

    fn grey(levels: usize, rounding: Rounding) -> GreyLevels {
        GreyLevels::of(("here", Some(levels)), rounding, None).unwrap().unwrap()
    }

    #[test]
    fn the_nearest_level_is_taken_and_a_half_is_white() {
        for (levels, expected) in
            [(2, [0, 0, 0, 1, 1]), (3, [0, 0, 1, 1, 2]), (256, [0, 63, 127, 128, 255])]
        {
            let mut pixels = [0, 63, 127, 128, 255];
            grey(levels, Rounding::Nearest).quantize(&mut pixels);
            assert_eq!(pixels, expected, "{levels} levels");
        }
    }

    #[test]
    fn draws_have_the_mean_of_the_pixel_and_are_always_the_same() {
        for (levels, pixel, low) in [(2, 51, 0), (2, 255, 1), (2, 0, 0), (5, 100, 1), (256, 9, 9)] {
            let mut pixels = vec![pixel; 100_000];
            let grey = grey(levels, Rounding::Stochastic);
            grey.quantize(&mut pixels);
            assert!(pixels.iter().all(|&level| level == low || level == low + 1), "{levels}");
            let mean = f64::from(pixels.iter().sum::<u32>()) / 100_000.0;
            let expected = f64::from(pixel) / 255.0 * (levels - 1) as f64;
            // Four standard deviations of a mean of so many draws.
            assert!((mean - expected).abs() < 0.0064, "{levels} levels: {mean}, not {expected}");
            let mut again = vec![pixel; 100_000];
            grey.quantize(&mut again);
            assert_eq!(pixels, again);
        }
    }

    #[test]
    fn the_target_is_the_input() {
        let images = Images::unlabelled("here", 1, 3, vec![0, 128, 255, 10, 200, 90]).unwrap();
        let images: Arc<dyn Samples> = Arc::new(images);
        let samples = grey(3, Rounding::Nearest).samples(images.clone(), true).unwrap();
        let expected = "images of 1 x 3 pixels, the pixels themselves in 3 levels of grey";
        assert_eq!(samples.schema().to_string(), expected);
        let batch = samples.batch(&[1, 0], &Device::Cpu).unwrap();
        let target = batch.target().tensor().to_vec2::<u32>().unwrap();
        assert_eq!(target, [[0, 2, 1], [0, 1, 2]]);
        let input = batch.input().tensor().to_vec3::<f32>().unwrap();
        assert_eq!(input, [[[0.0, 1.0, 0.5]], [[0.0, 0.5, 1.0]]]);

        let same = grey(3, Rounding::Nearest).samples(images.clone(), true).unwrap();
        assert_eq!(samples.fingerprint().unwrap(), same.fingerprint().unwrap());
        for other in [grey(4, Rounding::Nearest), grey(3, Rounding::Stochastic)] {
            let other = other.samples(images.clone(), true).unwrap();
            assert_ne!(samples.fingerprint().unwrap(), other.fingerprint().unwrap());
        }
        let none = grey(2, Rounding::Nearest).samples(images, false).unwrap();
        assert_eq!(none.schema().target, TargetSchema::None);
        let batch = none.batch(&[0], &Device::Cpu).unwrap();
        assert_eq!(batch.target().tensor().to_vec1::<u32>().unwrap(), [0]);
        assert_eq!(batch.input().tensor().to_vec3::<f32>().unwrap(), [[[0.0, 1.0, 1.0]]]);
    }

    #[test]
    fn a_number_of_levels_out_of_range_is_refused() {
        for levels in [0, 1, 257] {
            let found = GreyLevels::of(("data.idx.levels", Some(levels)), Rounding::Nearest, None);
            let expected = format!("data.idx.levels is {levels}, expected 2 to 256 levels of grey");
            assert_eq!(found.unwrap_err().to_string(), expected);
        }
        let none = GreyLevels::of(("data.idx.levels", None), Rounding::Nearest, None);
        assert_eq!(none.unwrap(), None);
    }
}
