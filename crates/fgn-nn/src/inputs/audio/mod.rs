//! Sounds.

mod augment;
mod noise;

use candle_core::{DType, Device, Tensor};
use fgn_audio::features::{Features, FeaturesConfig};
use fgn_schema::{InputSchema, Moments, Padded, Statistics};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::augment::AudioAugment;
use self::augment::is_default;
pub use self::noise::{Noise, NoiseKind};
use super::kind::{InputKind, InputLayer};
use crate::check::{moments, wrong_shape};
use crate::completion;
use crate::dropout::Mode;
use crate::error::Result;
use crate::parameters::Parameters;
use crate::random::Generator;
use crate::sequences::Sequences;

/// Sounds `[B, N]`, one channel of samples, become sequences of spectral features `[T, B, I]`: see
/// [`fgn_audio::features`] for their computation. It has no parameters. In training it can change sounds at random
/// ([`AudioAugment`]).
///
/// A stream computes the same features, to the last bit: see [`Model::sound_stream`](crate::Model::sound_stream).
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Audio {
    /// Samples a second.
    pub sample_rate: u32,
    /// Which features, and how they are computed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub front_end: FeaturesConfig,
    /// The mean and the standard deviation of the samples: the layer subtracts the one and divides by the other, so
    /// that sounds are about as loud as `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Moments>,
    /// How sounds are changed in training.
    #[serde(default, skip_serializing_if = "is_default")]
    pub augment: AudioAugment,
}

impl Audio {
    /// The logarithm of 40 mel bands, for sounds at that rate.
    pub fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            front_end: FeaturesConfig::default(),
            scale: None,
            augment: AudioAugment::default(),
        }
    }

    /// The seconds from one step to the next.
    ///
    /// # Errors
    /// [`Error::Audio`](crate::Error::Audio) for an invalid value.
    pub fn step_seconds(&self) -> Result<f64> {
        Ok(self.build_front_end()?.features.step_seconds())
    }

    /// The seconds from the beginning of a step until it is known, in a stream.
    ///
    /// # Errors
    /// [`Error::Audio`](crate::Error::Audio) for an invalid value.
    pub fn delay_seconds(&self) -> Result<f64> {
        Ok(self.build_front_end()?.features.delay_seconds())
    }

    /// What computes the features.
    pub(crate) fn build_front_end(&self) -> Result<FrontEnd> {
        let features = Features::new(&self.front_end, self.sample_rate)?;
        let scale = self.scale.as_ref();
        let [mean, factor] = match scale.map(|scale| (&scale.mean[..], &scale.std[..])) {
            Some((&[mean], &[std])) => [mean as f32, (1.0 / std) as f32],
            _ => [0.0, 1.0],
        };
        Ok(FrontEnd { features, mean, factor })
    }
}

impl InputKind for Audio {
    fn stand_in() -> InputSchema {
        InputSchema::Audio { sample_rate: 16_000 }
    }

    fn complete(
        _: &Map<String, Value>,
        samples: &InputSchema,
        statistics: &Statistics,
    ) -> Option<Map<String, Value>> {
        let InputSchema::Audio { sample_rate } = *samples else { return None };
        let mut keys = Map::from_iter([("sample_rate".into(), json!(sample_rate))]);
        if let Some(found) = &statistics.input {
            keys.insert("scale".into(), completion::moments(found));
        }
        Some(keys)
    }

    fn validate(&self) -> Result<()> {
        if let Some(scale) = &self.scale {
            moments("input.scale", scale, 1)?;
        }
        self.augment.validate()?;
        self.build_front_end().map(|_| ())
    }

    fn samples(&self) -> InputSchema {
        InputSchema::Audio { sample_rate: self.sample_rate }
    }

    fn features(&self) -> usize {
        self.front_end.size()
    }

    fn scale(&self) -> Option<&Moments> {
        self.scale.as_ref()
    }

