//! Mel filter banks: triangles that are equally wide on a scale of perceived pitch.
//!
//! A triangle covers few of the STFT's frequencies, so only these are stored and summed.

use std::ops::Range;

use super::check::expect;
use super::config::{FeaturesConfig, MelNorm, MelScale};
use crate::error::Result;

/// A frequency is in a band if the triangle of height 1 is higher there: at an edge, rounding errors would decide.
const MIN_HEIGHT: f64 = 1e-9;

/// The weights of each band, computed in double precision.
pub(super) struct MelFilterBank {
    bands: Vec<Band>,
    frequencies: usize,
}

/// One triangle.
struct Band {
    /// The STFT's frequencies in the band, by index.
    range: Range<usize>,
    weights: Vec<f32>,
}

impl MelFilterBank {
    /// Takes a configuration and a sample rate that have been checked.
    ///
    /// # Errors
    /// If a band contains no frequency of the STFT.
    pub(super) fn new(config: &FeaturesConfig, sample_rate: u32) -> Result<Self> {
        let n_fft = config.sizes(sample_rate).n_fft;
        let spacing = f64::from(sample_rate) / n_fft as f64;
        let frequencies = n_fft / 2 + 1;
        let edges = edges(config, sample_rate);
        let mut bands = Vec::with_capacity(config.n_mels);
        for edges in edges.windows(3) {
            let band = Band::new(edges, config.norm, spacing, frequencies);
            let expected = format!(
                "fewer bands, or a larger `n_fft`: the band from {:.1} to {:.1} Hz contains none of the \
                 frequencies of the STFT, which are multiples of {spacing:.2} Hz",
                edges[0], edges[2]
            );
            expect(!band.weights.is_empty(), "n_mels", config.n_mels, expected)?;
            bands.push(band);
        }
        Ok(Self { bands, frequencies })
    }

    /// Weights and sums a power spectrum.
    pub(super) fn apply(&self, power: &[f32], mel: &mut [f32]) {
        for (band, mel) in self.bands.iter().zip(mel) {
            let power = &power[band.range.clone()];
            *mel = band.weights.iter().zip(power).map(|(weight, power)| weight * power).sum();
        }
    }

    /// All weights, `[n_mels, n_fft / 2 + 1]`.
    pub(super) fn dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.bands.len() * self.frequencies];
        for (band, row) in self.bands.iter().zip(dense.chunks_exact_mut(self.frequencies)) {
            row[band.range.clone()].copy_from_slice(&band.weights);
        }
        dense
    }
}

impl Band {
    /// The triangle that rises from the first edge to the second and falls to the third, all in Hz.
    fn new(edges: &[f64], norm: MelNorm, spacing: f64, frequencies: usize) -> Self {
        let scale = match norm {
            MelNorm::None => 1.0,
            MelNorm::Slaney => 2.0 / (edges[2] - edges[0]),
        };
        let height = |index: usize| {
            let frequency = index as f64 * spacing;
            let rising = (frequency - edges[0]) / (edges[1] - edges[0]);
            let falling = (edges[2] - frequency) / (edges[2] - edges[1]);
            rising.min(falling)
        };
        let inside = |index: &usize| height(*index) > MIN_HEIGHT;
        let start = (0..frequencies).find(inside).unwrap_or(frequencies);
        let weights: Vec<_> = (start..frequencies)
            .take_while(inside)
            .map(|index| (scale * height(index)) as f32)
            .collect();
        Self { range: start..start + weights.len(), weights }
    }
}

/// The edges of all triangles in Hz, equally spaced on the mel scale. Band `n` has edges `n`, `n + 1`, `n + 2`.
fn edges(config: &FeaturesConfig, sample_rate: u32) -> Vec<f64> {
    let scale = config.mel_scale;
    let (low, high) = (scale.mel(config.f_min), scale.mel(config.highest(sample_rate)));
    let step = (high - low) / (config.n_mels + 1) as f64;
    (0..config.n_mels + 2).map(|edge| scale.hertz(low + step * edge as f64)).collect()
}

/// Slaney's scale is linear up to this frequency, in Hz.
const LINEAR_END: f64 = 1000.0;
/// Hz in a mel of the linear part.
const LINEAR_STEP: f64 = 200.0 / 3.0;
/// In the logarithmic part, a frequency 6.4 times as high is 27 mel higher.
const LOG_RATIO: f64 = 6.4;
const LOG_STEPS: f64 = 27.0;

impl MelScale {
    fn mel(self, hertz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
            Self::Slaney if hertz < LINEAR_END => hertz / LINEAR_STEP,
            Self::Slaney => {
                let octaves = (hertz / LINEAR_END).ln() / LOG_RATIO.ln();
                LINEAR_END / LINEAR_STEP + octaves * LOG_STEPS
            }
        }
    }

    fn hertz(self, mel: f64) -> f64 {
        let linear_end = LINEAR_END / LINEAR_STEP;
        match self {
            Self::Htk => 700.0 * (10_f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < linear_end => mel * LINEAR_STEP,
            Self::Slaney => LINEAR_END * LOG_RATIO.powf((mel - linear_end) / LOG_STEPS),
        }
    }
}
