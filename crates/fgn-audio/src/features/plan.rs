//! What follows from a configuration, for any number of signals.

use std::fmt;

use super::cepstrum::Dct;
use super::config::{FeatureKind, FeaturesConfig, Sizes};
use super::deltas::LOOK_AHEAD;
use super::mel::MelFilterBank;
use super::stft::Stft;
use crate::error::Result;

/// A checked configuration and sample rate, with all tables.
pub(super) struct Plan {
    pub(super) config: FeaturesConfig,
    /// In Hz.
    pub(super) sample_rate: u32,
    pub(super) sizes: Sizes,
    pub(super) stft: Stft,
    pub(super) filters: MelFilterBank,
    /// For `mfcc`.
    pub(super) dct: Option<Dct>,
}

impl Plan {
    pub(super) fn new(config: &FeaturesConfig, sample_rate: u32) -> Result<Self> {
        config.check(sample_rate)?;
        let sizes = config.sizes(sample_rate);
        let has_dct = config.features == FeatureKind::Mfcc;
        Ok(Self {
            config: config.clone(),
            sample_rate,
            sizes,
            stft: Stft::new(sizes.win_length, sizes.n_fft),
            filters: MelFilterBank::new(config, sample_rate)?,
            dct: has_dct.then(|| Dct::new(config.n_mfcc, config.n_mels)),
        })
    }

    /// The number of frames of a signal.
    pub(super) fn frames(&self, samples: usize) -> usize {
        let Sizes { n_fft, hop_length, .. } = self.sizes;
        match samples {
            0 => 0,
            _ => samples.saturating_sub(n_fft) / hop_length + 1,
        }
    }

    pub(super) fn frames_per_second(&self) -> f64 {
        f64::from(self.sample_rate) / self.sizes.hop_length as f64
    }

    /// From the first sample of a step to the first one of the next.
    pub(super) fn step_samples(&self) -> usize {
        self.sizes.hop_length * self.config.stack
    }

    /// From the first sample of a step to the last one that it needs.
    pub(super) fn delay_samples(&self) -> usize {
        let later = self.config.stack - 1 + LOOK_AHEAD * self.config.deltas;
        self.sizes.n_fft + later * self.sizes.hop_length
    }
}

/// Without the tables.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("config", &self.config)
            .field("sample_rate", &self.sample_rate)
            .finish_non_exhaustive()
    }
}