    /// Samples of sounds are in `F32`, whatever the model computes in.
    fn dtype(&self, _: DType) -> DType {
        DType::F32
    }

    fn build(&self, parameters: &mut Parameters, _: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let (dtype, device) = (parameters.dtype(), parameters.device().clone());
        Ok(Box::new(Layer {
            config: self.clone(),
            front_end: self.build_front_end()?,
            dtype,
            device,
        }))
    }
}

/// Computes the features of sounds of a known loudness.
#[derive(Clone, Debug)]
pub(crate) struct FrontEnd {
    pub(crate) features: Features,
    mean: f32,
    factor: f32,
}

impl FrontEnd {
    /// A sample as the features see it.
    pub(crate) fn scaled(&self, sample: f32) -> f32 {
        (sample - self.mean) * self.factor
    }
}

#[derive(Debug)]
struct Layer {
    config: Audio,
    front_end: FrontEnd,
    /// The model's type.
    dtype: DType,
    device: Device,
}

impl InputLayer for Layer {
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences> {
        let x = samples.tensor();
        let &[batch, longest] = x.dims() else { return Err(wrong(x)) };
        if batch * longest == 0 {
            return Err(wrong(x));
        }
        let x = x.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
        let length = |at: usize| samples.lengths().map_or(longest, |lengths| lengths[at]);
        let sounds: Vec<&[f32]> = (0..batch).map(|at| &x[at][..length(at)]).collect();
        // One seed each, so that the sounds can be changed at the same time.
        let seeds: Option<Vec<u64>> = match mode {
            Mode::Train(generator) if !is_default(&self.config.augment) => {
                Some((0..batch).map(|_| generator.next_u64()).collect())
            }
            _ => None,
        };
        let each = (0..batch).into_par_iter();
        let features = each.map(|at| self.features(&sounds, at, seeds.as_ref().map(|s| s[at])));
        self.sequences(&features.collect::<Result<Vec<_>>>()?)
    }
}

fn wrong(x: &Tensor) -> crate::error::Error {
    wrong_shape("sounds", x, "[B, N], neither zero".into())
}

impl Layer {
    /// The features `[T, I]` of the sound at `at`, changed by `seed` where there is one.
    fn features(&self, sounds: &[&[f32]], at: usize, seed: Option<u64>) -> Result<Vec<f32>> {
        let front_end = &self.front_end;
        let compute = |sound: &[f32]| {
            let scaled: Vec<f32> = sound.iter().map(|&x| front_end.scaled(x)).collect();
            Ok(front_end.features.compute(&scaled)?)
        };
        let Some(seed) = seed else { return compute(sounds[at]) };
        let generator = &mut Generator::seed_from_u64(seed);
        let augment = &self.config.augment;
        let sound = augment.sound(sounds, at, self.config.sample_rate, generator);
        let mut features = compute(&sound)?;
        let (size, bins) = (front_end.features.size(), self.config.front_end.bins());
        augment.mask(&mut features, size, bins, generator);
        Ok(features)
    }

    /// `[T, B, I]`, padded with zeros.
    fn sequences(&self, features: &[Vec<f32>]) -> Result<Sequences> {
        let (batch, size) = (features.len(), self.front_end.features.size());
        let lengths: Vec<usize> = features.iter().map(|features| features.len() / size).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let mut all = vec![0.0; steps * batch * size];
        for (at, features) in features.iter().enumerate() {
            for (step, row) in features.chunks_exact(size).enumerate() {
                all[(step * batch + at) * size..][..size].copy_from_slice(row);
            }
        }
        let all = Tensor::from_vec(all, (steps, batch, size), &Device::Cpu)?;
        let all = all.to_dtype(self.dtype)?.to_device(&self.device)?;
        let same = lengths.iter().all(|&length| length == steps);
        Sequences::new(all, (!same).then_some(lengths))
    }
}

#[cfg(test)]
mod tests;
