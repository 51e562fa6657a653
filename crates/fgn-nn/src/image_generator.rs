//! Images that a model generates, pixel by pixel.

use fgn_kernels::Precision;
use fgn_schema::TargetSchema;

use crate::error::{Error, Result};
use crate::inputs::{ImageRaster, InputConfig, InputKind};
use crate::model::Model;
use crate::predictor::Predictor;
use crate::sampler::Sampler;

/// An image to be generated.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// The levels of grey of its first pixels, row by row, which are kept; none to generate the whole image.
    pub known: Vec<u32>,
    /// What chooses the other pixels.
    pub sampler: Sampler,
}

/// An image that was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedImage {
    /// The level of grey of each pixel, row by row.
    pub pixels: Vec<u32>,
    /// The logarithm of the probability of the whole image, known pixels included, in nats: by the model itself,
    /// whatever the sampler's options.
    pub log_likelihood: f64,
}

/// Generates images pixel by pixel, many side by side, and completes images of which the first pixels are known. Made by
/// [`Model::image_generator`].
///
/// An image depends on its request alone, and not on those beside it.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{ImageRaster, ImageRequest, Model, ModelConfig, Pixels, Precision, RecurrentConfig};
/// use fgn_nn::{Sampler, SamplerOptions};
///
/// let recurrent = RecurrentConfig::new(AnyCell::LSTM, 16);
/// let config = ModelConfig::new(ImageRaster::new(4, 3), recurrent, Pixels::new(2));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let mut generator = model.image_generator(Precision::F32, 1)?;
/// let sampler = |seed| Sampler::new(SamplerOptions::default(), seed);
/// // A new image, and one whose first row is known.
/// let requests = vec![
///     ImageRequest { known: vec![], sampler: sampler(1)? },
///     ImageRequest { known: vec![1, 0, 1], sampler: sampler(2)? },
/// ];
/// let images = generator.generate(requests, &mut |_| ())?;
/// assert_eq!(images[0].pixels.len(), 12);
/// assert!(images[1].pixels.starts_with(&[1, 0, 1]) && images[1].log_likelihood < 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ImageGenerator<'m> {
    model: &'m Model,
    raster: ImageRaster,
    levels: usize,
    precision: Precision,
    threads: usize,
}

/// The most images side by side.
const GROUP: usize = 64;

/// A stream's sums are in one order for any multiple of so many sequences: an image does not depend on how many there
/// are.
const MULTIPLE: usize = 4;

impl Model {
    /// A generator of images. The recurrent layer runs by `threads` threads on weights of that precision; the other
    /// layers compute in `f32`.
    ///
    /// # Errors
    /// [`Error::Config`] unless the model reads images by an [`ImageRaster`] and predicts their pixels;
    /// [`Error::Candle`] if its parameters are not in `f32` on the CPU, or `threads` is 0.
    pub fn image_generator(
        &self,
        precision: Precision,
        threads: usize,
    ) -> Result<ImageGenerator<'_>> {
        let config = self.config();
        match (&config.input, config.head.target()) {
            (InputConfig::ImageRaster(raster), TargetSchema::Pixels { levels }) => {
                // What cannot run is refused at once.
                Predictor::new(self, precision, [1, threads])?;
                Ok(ImageGenerator { model: self, raster: *raster, levels, precision, threads })
            }
            (input, target) => Err(Error::Config {
                field: "a generator of images",
                found: format!("{}, {target}", input.samples()),
                expected: "images, and their pixels".into(),
            }),
        }
    }
}

impl ImageGenerator<'_> {
    /// The size of an image, `[height, width]`.
    pub fn size(&self) -> [usize; 2] {
        [self.raster.height, self.raster.width]
    }

    /// How many levels of grey a pixel may have.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// Generates an image for each request. `progress` is called with the number of pixels that are done, of all images
    /// together.
    ///
    /// # Errors
    /// [`Error::Shape`] for more known pixels than an image has, [`Error::Target`] for a known pixel that is not a
    /// level; [`Error::Candle`] if a thread cannot be started.
    pub fn generate(
        &mut self,
        requests: Vec<ImageRequest>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<GeneratedImage>> {
        requests.iter().try_for_each(|request| self.check(&request.known))?;
        let mut images = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter();
        let steps = self.raster.height * self.raster.width;
        loop {
            let group: Vec<ImageRequest> = requests.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(images);
            }
            let (done, count) = (images.len() * steps, group.len());
            let mut each = |step: usize| progress(done + step * count);
            images.extend(self.group(group, &mut each)?);
        }
    }

    fn check(&self, known: &[u32]) -> Result<()> {
        let [height, width] = self.size();
        if known.len() > height * width {
            let (what, found) = ("known pixels", vec![known.len()]);
            let expected = format!("at most [{}]: {height} x {width} pixels", height * width);
            return Err(Error::Shape { what, found, expected });
        }
        match known.iter().position(|&level| level as usize >= self.levels) {
            Some(index) => Err(Error::Target { index, found: known[index], last: self.levels - 1 }),
            None => Ok(()),
        }
    }

    /// Generates some images side by side; calls `progress` with the number of steps that are done.
    fn group(
        &self,
        mut requests: Vec<ImageRequest>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<GeneratedImage>> {
        let (steps, size) = (self.raster.height * self.raster.width, self.raster.features());
        // Those past the requests compute along, from features of zeros.
        let sequences = requests.len().next_multiple_of(MULTIPLE);
        let mut predictor = Predictor::new(self.model, self.precision, [sequences, self.threads])?;
        let mut features = vec![0.0; sequences * size];
        let mut inputs = vec![vec![0.0; steps]; requests.len()];
        let empty = GeneratedImage { pixels: vec![0; steps], log_likelihood: 0.0 };
        let mut images = vec![empty; requests.len()];
        let last = (self.levels - 1) as f32;
        for step in 0..steps {
            for (input, features) in inputs.iter().zip(features.chunks_exact_mut(size)) {
                self.raster.write_features(input, step, features);
            }
            predictor.step_each(&features)?;
            let logits = predictor.logits().chunks_exact(self.levels);
            let all = requests.iter_mut().zip(&mut images).zip(&mut inputs).zip(logits);
            for (((request, image), input), logits) in all {
                let level = match request.known.get(step) {
                    Some(&level) => level,
                    None => request.sampler.sample(logits),
                };
                image.log_likelihood += log_probability(logits, level as usize);
                image.pixels[step] = level;
                input[step] = level as f32 / last;
            }
            progress(step + 1);
        }
        Ok(images)
    }
}

/// The logarithm of the softmax of `logits` at an index.
fn log_probability(logits: &[f32], index: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |logit: f32| f64::from(logit) - f64::from(largest);
    let sum: f64 = logits.iter().map(|&logit| above(logit).exp()).sum();
    above(logits[index]) - sum.ln()
}
