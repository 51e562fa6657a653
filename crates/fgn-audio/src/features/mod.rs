//! Frames, STFT, mel filter banks, logarithm or PCEN, MFCC, of whole signals and in streams.
//!
//! A recurrent network does not read samples, of which there are thousands in a second. It reads *features*: every 10 ms,
//! a few dozen values that say how much energy the sound has at which frequencies.
//!
//! ```
//! use fgn_audio::features::{Features, FeaturesConfig};
//!
//! // A second of a tone of 1 kHz, sampled 16,000 times.
//! let tone = |nth: u32| (std::f32::consts::TAU * 1000.0 * nth as f32 / 16_000.0).sin();
//! let samples: Vec<f32> = (0..16_000).map(tone).collect();
//!
//! let features = Features::new(&FeaturesConfig::default(), 16_000)?;
//! let steps = features.compute(&samples)?;
//! assert_eq!(features.size(), 40); // the logarithm of the energy in 40 bands
//! assert_eq!(steps.len(), 97 * 40); // [T, size]: a step every 10 ms
//!
//! // The loudest band is the one around 1 kHz.
//! let step = &steps[..40];
//! let loudest = (0..40).max_by(|&a, &b| step[a].total_cmp(&step[b]));
//! assert_eq!(loudest, Some(13));
//! # Ok::<(), fgn_audio::Error>(())
//! ```
//!
//! [`FeaturesConfig`] has all settings. [`Features::stream`] gives the same steps, to the last bit, of a signal that comes
//! in chunks. What happens to a signal, in this order:
//!
//! 1. **Frames.** Frame `t` has the `n_fft` samples from sample `t · hop_length` on. It is not centred around that
//!    sample, for a stream cannot know what comes (`center=False` in librosa and torchaudio). Samples after the last whole
//!    frame have no frame. A signal that is shorter than a frame is completed with zeros; one without samples has no step.
//! 2. **STFT.** Each frame is multiplied by a periodic Hann window. The squared magnitudes of its Fourier transform are
//!    the power spectrum: `n_fft / 2 + 1` values, `sample_rate / n_fft` Hz apart.
//! 3. **Mel bands.** The power spectrum is summed in `n_mels` overlapping triangular bands, which are narrow at low
//!    frequencies and wide at high ones, as the ear's are.
//! 4. **Compression**, by [`features`](FeaturesConfig::features). Loudness spans many orders of magnitude: the logarithm
//!    or [PCEN](PcenConfig) reduces them. A cosine transform of the logarithm makes MFCC.
//! 5. **Deltas**, how the features change: `d[t] = Σ n · (x[t + n] − x[t − n]) / 10`, the sum over n = 1 and 2. Before the
//!    first frame and after the last one, that frame is repeated (torchaudio's `compute_deltas` with its defaults).
//! 6. **Normalisation** of each feature over time.
//! 7. **Stacking** of frames: a network with fewer steps is faster.
//!
//! Samples are usually between −1 and 1; the scale matters to `log_offset` and to PCEN's `eps` and `bias`. Frequencies are
//! in Hz, times in seconds, lengths in samples.
//!
//! # Sources
//!
//! - S. Davis and P. Mermelstein (1980), *Comparison of parametric representations for monosyllabic word recognition in
//!   continuously spoken sentences*: MFCC.
//! - S. Furui (1986), *Speaker-independent isolated word recognition using dynamic features of speech spectrum*: deltas.
//! - M. Slaney (1998), *Auditory Toolbox*, version 2: a mel scale, and bands of equal area.
//! - H. Sak, A. Senior, K. Rao and F. Beaufays (2015), *Fast and accurate recurrent neural network acoustic models for
//!   speech recognition*: stacking.
//! - Y. Wang, P. Getreuer, T. Hughes, R. Lyon and R. Saurous (2017), *Trainable frontend for robust and far-field
//!   keyword spotting*: PCEN.

use std::sync::Arc;

use crate::error::{Error, Result};
use plan::Plan;

