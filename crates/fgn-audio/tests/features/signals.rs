//! Signals and configurations of the tests.

use fgn_audio::Error;
use fgn_audio::features::{FeatureKind, Features, FeaturesConfig, Normalization};

/// All kinds of features.
pub(crate) const KINDS: [FeatureKind; 4] =
    [FeatureKind::LogMel, FeatureKind::Mel, FeatureKind::Pcen, FeatureKind::Mfcc];

/// The sample rate of signals with [`small`] configurations, in Hz.
pub(crate) const SMALL_RATE: u32 = 1000;

/// A small configuration: windows of 20 samples in frames of 26, every 7 samples.
pub(crate) fn small() -> FeaturesConfig {
    FeaturesConfig {
        win_length: Some(20),
        hop_length: Some(7),
        n_fft: Some(26),
        n_mels: 5,
        n_mfcc: 4,
        ..FeaturesConfig::default()
    }
}

/// [`small`] with all kinds of features, orders of deltas, stacks and normalisations of streams.
pub(crate) fn all_small() -> Vec<FeaturesConfig> {
    let mut configs = Vec::new();
    let running = Normalization::Running { time_constant: 0.05 };
    for features in KINDS {
        for deltas in 0..=2 {
            for stack in [1, 2, 5] {
                for normalization in [Normalization::None, running] {
                    configs.push(FeaturesConfig {
                        features,
                        deltas,
                        stack,
                        normalization,
                        ..small()
                    });
                }
            }
        }
    }
    configs
}

/// Samples that look random, in [-1, 1).
pub(crate) fn noise(len: usize) -> Vec<f32> {
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Computes what `config` says, at [`SMALL_RATE`].
pub(crate) fn features(config: &FeaturesConfig) -> Features {
    Features::new(config, SMALL_RATE).unwrap()
}

/// The features of `samples` as `config` says, at [`SMALL_RATE`]: `[T, size]`.
pub(crate) fn compute(config: &FeaturesConfig, samples: &[f32]) -> Vec<f32> {
    features(config).compute(samples).unwrap()
}

/// A function that collects steps.
pub(crate) fn collect(steps: &mut Vec<f32>) -> impl FnMut(&[f32]) -> Result<(), Error> {
    |step| {
        steps.extend_from_slice(step);
        Ok(())
    }
}

/// Equal bits, NaN included.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
