//! Random changes of sounds in training.

use serde::{Deserialize, Serialize};

use super::noise::Noise;
use crate::check::{check, size};
use crate::error::Result;
use crate::random::Generator;

/// Random changes of sounds in training, which make a model indifferent to them. All are off unless given. Each sound
/// draws its own, by the training's seed.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct AudioAugment {
    /// Plays a sound faster or slower by a factor of 1 − `speed` to 1 + `speed`, which changes its pitch too (Ko et
    /// al. 2015).
    #[serde(skip_serializing_if = "is_default")]
    pub speed: f64,
    /// Shifts a sound by up to so many seconds: later, after silence, or earlier, without its beginning, of which it
    /// loses a quarter at most.
    #[serde(skip_serializing_if = "is_default")]
    pub time_shift: f64,
    /// Makes a sound louder or softer by up to so many dB.
    #[serde(skip_serializing_if = "is_default")]
    pub gain: f64,
    /// Mixes noise into sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// How many spans of steps are masked: each feature has its mean there (SpecAugment: Park et al. 2019).
    #[serde(skip_serializing_if = "is_default")]
    pub time_masks: usize,
    /// The most steps of such a span; it is never more than a quarter of the sound.
    #[serde(skip_serializing_if = "is_default")]
    pub time_mask_width: usize,
    /// How many spans of bands or coefficients are masked at all steps (ibid.).
    #[serde(skip_serializing_if = "is_default")]
    pub frequency_masks: usize,
    /// The most bands or coefficients of such a span; it is never more than half of them.
    #[serde(skip_serializing_if = "is_default")]
    pub frequency_mask_width: usize,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl AudioAugment {
    pub(super) fn validate(&self) -> Result<()> {
        let speed = "a share from 0 to 0.5";
        check((0.0..=0.5).contains(&self.speed), "input.augment.speed", self.speed, speed)?;
        let shift = "seconds from 0 to 60";
        let fits = (0.0..=60.0).contains(&self.time_shift);
        check(fits, "input.augment.time_shift", self.time_shift, shift)?;
        let gain = "dB from 0 to 60";
        check((0.0..=60.0).contains(&self.gain), "input.augment.gain", self.gain, gain)?;
        for (field, count) in [
            ("input.augment.time_masks", self.time_masks),
            ("input.augment.time_mask_width", self.time_mask_width),
            ("input.augment.frequency_masks", self.frequency_masks),
            ("input.augment.frequency_mask_width", self.frequency_mask_width),
        ] {
            size(field, count, 0)?;
        }
        for (field, masks, width) in [
            ("input.augment.time_masks", self.time_masks, self.time_mask_width),
            ("input.augment.frequency_masks", self.frequency_masks, self.frequency_mask_width),
        ] {
            let expected = "given with its width, or both left out";
            check((masks > 0) == (width > 0), field, masks, expected)?;
        }
        self.noise.as_ref().map_or(Ok(()), Noise::validate)
    }

    /// The sound at `at` of a batch, changed.
    pub(super) fn sound(
        &self,
        batch: &[&[f32]],
        at: usize,
        sample_rate: u32,
        generator: &mut Generator,
    ) -> Vec<f32> {
        let mut sound = batch[at].to_vec();
        if self.speed > 0.0 {
            sound = faster(&sound, 1.0 + self.speed * symmetric(generator));
        }
        if self.time_shift > 0.0 {
            let shift = self.time_shift * symmetric(generator) * f64::from(sample_rate);
            sound = shifted(sound, shift);
        }
        if let Some(noise) = &self.noise {
            noise.mix(&mut sound, batch, at, generator);
        }
        if self.gain > 0.0 {
            let factor = 10f64.powf(self.gain * symmetric(generator) / 20.0) as f32;
            sound.iter_mut().for_each(|sample| *sample *= factor);
        }
        sound
    }

    /// Masks spans of `features: [T, size]`. A step is one or more groups of `bins` features.
    pub(super) fn mask(
        &self,
        features: &mut [f32],
        size: usize,
        bins: usize,
        generator: &mut Generator,
    ) {
        let steps = features.len() / size;
        let means: Vec<f32> = (0..size)
            .map(|at| {
                let column = features.iter().skip(at).step_by(size);
                (column.map(|&x| f64::from(x)).sum::<f64>() / steps as f64) as f32
            })
            .collect();
        for _ in 0..self.time_masks {
            let [from, to] = span(steps, self.time_mask_width.min(steps / 4), generator);
            features[from * size..to * size].chunks_exact_mut(size).for_each(|row| {
                row.copy_from_slice(&means);
            });
        }
        for _ in 0..self.frequency_masks {
            let [from, to] = span(bins, self.frequency_mask_width.min(bins / 2), generator);
            for row in features.chunks_exact_mut(size) {
                for (group, means) in row.chunks_exact_mut(bins).zip(means.chunks_exact(bins)) {
                    group[from..to].copy_from_slice(&means[from..to]);
                }
            }
        }
    }
}