mod cepstrum;
mod check;
mod config;
mod deltas;
mod frame_features;
mod frames;
mod mel;
mod normalization;
mod pcen;
mod plan;
mod stacking;
mod steps;
mod stft;
mod stream;

pub use config::{FeatureKind, FeaturesConfig, MelNorm, MelScale, Normalization, PcenConfig};
pub use stream::FeatureStream;

/// Computes the features of signals, see [the module](self). A clone shares all tables.
#[derive(Clone, Debug)]
pub struct Features {
    plan: Arc<Plan>,
}

impl Features {
    /// Checks the configuration and computes all tables, for signals with `sample_rate` samples in a second: 1 to
    /// 1,000,000.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting or sample rate that is out of range, and for mel bands so narrow that one contains no frequency
    /// of the STFT.
    pub fn new(config: &FeaturesConfig, sample_rate: u32) -> Result<Self> {
        Ok(Self { plan: Arc::new(Plan::new(config, sample_rate)?) })
    }

    /// The configuration.
    pub fn config(&self) -> &FeaturesConfig {
        &self.plan.config
    }

    /// The sample rate of the signals, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.plan.sample_rate
    }

    /// The number of values of a step.
    pub fn size(&self) -> usize {
        self.plan.config.size()
    }

    /// The number of steps of a signal with so many samples.
    pub fn steps(&self, samples: usize) -> usize {
        self.plan.frames(samples).div_ceil(self.plan.config.stack)
    }

    /// From the first sample of a step to the first one of the next, in samples: step `k` begins with sample
    /// `k · step_samples`.
    pub fn step_samples(&self) -> usize {
        self.plan.step_samples()
    }

    /// [`step_samples`](Self::step_samples) in seconds.
    pub fn step_seconds(&self) -> f64 {
        self.seconds(self.step_samples())
    }

    /// How many samples a step depends on, from its first one: a stream gives step `k` with sample
    /// `k · step_samples + delay_samples − 1`. This covers the window, the frames that are stacked, and two later frames for
    /// each order of deltas.
    pub fn delay_samples(&self) -> usize {
        self.plan.delay_samples()
    }

    /// [`delay_samples`](Self::delay_samples) in seconds: how long after the start of a step it is known.
    pub fn delay_seconds(&self) -> f64 {
        self.seconds(self.delay_samples())
    }

    /// The weights of the mel bands, `[n_mels, n_fft / 2 + 1]`, row by row. Column `k` is the frequency
    /// `k · sample_rate / n_fft`.
    pub fn filter_bank(&self) -> Vec<f32> {
        self.plan.filters.dense()
    }

    /// The features of a whole signal, `[T, size]`, row by row, with [`steps`](Self::steps) for T.
    ///
    /// # Errors
    /// [`Error::Sound`] for a sample that is not finite or whose magnitude is above 1e10.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(self.steps(samples.len()) * self.size());
        let mut keep = |step: &[f32]| {
            values.extend_from_slice(step);
            Ok::<_, Error>(())
        };
        let mut stream = FeatureStream::new(Arc::clone(&self.plan));
        stream.push(samples, &mut keep)?;
        stream.finish(&mut keep)?;
        if self.plan.config.normalization == Normalization::Utterance {
            // The rows of stacked frames are those of the frames, and at the end some that repeat the last one.
            let columns = self.plan.config.frame_size();
            normalization::utterance(&mut values, columns, self.plan.frames(samples.len()));
        }
        Ok(values)
    }

    /// A stream of one signal, or of several, one after the other.
    ///
    /// # Errors
    /// [`Error::Setting`] with [`Normalization::Utterance`], which needs the whole signal.
    pub fn stream(&self) -> Result<FeatureStream> {
        let needs_all = self.plan.config.normalization == Normalization::Utterance;
        let expected = "`none` or `running` for a stream, whose end is not known";
        check::expect(!needs_all, "normalization", "utterance", expected)?;
        Ok(FeatureStream::new(Arc::clone(&self.plan)))
    }

    fn seconds(&self, samples: usize) -> f64 {
        samples as f64 / f64::from(self.plan.sample_rate)
    }
}
