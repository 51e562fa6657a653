//! Per-channel energy normalisation: automatic gain control of each mel band, then compression.

use super::config::PcenConfig;

/// The level of each band, and what is done with it.
#[derive(Debug)]
pub(super) struct Pcen {
    config: PcenConfig,
    /// How much of a new frame enters the level.
    smoothing: f64,
    levels: Vec<f64>,
}

/// The level of a band before the first frame.
const INITIAL_LEVEL: f64 = 1.0;

impl Pcen {
    pub(super) fn new(config: PcenConfig, frames_per_second: f64, n_mels: usize) -> Self {
        let frames = config.time_constant * frames_per_second;
        // (√(1 + 4 T²) − 1) / (2 T²), without the difference of nearly equal numbers.
        let smoothing = 2.0 / ((1.0 + 4.0 * frames * frames).sqrt() + 1.0);
        Self { config, smoothing, levels: vec![INITIAL_LEVEL; n_mels] }
    }

    /// Normalises the bands of the next frame.
    pub(super) fn apply(&mut self, mel: &mut [f32]) {
        let PcenConfig { gain, bias, power, eps, .. } = self.config;
        for (mel, level) in mel.iter_mut().zip(&mut self.levels) {
            let energy = f64::from(*mel);
            *level += self.smoothing * (energy - *level);
            let normalized = energy * (eps + *level).powf(-gain);
            *mel = ((normalized + bias).powf(power) - bias.powf(power)) as f32;
        }
    }

    pub(super) fn reset(&mut self) {
        self.levels.fill(INITIAL_LEVEL);
    }
}