/// A number of a uniform distribution over `[-1, 1)`.
fn symmetric(generator: &mut Generator) -> f64 {
    2.0 * generator.next_f64() - 1.0
}

/// A span of 0 to `width` of `count` things, from the first to behind the last.
fn span(count: usize, width: usize, generator: &mut Generator) -> [usize; 2] {
    let width = (generator.next_f64() * (width + 1) as f64) as usize;
    let from = (generator.next_f64() * (count - width + 1) as f64) as usize;
    [from, from + width]
}

/// A sound played `factor` times as fast, by cubic interpolation (Catmull-Rom).
fn faster(sound: &[f32], factor: f64) -> Vec<f32> {
    let count = ((sound.len() as f64 / factor).round() as usize).max(1);
    let last = sound.len() as isize - 1;
    let at = |index: isize| sound[index.clamp(0, last) as usize];
    let sample = |index: usize| {
        let position = index as f64 * factor;
        let (whole, t) = (position.floor() as isize, position.fract() as f32);
        let [a, b, c, d] = [at(whole - 1), at(whole), at(whole + 1), at(whole + 2)];
        let slope = [0.5 * (c - a), 0.5 * (d - b)];
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * b
            + (t3 - 2.0 * t2 + t) * slope[0]
            + (3.0 * t2 - 2.0 * t3) * c
            + (t3 - t2) * slope[1]
    };
    (0..count).map(sample).collect()
}

