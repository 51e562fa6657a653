//! What a user sets: the [`FeaturesConfig`] and its parts.

use serde::{Deserialize, Serialize};

use super::check::{expect, in_range};
use crate::error::Result;

/// The longest STFT, in samples.
const MAX_N_FFT: usize = 65_536;

const DEFAULT_N_MELS: usize = 40;
const DEFAULT_LOG_OFFSET: f64 = 1e-6;
const DEFAULT_N_MFCC: usize = 13;
const DEFAULT_STACK: usize = 1;

/// Which features of a signal are computed, and how.
///
/// All settings have defaults: 40 log mel bands of 25 ms, every 10 ms. A setting that has its default is not serialised.
/// Lengths are in samples. Where they are left out, they follow from the sample rate, which
/// [`Features::new`](super::Features::new) takes beside the configuration.
///
/// ```
/// use fgn_audio::features::{FeatureKind, FeaturesConfig, Normalization};
///
/// let config: FeaturesConfig = serde_json::from_str(r#"{
///     "features": "mfcc",
///     "deltas": 2,
///     "normalization": { "running": { "time_constant": 2.0 } }
/// }"#)?;
/// assert_eq!(config, FeaturesConfig {
///     features: FeatureKind::Mfcc,
///     deltas: 2,
///     normalization: Normalization::Running { time_constant: 2.0 },
///     ..FeaturesConfig::default()
/// });
/// assert_eq!(config.size(), 13 * 3); // 13 coefficients, their deltas, the deltas of these
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub struct FeaturesConfig {
    /// What is computed of each frame.
    #[serde(skip_serializing_if = "is_default")]
    pub features: FeatureKind,
    /// The length of the Hann window, in samples: 2 to 65,536. If left out, 25 ms, rounded to the nearest sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_length: Option<usize>,
    /// From the start of a frame to that of the next, in samples: 1 to `win_length`. If left out, 10 ms, rounded to
    /// the nearest sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop_length: Option<usize>,
    /// The length of a frame and of its Fourier transform, in samples: an even number from `win_length` to 65,536.
    /// The window is in the middle of the frame, with zeros on both sides. If left out, the smallest power of two
    /// that is at least `win_length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_fft: Option<usize>,
    /// The number of mel bands. Each band must contain a frequency of the STFT.
    #[serde(skip_serializing_if = "equals::<DEFAULT_N_MELS>")]
    pub n_mels: usize,
    /// The lower end of the lowest mel band, in Hz.
    #[serde(skip_serializing_if = "is_default")]
    pub f_min: f64,
    /// The upper end of the highest mel band, in Hz: at most half the sample rate, which it is if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_max: Option<f64>,
    /// The scale on which the mel bands are equally wide.
    #[serde(skip_serializing_if = "is_default")]
    pub mel_scale: MelScale,
    /// How the mel bands are weighted.
    #[serde(skip_serializing_if = "is_default")]
    pub norm: MelNorm,
    /// What is added to a mel band's energy before its logarithm: 1e-30 to 1e10. Of `log-mel` and `mfcc`.
    #[serde(skip_serializing_if = "is_default_log_offset")]
    pub log_offset: f64,
    /// The number of coefficients of `mfcc`, from the zeroth: 1 to `n_mels`.
    #[serde(skip_serializing_if = "equals::<DEFAULT_N_MFCC>")]
    pub n_mfcc: usize,
    /// The parameters of `pcen`.
    #[serde(skip_serializing_if = "is_default")]
    pub pcen: PcenConfig,
    /// How many orders of deltas follow the features of a frame: 0, 1, or 2 for the deltas and the deltas of these.
    #[serde(skip_serializing_if = "is_default")]
    pub deltas: usize,
    /// How each feature is brought to mean 0 and standard deviation 1.
    #[serde(skip_serializing_if = "is_default")]
    pub normalization: Normalization,
    /// How many successive frames are one step: 1 to 100. Steps do not overlap. Where frames are left at the end of a
    /// signal, the last frame is repeated until they are a step (Sak et al. 2015).
    #[serde(skip_serializing_if = "equals::<DEFAULT_STACK>")]
    pub stack: usize,
}

/// What is computed of a frame: `"log-mel"`, `"mel"`, `"pcen"` or `"mfcc"`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureKind {
    /// The natural logarithm of `mel + log_offset`.
    #[default]
    LogMel,
    /// The energies of the mel bands: the power spectrum, weighted and summed.
    Mel,
    /// Per-channel energy normalisation of the mel bands, see [`PcenConfig`].
    Pcen,
    /// Mel-frequency cepstral coefficients: the orthonormal DCT-II of `log-mel` (Davis & Mermelstein 1980). Equal to
    /// torchaudio's `MFCC` with `log_mels=True`.
    Mfcc,
}

