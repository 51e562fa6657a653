//! Noise, mixed into sounds.

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::error::Result;
use crate::random::Generator;

/// How many other sounds of a batch are mixed to babble.
const VOICES: usize = 3;

/// Noise that is mixed into sounds in training.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Which noise.
    pub kind: NoiseKind,
    /// The least and the largest ratio of the sound's power to the noise's, in dB: each sound draws its own.
    pub snr: [f64; 2],
    /// The share of sounds that get noise: half of them if left out.
    #[serde(default = "half")]
    pub probability: f64,
}

fn half() -> f64 {
    0.5
}

/// A kind of noise.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoiseKind {
    /// The same power in every band of the same width in Hz.
    White,
    /// The same power in every octave.
    Pink,
    /// Other sounds of the batch, a few at once; white noise where the batch has no other.
    Babble,
}

impl Noise {
    pub(super) fn validate(&self) -> Result<()> {
        let [least, most] = self.snr;
        let fits = least.is_finite() && most.is_finite() && least <= most;
        let expected = "two numbers in dB, the smaller one first";
        check(fits, "input.augment.noise.snr", format!("{:?}", self.snr), expected)?;
        let fits = (0.0..=1.0).contains(&self.probability);
        let field = "input.augment.noise.probability";
        check(fits, field, self.probability, "a probability from 0 to 1")
    }

    /// Mixes noise into `sound`, which is the one at `at` of the batch.
    pub(super) fn mix(
        &self,
        sound: &mut [f32],
        batch: &[&[f32]],
        at: usize,
        generator: &mut Generator,
    ) {
        let drawn = generator.next_f64();
        let [least, most] = self.snr;
        let snr = least + (most - least) * generator.next_f64();
        if drawn >= self.probability {
            return;
        }
        let noise = match self.kind {
            NoiseKind::White => white(sound.len(), generator),
            NoiseKind::Pink => pink(sound.len(), generator),
            NoiseKind::Babble => babble(sound.len(), batch, at, generator),
        };
        let (loudness, of_noise) = (rms(sound), rms(&noise));
        if loudness > 0.0 && of_noise > 0.0 {
            let factor = (loudness / of_noise * 10f64.powf(-snr / 20.0)) as f32;
            sound.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += factor * noise);
        }
    }
}

/// The root of the mean square.
fn rms(sound: &[f32]) -> f64 {
    let sum: f64 = sound.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (sum / sound.len().max(1) as f64).sqrt()
}

fn white(count: usize, generator: &mut Generator) -> Vec<f32> {
    (0..count).map(|_| StandardNormal.sample(generator.rng())).collect()
}

/// White noise through three first-order low-pass filters whose sum falls by 3 dB an octave (P. Kellet's economy
/// filter, within 0.5 dB from 1/1000 of the sample rate on).
fn pink(count: usize, generator: &mut Generator) -> Vec<f32> {
    let mut low = [0f32; 3];
    let filter = |white: f32| {
        low[0] = 0.997_65 * low[0] + 0.099_046 * white;
        low[1] = 0.963 * low[1] + 0.296_516_4 * white;
        low[2] = 0.57 * low[2] + 1.052_691_3 * white;
        low[0] + low[1] + low[2] + 0.1848 * white
    };
    white(count, generator).into_iter().map(filter).collect()
}

/// Other sounds of the batch at once, each from a random sample on, repeated to the length.
fn babble(count: usize, batch: &[&[f32]], at: usize, generator: &mut Generator) -> Vec<f32> {
    let others: Vec<_> = (0..batch.len()).filter(|&other| other != at).collect();
    let mut draw = |below: usize| (generator.next_f64() * below as f64) as usize;
    let mut mixed = vec![0.0; count];
    for _ in 0..VOICES.min(others.len()) {
        let voice = batch[others[draw(others.len())]];
        let start = draw(voice.len());
        let voice = voice.iter().cycle().skip(start);
        mixed.iter_mut().zip(voice).for_each(|(sum, &sample)| *sum += sample);
    }
    if others.is_empty() { white(count, generator) } else { mixed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(kind: NoiseKind, snr: f64) -> (Vec<f32>, Vec<f32>) {
        let tone =
            |rate: f32| -> Vec<f32> { (0..8000).map(|at| (rate * at as f32).sin()).collect() };
        let (own, other) = (tone(0.3), tone(0.7));
        let noise = Noise { kind, snr: [snr; 2], probability: 1.0 };
        let mut sound = own.clone();
        noise.mix(&mut sound, &[&own, &other], 0, &mut Generator::seed_from_u64(3));
        let added = sound.iter().zip(&own).map(|(sound, own)| sound - own).collect();
        (own, added)
    }

    #[test]
    fn the_noise_has_the_power_drawn() {
        for kind in [NoiseKind::White, NoiseKind::Pink, NoiseKind::Babble] {
            let (own, added) = mixed(kind, 7.0);
            let snr = 20.0 * (rms(&own) / rms(&added)).log10();
            assert!((snr - 7.0).abs() < 1e-3, "{kind:?}: {snr}");
        }
    }

    #[test]
    fn pink_noise_falls_by_3_db_an_octave() {
        let noise = pink(1 << 16, &mut Generator::seed_from_u64(5));
        // The power about a frequency, as a share of the sample rate, by sums over short pieces.
        let power = |frequency: f64| {
            let piece = |samples: &[f32]| {
                let turn = std::f64::consts::TAU * frequency;
                let sum = |wave: fn(f64) -> f64| -> f64 {
                    let all = samples.iter().enumerate();
                    all.map(|(at, &x)| f64::from(x) * wave(turn * at as f64)).sum()
                };
                sum(f64::sin).powi(2) + sum(f64::cos).powi(2)
            };
            noise.chunks_exact(256).map(piece).sum::<f64>()
        };
        for frequency in [0.02, 0.04, 0.08, 0.16] {
            let octave = 10.0 * (power(frequency) / power(2.0 * frequency)).log10();
            assert!((octave - 3.0).abs() < 1.5, "{frequency}: {octave}");
        }
    }

    #[test]
    fn the_share_of_sounds_with_noise_is_the_probability() {
        let noise = Noise { kind: NoiseKind::White, snr: [0.0, 10.0], probability: 0.25 };
        let generator = &mut Generator::seed_from_u64(1);
        let changed = (0..2000).filter(|_| {
            let mut sound = [1.0, -1.0];
            noise.mix(&mut sound, &[], 0, generator);
            sound != [1.0, -1.0]
        });
        let share = changed.count() as f64 / 2000.0;
        assert!((share - 0.25).abs() < 0.04, "{share}");
    }
}