/// A sound so many samples later, after silence, or earlier.
fn shifted(mut sound: Vec<f32>, samples: f64) -> Vec<f32> {
    let count = samples.abs().round() as usize;
    if samples < 0.0 {
        sound.drain(..count.min(sound.len() / 4));
        return sound;
    }
    let mut later = vec![0.0; count];
    later.append(&mut sound);
    later
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_tone_is_shorter_and_higher() {
        let tone: Vec<f32> = (0..4000).map(|at| (0.1 * at as f32).sin()).collect();
        let found = faster(&tone, 1.25);
        assert_eq!(found.len(), 3200);
        for (at, &sample) in found.iter().enumerate().take(3198) {
            let expected = (0.125 * at as f32).sin();
            assert!((sample - expected).abs() < 1e-3, "{at}: {sample} {expected}");
        }
        assert_eq!(faster(&tone, 1.0), tone);
        assert_eq!(faster(&[0.5], 2.0), [0.5]);
    }

    #[test]
    fn shifts_are_silence_in_front_or_a_lost_beginning() {
        assert_eq!(shifted(vec![1.0, 2.0], 1.6), [0.0, 0.0, 1.0, 2.0]);
        let long: Vec<f32> = (0..8).map(|at| at as f32).collect();
        assert_eq!(shifted(long.clone(), -1.0), long[1..]);
        assert_eq!(shifted(long.clone(), -100.0), long[2..]);
    }

    #[test]
    fn masked_spans_have_their_means() {
        // 2 groups of 4 bins a step, 12 steps; feature `f` at step `t` is 100 f + t.
        let value = |step: usize, feature: usize| (100 * feature + step) as f32;
        let all = |f: fn(f32, usize, usize) -> f32| -> Vec<f32> {
            (0..96).map(|at| f(value(at / 8, at % 8), at / 8, at % 8)).collect()
        };
        let mean = |feature: usize| 100.0 * feature as f32 + 5.5;
        let before = all(|value, _, _| value);
        let (mut steps, mut bins) = (0, 0);
        for seed in 0..50 {
            let generator = &mut Generator::seed_from_u64(seed);
            let (mut found, mut other) = (before.clone(), before.clone());
            let time = AudioAugment { time_masks: 1, time_mask_width: 9, ..Default::default() };
            time.mask(&mut found, 8, 4, generator);
            let masked: Vec<_> = (0..12).filter(|&step| found[8 * step] == mean(0)).collect();
            assert!(masked.len() <= 3 && masked.windows(2).all(|pair| pair[1] == pair[0] + 1));
            for at in 0..96 {
                let is_masked = masked.contains(&(at / 8));
                assert_eq!(found[at], if is_masked { mean(at % 8) } else { before[at] });
            }
            steps = steps.max(masked.len());
            let frequency =
                AudioAugment { frequency_masks: 1, frequency_mask_width: 3, ..Default::default() };
            frequency.mask(&mut other, 8, 4, generator);
            let masked: Vec<_> = (0..4).filter(|&bin| other[bin] == mean(bin)).collect();
            assert!(masked.len() <= 2);
            for at in 0..96 {
                let is_masked = masked.contains(&(at % 4));
                assert_eq!(other[at], if is_masked { mean(at % 8) } else { before[at] });
            }
            bins = bins.max(masked.len());
        }
        assert_eq!([steps, bins], [3, 2]);
    }

    #[test]
    fn sounds_of_one_sample_stand_every_change() {
        let augment = AudioAugment {
            speed: 0.5,
            time_shift: 0.1,
            gain: 20.0,
            noise: Some(Noise {
                kind: super::super::NoiseKind::Babble,
                snr: [0.0, 1.0],
                probability: 1.0,
            }),
            time_masks: 3,
            time_mask_width: 50,
            frequency_masks: 3,
            frequency_mask_width: 50,
        };
        augment.validate().unwrap();
        for seed in 0..20 {
            let generator = &mut Generator::seed_from_u64(seed);
            let sound = augment.sound(&[&[0.5], &[0.1]], 0, 10, generator);
            assert!(!sound.is_empty() && sound.iter().all(|sample| sample.is_finite()));
            let mut features = [1.0, 2.0];
            augment.mask(&mut features, 2, 1, generator);
            assert_eq!(features, [1.0, 2.0]);
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let none = AudioAugment::default;
        for (augment, field) in [
            (AudioAugment { speed: 0.6, ..none() }, "speed"),
            (AudioAugment { speed: f64::NAN, ..none() }, "speed"),
            (AudioAugment { time_shift: -1.0, ..none() }, "time_shift"),
            (AudioAugment { gain: 61.0, ..none() }, "gain"),
            (AudioAugment { time_masks: 1, ..none() }, "time_masks"),
            (AudioAugment { frequency_mask_width: 1, ..none() }, "frequency_masks"),
        ] {
            let error = augment.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.augment.{field}`")), "{error}");
        }
        let noise =
            |snr, probability| Noise { kind: super::super::NoiseKind::White, snr, probability };
        for (noise, field) in [
            (noise([5.0, 0.0], 0.5), "snr"),
            (noise([f64::NEG_INFINITY, 0.0], 0.5), "snr"),
            (noise([0.0, 5.0], 1.5), "probability"),
        ] {
            let error = noise.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.augment.noise.{field}`")), "{error}");
        }
    }
}