/// A scale of perceived pitch: `"htk"` or `"slaney"`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// `2595 · log10(1 + f / 700)`, the default of torchaudio.
    #[default]
    Htk,
    /// Linear below 1 kHz, logarithmic above (Slaney 1998), the default of librosa.
    Slaney,
}

/// How mel bands are weighted: `"none"` or `"slaney"`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum MelNorm {
    /// Each triangle has height 1.
    #[default]
    None,
    /// Each triangle is divided by half its width in Hz, so that all have area 1 (Slaney 1998).
    Slaney,
}

/// The parameters of per-channel energy normalisation (Wang et al. 2017, equation 1), with the names and defaults of
/// `librosa.pcen`. Each mel band `x` is divided by its own recent level `m`, then compressed:
///
/// ```text
/// m[t] = (1 − s) · m[t − 1] + s · x[t]          m[−1] = 1
/// y[t] = (x[t] / (eps + m[t])^gain + bias)^power − bias^power
/// ```
///
/// As in librosa, the level begins at 1, that of a steady band with energy 1.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub struct PcenConfig {
    /// How fast the level follows, in seconds. With `T` for this time in frames,
    /// `s = (√(1 + 4 T²) − 1) / (2 T²)`.
    pub time_constant: f64,
    /// How much of the level is removed: 0 to 1.
    pub gain: f64,
    /// At least 0. Below it, the compression is weak.
    pub bias: f64,
    /// The exponent of the compression: above 0, at most 1.
    pub power: f64,
    /// Above 0. Keeps the noise of a silent signal from being raised.
    pub eps: f64,
}

/// How each feature is normalised over time: `"none"`, `"utterance"` or
/// `{ "running": { "time_constant": 3.0 } }`. The mean is subtracted, and the rest is divided by the standard
/// deviation, or by 1e-5 where that is larger.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Normalization {
    /// It is not.
    #[default]
    None,
    /// By the mean and standard deviation of the whole signal. Not for streams.
    Utterance,
    /// By the mean and standard deviation of all frames so far, the present one included. A frame that is `t` seconds
    /// old has weight `exp(−t / time_constant)`. The weights are divided by their sum. So the mean of the first frame
    /// is the frame itself: the first features are 0, the next are small, and all of them depend on frames that were
    /// there, not on an initial value.
    Running {
        /// In seconds; 3.0 if left out.
        #[serde(default = "default_time_constant")]
        time_constant: f64,
    },
}

/// The sizes of a configuration, with all defaults replaced by values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) win_length: usize,
    pub(super) hop_length: usize,
    pub(super) n_fft: usize,
}

impl Default for FeaturesConfig {
    fn default() -> Self {
        Self {
            features: FeatureKind::default(),
            win_length: None,
            hop_length: None,
            n_fft: None,
            n_mels: DEFAULT_N_MELS,
            f_min: 0.0,
            f_max: None,
            mel_scale: MelScale::default(),
            norm: MelNorm::default(),
            log_offset: DEFAULT_LOG_OFFSET,
            n_mfcc: DEFAULT_N_MFCC,
            pcen: PcenConfig::default(),
            deltas: 0,
            normalization: Normalization::default(),
            stack: DEFAULT_STACK,
        }
    }
}

impl FeaturesConfig {
    /// The number of values of a step.
    pub fn size(&self) -> usize {
        self.frame_size().saturating_mul(self.stack)
    }

    /// The number of values of a frame without its deltas: `n_mfcc` of `mfcc`, else `n_mels`.
    pub fn bins(&self) -> usize {
        match self.features {
            FeatureKind::Mfcc => self.n_mfcc,
            FeatureKind::LogMel | FeatureKind::Mel | FeatureKind::Pcen => self.n_mels,
        }
    }

    /// The number of values of a frame, with its deltas.
    pub(super) fn frame_size(&self) -> usize {
        self.bins().saturating_mul(self.deltas.saturating_add(1))
    }

