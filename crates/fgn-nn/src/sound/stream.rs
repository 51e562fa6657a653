//! The logits of a sound as it comes in.

use fgn_audio::features::FeatureStream;
use fgn_kernels::Precision;

use crate::error::{Error, Result};
use crate::inputs::{FrontEnd, InputConfig};
use crate::model::Model;
use crate::predictor::Predictor;

/// How many samples are scaled at once.
const PIECE: usize = 1024;

/// A sound that comes in piece by piece, and the model's logits for each step of it, in constant memory. Made by
/// [`Model::sound_stream`].
///
/// The logits are those of [`Model::forward`] for the whole sound, up to the order of sums in the recurrent layer
/// (about 1e-6 in `f32`), and the same bits whatever the size of the pieces. Once the first pieces are read, a piece
/// of the same size allocates nothing.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Audio, Classification, Model, ModelConfig, Precision, RecurrentConfig};
///
/// let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
/// let config = ModelConfig::new(Audio::new(8000), recurrent, Classification::new(3));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let mut stream = model.sound_stream(Precision::F32, 1)?;
/// let mut steps = 0;
/// for piece in vec![0.1; 8000].chunks(160) {
///     stream.push(piece, &mut |step| {
///         assert_eq!(step.logits.len(), 3);
///         steps += 1;
///         Ok(())
///     })?;
/// }
/// assert!((95..=100).contains(&steps)); // a step each 10 ms
/// # Ok::<(), fgn_nn::Error>(())
/// ```
pub struct SoundStream {
    sound: Sound,
    predictor: Predictor,
}

/// What a model computes at a step of a sound.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SoundStep<'a> {
    /// Which step it is, counted from 0.
    pub index: u64,
    /// The logits, one for each class or label.
    pub logits: &'a [f32],
}

impl Model {
    /// A stream of one sound, with a state of zeros. The recurrent layer runs by `threads` threads on weights of that
    /// precision; the rest computes in `f32`.
    ///
    /// # Errors
    /// [`Error::Config`] unless the model reads sounds, in one direction, and predicts from a single step;
    /// [`Error::Audio`] for features that need the whole sound; [`Error::Candle`] if its parameters are not in `f32`
    /// on the CPU, or `threads` is 0.
    pub fn sound_stream(&self, precision: Precision, threads: usize) -> Result<SoundStream> {
        let sound = Sound::new(self)?;
        Ok(SoundStream { sound, predictor: Predictor::new(self, precision, [1, threads])? })
    }
}

impl SoundStream {
    /// Reads samples at the model's rate, from -1 to 1, and calls `each` for every step that is complete.
    ///
    /// # Errors
    /// [`Error::Audio`] for a sample that is not finite; whatever `each` returns. Then the stream has read a part of
    /// the samples: [`reset`](Self::reset) it to go on.
    pub fn push(
        &mut self,
        samples: &[f32],
        each: &mut dyn FnMut(SoundStep<'_>) -> Result<()>,
    ) -> Result<()> {
        let predictor = &mut self.predictor;
        self.sound.push(samples, |index, features| {
            predictor.step(features)?;
            each(SoundStep { index, logits: predictor.logits() })
        })
    }

    /// Ends the sound: calls `each` for the steps that waited for samples to come.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, each: &mut dyn FnMut(SoundStep<'_>) -> Result<()>) -> Result<()> {
        let predictor = &mut self.predictor;
        self.sound.finish(|index, features| {
            predictor.step(features)?;
            each(SoundStep { index, logits: predictor.logits() })
        })
    }

    /// Begins another sound.
    ///
    /// # Errors
    /// None is known.
    pub fn reset(&mut self) -> Result<()> {
        self.sound.reset();
        self.predictor.reset(0)
    }

    /// The seconds from one step to the next.
    pub fn step_seconds(&self) -> f64 {
        self.sound.step_seconds()
    }
}

/// The features of a sound that comes in.
pub(super) struct Sound {
    front_end: FrontEnd,
    features: FeatureStream,
    scaled: Vec<f32>,
    steps: u64,
}

impl Sound {
    /// # Errors
    /// [`Error::Config`] unless the model reads sounds; [`Error::Audio`] for features that need the whole sound.
    pub(super) fn new(model: &Model) -> Result<Sound> {
        let InputConfig::Audio(audio) = &model.config().input else {
            let found = model.config().input.kind().to_owned();
            return Err(Error::Config { field: "input.kind", found, expected: "audio".into() });
        };
        let front_end = audio.build_front_end()?;
        let features = front_end.features.stream()?;
        Ok(Sound { front_end, features, scaled: Vec::with_capacity(PIECE), steps: 0 })
    }

    /// Calls `each` with the index and the features of every step that is complete.
    pub(super) fn push(
        &mut self,
        samples: &[f32],
        mut each: impl FnMut(u64, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let Sound { front_end, features, scaled, steps } = self;
        for piece in samples.chunks(PIECE) {
            scaled.clear();
            scaled.extend(piece.iter().map(|&sample| front_end.scaled(sample)));
            features.push(scaled, |row| counted(steps, row, &mut each))?;
        }
        Ok(())
    }

    /// The steps that waited for samples to come.
    pub(super) fn finish(&mut self, mut each: impl FnMut(u64, &[f32]) -> Result<()>) -> Result<()> {
        let steps = &mut self.steps;
        self.features.finish(|row| counted(steps, row, &mut each))
    }

    pub(super) fn reset(&mut self) {
        self.features.reset();
        self.steps = 0;
    }

    pub(super) fn step_seconds(&self) -> f64 {
        self.front_end.features.step_seconds()
    }
}

fn counted(
    steps: &mut u64,
    row: &[f32],
    each: &mut impl FnMut(u64, &[f32]) -> Result<()>,
) -> Result<()> {
    *steps += 1;
    each(*steps - 1, row)
}
