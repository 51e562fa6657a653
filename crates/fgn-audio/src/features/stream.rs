//! Features of a signal that comes in chunks.

use std::sync::Arc;

use super::frame_features::FrameFeatures;
use super::frames::Frames;
use super::plan::Plan;
use super::steps::Steps;
use crate::error::Error;

/// The largest magnitude of a sample: with it, and the longest STFT, all powers are finite.
const MAX_SAMPLE: f32 = 1e10;

/// Computes the features of a signal that comes in chunks of any size. However a signal is divided, the steps have the
/// same bits as those of [`Features::compute`](super::Features::compute).
///
/// A step is given as soon as all samples that it depends on are there, see
/// [`Features::delay_samples`](super::Features::delay_samples). After its construction, a stream allocates no memory.
///
/// ```
/// use fgn_audio::Error;
/// use fgn_audio::features::{Features, FeaturesConfig};
///
/// let features = Features::new(&FeaturesConfig::default(), 16_000)?;
/// let mut stream = features.stream()?;
/// let mut steps = Vec::new();
/// let mut keep = |step: &[f32]| {
///     steps.extend_from_slice(step); // or a step of a network
///     Ok::<_, Error>(())
/// };
/// let samples = [0.5; 4000];
/// for chunk in samples.chunks(123) {
///     stream.push(chunk, &mut keep)?;
/// }
/// stream.finish(&mut keep)?;
/// assert_eq!(steps, features.compute(&samples)?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct FeatureStream {
    frames: Frames,
    features: FrameFeatures,
    steps: Steps,
    /// How many samples of the signal have come.
    taken: u64,
}

impl FeatureStream {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self {
            frames: Frames::new(plan.sizes.n_fft, plan.sizes.hop_length),
            steps: Steps::new(&plan),
            features: FrameFeatures::new(plan),
            taken: 0,
        }
    }

    /// Takes the next samples, and calls `each` with every step that is now known. A step has
    /// [`Features::size`](super::Features::size) values.
    ///
    /// # Errors
    /// [`Error::Sound`] for a sample that is not finite or whose magnitude is above 1e10. The stream is then as it was
    /// before the call, so that other samples can take the place of these.
    ///
    /// An error of `each`, which ends the signal: the stream is then as after [`reset`](Self::reset).
    pub fn push<E: From<Error>>(
        &mut self,
        samples: &[f32],
        mut each: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check(samples)?;
        let result = self.take(samples, &mut each);
        if result.is_err() {
            self.reset();
        }
        result
    }

    /// Ends the signal, and calls `each` with the steps that wait for later samples. A signal that is shorter than a frame
    /// is completed with zeros. The stream is then as after [`reset`](Self::reset), for another signal.
    ///
    /// # Errors
    /// An error of `each`.
    pub fn finish<E>(&mut self, mut each: impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        let result = self.flush(&mut each);
        self.reset();
        result
    }

    /// Discards the signal, so that another one can begin.
    pub fn reset(&mut self) {
        self.frames.reset();
        self.features.reset();
        self.steps.reset();
        self.taken = 0;
    }

    fn take<E>(
        &mut self,
        mut samples: &[f32],
        each: &mut impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.taken += samples.len() as u64;
        while let Some(frame) = self.frames.fill(&mut samples) {
            self.steps.push(self.features.compute(frame), each)?;
        }
        Ok(())
    }

    fn flush<E>(&mut self, each: &mut impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        if let Some(frame) = self.frames.pad() {
            self.steps.push(self.features.compute(frame), each)?;
        }
        self.steps.finish(each)
    }

    fn check(&self, samples: &[f32]) -> Result<(), Error> {
        // NaN is in no range.
        let is_wrong = |sample: &f32| !(-MAX_SAMPLE..=MAX_SAMPLE).contains(sample);
        let Some(nth) = samples.iter().position(is_wrong) else { return Ok(()) };
        Err(Error::Sound {
            name: format!("sample {} of the signal, counted from 0", self.taken + nth as u64),
            found: samples[nth].to_string(),
            expected: format!("a finite value, at most {MAX_SAMPLE:e} in magnitude"),
        })
    }
}
