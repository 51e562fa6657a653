//! From a frame of samples to its features.

use std::sync::Arc;

use super::config::FeatureKind;
use super::pcen::Pcen;
use super::plan::Plan;
use super::stft::Buffers;

/// Computes frame after frame of one signal.
#[derive(Debug)]
pub(super) struct FrameFeatures {
    plan: Arc<Plan>,
    buffers: Buffers,
    power: Vec<f32>,
    mel: Vec<f32>,
    pcen: Option<Pcen>,
    cepstrum: Vec<f32>,
}

impl FrameFeatures {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let config = &plan.config;
        let has_pcen = config.features == FeatureKind::Pcen;
        let pcen = || Pcen::new(config.pcen, plan.frames_per_second(), config.n_mels);
        Self {
            buffers: plan.stft.buffers(),
            power: vec![0.0; plan.sizes.n_fft / 2 + 1],
            mel: vec![0.0; config.n_mels],
            pcen: has_pcen.then(pcen),
            cepstrum: vec![0.0; plan.dct.as_ref().map_or(0, |_| config.n_mfcc)],
            plan,
        }
    }

    /// The features of the next frame, without deltas.
    pub(super) fn compute(&mut self, frame: &[f32]) -> &[f32] {
        let Plan { stft, filters, dct, config, .. } = &*self.plan;
        stft.power(frame, &mut self.buffers, &mut self.power);
        filters.apply(&self.power, &mut self.mel);
        if let Some(pcen) = &mut self.pcen {
            pcen.apply(&mut self.mel);
        }
        if matches!(config.features, FeatureKind::LogMel | FeatureKind::Mfcc) {
            let offset = config.log_offset as f32;
            self.mel.iter_mut().for_each(|mel| *mel = (*mel + offset).ln());
        }
        match dct {
            Some(dct) => {
                dct.apply(&self.mel, &mut self.cepstrum);
                &self.cepstrum
            }
            None => &self.mel,
        }
    }

    pub(super) fn reset(&mut self) {
        if let Some(pcen) = &mut self.pcen {
            pcen.reset();
        }
    }
}