    pub(super) fn sizes(&self, sample_rate: u32) -> Sizes {
        let milliseconds = |count| milliseconds(count, sample_rate);
        let win_length = self.win_length.unwrap_or_else(|| milliseconds(25).max(2));
        let hop_length = self.hop_length.unwrap_or_else(|| milliseconds(10).max(1));
        let power_of_two = || win_length.min(MAX_N_FFT).next_power_of_two();
        Sizes { win_length, hop_length, n_fft: self.n_fft.unwrap_or_else(power_of_two) }
    }

    /// The upper end of the highest mel band, in Hz.
    pub(super) fn highest(&self, sample_rate: u32) -> f64 {
        self.f_max.unwrap_or(f64::from(sample_rate) / 2.0)
    }

    /// Checks the sample rate and all settings but those of the mel bands' frequencies, which are checked as the bands
    /// are computed.
    pub(super) fn check(&self, sample_rate: u32) -> Result<()> {
        in_range("sample_rate", sample_rate, 1..=1_000_000)?;
        let sizes = self.sizes(sample_rate);
        sizes.check()?;
        self.check_bands(sizes, sample_rate)?;
        in_range("log_offset", self.log_offset, 1e-30..=1e10)?;
        if self.features == FeatureKind::Mfcc {
            let expected = format!("from 1 to `n_mels`, {}", self.n_mels);
            expect((1..=self.n_mels).contains(&self.n_mfcc), "n_mfcc", self.n_mfcc, expected)?;
        }
        self.pcen.check()?;
        in_range("deltas", self.deltas, 0..=2)?;
        self.normalization.check()?;
        in_range("stack", self.stack, 1..=100)
    }

    fn check_bands(&self, sizes: Sizes, sample_rate: u32) -> Result<()> {
        let frequencies = sizes.n_fft / 2 + 1;
        let expected = format!("from 1 to {frequencies}, the number of frequencies of the STFT");
        expect((1..=frequencies).contains(&self.n_mels), "n_mels", self.n_mels, expected)?;
        let (lowest, highest) = (self.f_min, self.highest(sample_rate));
        let half = f64::from(sample_rate) / 2.0;
        let expected = format!("above 0 and at most {half}, half the sample rate");
        expect(highest > 0.0 && highest <= half, "f_max", highest, expected)?;
        let expected = format!("at least 0 and less than `f_max`, {highest}");
        expect((0.0..highest).contains(&lowest), "f_min", lowest, expected)
    }
}

impl Sizes {
    fn check(self) -> Result<()> {
        let Self { win_length, hop_length, n_fft } = self;
        in_range("win_length", win_length, 2..=MAX_N_FFT)?;
        let expected = format!("from 1 to `win_length`, {win_length}");
        expect((1..=win_length).contains(&hop_length), "hop_length", hop_length, expected)?;
        let fits = n_fft.is_multiple_of(2) && (win_length..=MAX_N_FFT).contains(&n_fft);
        let expected = format!("an even number from `win_length`, {win_length}, to {MAX_N_FFT}");
        expect(fits, "n_fft", n_fft, expected)
    }
}

impl PcenConfig {
    fn check(&self) -> Result<()> {
        check_time("pcen.time_constant", self.time_constant)?;
        in_range("pcen.gain", self.gain, 0.0..=1.0)?;
        in_range("pcen.bias", self.bias, 0.0..=1e10)?;
        let holds = self.power > 0.0 && self.power <= 1.0;
        expect(holds, "pcen.power", self.power, "above 0 and at most 1")?;
        in_range("pcen.eps", self.eps, 1e-30..=1e10)
    }
}

impl Default for PcenConfig {
    fn default() -> Self {
        Self { time_constant: 0.4, gain: 0.98, bias: 2.0, power: 0.5, eps: 1e-6 }
    }
}

impl Normalization {
    fn check(self) -> Result<()> {
        match self {
            Self::None | Self::Utterance => Ok(()),
            Self::Running { time_constant } => {
                check_time("normalization.running.time_constant", time_constant)
            }
        }
    }
}

fn check_time(setting: &'static str, seconds: f64) -> Result<()> {
    let holds = seconds > 0.0 && seconds <= 1e6;
    expect(holds, setting, seconds, "above 0 and at most 1000000 seconds")
}

/// So many milliseconds in samples, rounded.
fn milliseconds(count: u64, sample_rate: u32) -> usize {
    ((u64::from(sample_rate) * count + 500) / 1000) as usize
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn equals<const DEFAULT: usize>(value: &usize) -> bool {
    *value == DEFAULT
}

fn is_default_log_offset(value: &f64) -> bool {
    *value == DEFAULT_LOG_OFFSET
}

fn default_time_constant() -> f64 {
    3.0
}
