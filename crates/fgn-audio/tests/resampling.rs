//! A resampled tone is the tone at the new rate, at its time; what the new rate cannot represent is gone.

#![allow(clippy::unwrap_used)]

use std::f64::consts::TAU;

use fgn_audio::resampling::{Resampler, resample};

const RATES: [(u32, u32); 9] = [
    (48_000, 16_000),
    (44_100, 16_000),
    (44_100, 8_000),
    (8_000, 16_000),
    (16_000, 22_050),
    (11_025, 8_000),
    (22_050, 44_100),
    (96_000, 44_100),
    (8_000, 7_919),
];

/// Numbers from 0 to 1 that look random.
fn random(at: usize) -> f64 {
    (at as u64 * 2_654_435_769 % (1 << 32)) as f64 / (1_u64 << 32) as f64
}

fn tone(frequency: f64, phase: f64, rate: u32, count: usize) -> Vec<f32> {
    let sample = |at: usize| (TAU * (frequency * at as f64 / f64::from(rate) + phase)).sin() as f32;
    (0..count).map(sample).collect()
}

/// The samples that are far from the ends, where the tone begins and stops.
fn middle(samples: &[f32], rate: u32) -> std::ops::Range<usize> {
    let edge = (rate / 3) as usize;
    edge..samples.len() - edge
}

#[test]
fn a_tone_below_both_nyquist_frequencies_is_the_tone_at_the_new_rate() {
    for (pair, (from, to)) in RATES.into_iter().enumerate() {
        for round in 0..4 {
            let at = pair * 4 + round + 1;
            let frequency = (0.01 + 0.92 * random(at)) * f64::from(from.min(to)) / 2.0;
            let count = from as usize + 11 * at;
            let found = resample(&tone(frequency, random(at + 50), from, count), from, to).unwrap();
            assert_eq!(found.len(), (count * to as usize).div_ceil(from as usize));
            let expected = tone(frequency, random(at + 50), to, found.len());
            for at in middle(&found, to) {
                let error = (found[at] - expected[at]).abs();
                assert!(error < 1e-3, "{from} to {to}, {frequency} Hz, sample {at}: {error}");
            }
        }
    }
}

#[test]
fn a_tone_above_the_new_nyquist_frequency_is_gone() {
    for (from, to) in RATES.into_iter().filter(|(from, to)| from > to) {
        for round in 1..4 {
            let (low, high) = (f64::from(to) / 2.0, f64::from(from) / 2.0);
            let frequency = low + (0.02 + 0.95 * random(round)) * (high - low);
            let found = resample(&tone(frequency, 0.1, from, from as usize), from, to).unwrap();
            let range = middle(&found, to);
            let power: f64 = found[range.clone()].iter().map(|&it| f64::from(it).powi(2)).sum();
            let decibels = 10.0 * (power / range.len() as f64 / 0.5).log10();
            assert!(decibels < -60.0, "{from} to {to}, {frequency} Hz: {decibels} dB");
        }
    }
}

#[test]
fn an_impulse_stays_at_its_time() {
    for (from, to) in RATES {
        let mut samples = vec![0.0; from as usize];
        // A raised cosine around half a second: its middle is at a whole sample of both rates.
        let (middle, half) = (from as usize / 2, from as usize / 20);
        for offset in 0..=2 * half {
            let angle = TAU * offset as f64 / (2 * half) as f64;
            samples[middle - half + offset] = (0.5 - 0.5 * angle.cos()) as f32;
        }
        let found = resample(&samples, from, to).unwrap();
        let weight: f64 = found.iter().map(|&it| f64::from(it)).sum();
        let at: f64 = found.iter().enumerate().map(|(at, &it)| at as f64 * f64::from(it)).sum();
        let expected = middle as f64 * f64::from(to) / f64::from(from);
        assert!((at / weight - expected).abs() < 0.01, "{from} to {to}: {}", at / weight);
    }
}

#[test]
fn chunks_of_any_size_give_the_same_bits() {
    for (from, to) in [(44_100, 16_000), (8_000, 22_050), (16_000, 16_000)] {
        let samples: Vec<f32> = (0..20_011).map(|at| random(at) as f32 - 0.5).collect();
        let whole = resample(&samples, from, to).unwrap();
        let mut resampler = Resampler::new(from, to).unwrap();
        for size in [1, 160, 4_096, 20_011] {
            let mut found = Vec::new();
            for chunk in samples.chunks(size) {
                found.extend(resampler.push(chunk).unwrap());
            }
            found.extend(resampler.flush().unwrap());
            assert!(found == whole, "{from} to {to}, chunks of {size}");
        }
        assert_eq!(resampler.flush().unwrap(), []);
    }
}

#[test]
fn short_sounds_have_their_length_and_absurd_rates_are_refused() {
    for count in [1, 2, 3, 700] {
        assert_eq!(resample(&vec![0.5; count], 8_000, 16_000).unwrap().len(), 2 * count);
        assert_eq!(resample(&vec![0.5; count], 16_000, 8_000).unwrap().len(), count.div_ceil(2));
    }
    assert_eq!(resample(&[], 8_000, 16_000).unwrap(), []);
    for (from, to) in [(0, 8_000), (8_000, 999), (768_001, 8_000)] {
        assert!(resample(&[0.0], from, to).is_err(), "{from} to {to}");
    }
}
