//! Sequences of the tones of a telephone's keys, as sound. The data is synthetic: it is computed, not recorded.
//!
//! A key is the sum of two sines (dual-tone multi-frequency, DTMF), of the frequencies of ITU-T Recommendation Q.23.
//! Durations, levels, phases and the noise are drawn, within what Q.24 says that receivers must accept; a sequence may
//! hold a key several times in a row, so that a model must hear the gaps. Every sequence follows from its part and its
//! index alone, and is computed when a batch asks for it.

use std::f64::consts::TAU;

use fgn_schema::Tokenizer;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::fingerprint::Fingerprinter;
use crate::readers::audio::samples::Source;
use crate::sampling::generator;

/// The keys, row by row.
pub(super) const KEYS: &str = "123A456B789C*0#D";
/// The frequencies of the rows and of the columns, in Hz.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The sample rate, if nothing else is asked for, in Hz.
pub(super) const SAMPLE_RATE: u32 = 8_000;
/// The lowest sample rate: all frequencies are well below half of it.
pub(super) const LOWEST_RATE: u32 = 4_000;

const MOST_KEYS: usize = 8;
/// How often a key is that before it, besides by chance.
const REPEATED: f64 = 0.1;
/// How long a tone lasts, and a gap, in seconds.
const TONE: [f64; 2] = [0.060, 0.150];
const GAP: [f64; 2] = [0.040, 0.150];
/// The level of a sequence: the largest value of its tones, in decibels below full scale.
const LEVEL: [f64; 2] = [-20.0, -3.0];
/// How much louder the higher of both frequencies is, in decibels.
const TWIST: [f64; 2] = [-4.0, 4.0];
/// The power of the tones over that of the white noise, in decibels.
const SNR: [f64; 2] = [5.0, 30.0];
/// How often there is no noise at all.
const CLEAN: f64 = 0.1;

/// Sequences of tones.
#[derive(Debug)]
pub(super) struct Tones {
    pub(super) part: u64,
    pub(super) count: u32,
    pub(super) sample_rate: u32,
    pub(super) tokenizer: Tokenizer,
    /// The token at the end of every text.
    pub(super) end: u32,
}

/// What is drawn of a sequence.
#[derive(Debug, PartialEq)]
struct Sequence {
    keys: Vec<usize>,
    /// The silence before each key and after the last, and the tone of each, in seconds.
    gaps: Vec<f64>,
    durations: Vec<f64>,
    /// The phases of both sines of each key, in turns.
    phases: Vec<[f64; 2]>,
    /// The amplitudes of the lower and the higher frequency.
    amplitudes: [f64; 2],
    /// The standard deviation of the noise.
    noise: f64,
}

fn between([least, most]: [f64; 2], rng: &mut ChaCha8Rng) -> f64 {
    least + (most - least) * rng.random::<f64>()
}

fn decibels(value: f64) -> f64 {
    10_f64.powf(value / 20.0)
}

impl Sequence {
    fn draw(rng: &mut ChaCha8Rng) -> Sequence {
        let count = rng.random_range(1..=MOST_KEYS as u32) as usize;
        let mut keys: Vec<usize> = Vec::with_capacity(count);
        for _ in 0..count {
            let key = rng.random_range(0..KEYS.len() as u32) as usize;
            let is_repeated = rng.random::<f64>() < REPEATED;
            keys.push(keys.last().copied().filter(|_| is_repeated).unwrap_or(key));
        }
        let (level, ratio) = (decibels(between(LEVEL, rng)), decibels(between(TWIST, rng)));
        let amplitudes = [level / (1.0 + ratio), level * ratio / (1.0 + ratio)];
        let power: f64 = amplitudes.iter().map(|amplitude| amplitude * amplitude / 2.0).sum();
        let is_clean = rng.random::<f64>() < CLEAN;
        let noise = power.sqrt() / decibels(between(SNR, rng));
        let noise = if is_clean { 0.0 } else { noise };
        Sequence {
            gaps: (0..=count).map(|_| between(GAP, rng)).collect(),
            durations: keys.iter().map(|_| between(TONE, rng)).collect(),
            phases: keys.iter().map(|_| [rng.random(), rng.random()]).collect(),
            keys,
            amplitudes,
            noise,
        }
    }

    /// The tones without noise.
    fn tones(&self, sample_rate: u32) -> Vec<f64> {
        let rate = f64::from(sample_rate);
        let samples = |seconds: f64| (seconds * rate).round() as usize;
        let mut all = Vec::new();
        let silence = |all: &mut Vec<f64>, gap: f64| all.resize(all.len() + samples(gap), 0.0);
        for (at, &key) in self.keys.iter().enumerate() {
            silence(&mut all, self.gaps[at]);
            let frequencies = [ROWS[key / 4], COLUMNS[key % 4]];
            let start = all.len();
            all.resize(start + samples(self.durations[at]), 0.0);
            for (sine, frequency) in frequencies.into_iter().enumerate() {
                let (step, phase) = (TAU * frequency / rate, TAU * self.phases[at][sine]);
                add_sine(&mut all[start..], self.amplitudes[sine], step, phase);
            }
        }
        silence(&mut all, self.gaps.last().copied().unwrap_or(0.0));
        all
    }
}

/// Adds a sine, each value of which follows from the two before it.
fn add_sine(into: &mut [f64], amplitude: f64, step: f64, phase: f64) {
    let (mut last, mut value) = (amplitude * (phase - step).sin(), amplitude * phase.sin());
    let factor = 2.0 * step.cos();
    for sample in into {
        *sample += value;
        (last, value) = (value, factor * value - last);
    }
}

/// Two numbers of a normal distribution (Box & Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let angle = TAU * rng.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}

impl Tones {
    fn generator(&self, index: usize) -> ChaCha8Rng {
        generator(*b"dtmf....", self.part, index as u64)
    }
}

impl Source for Tones {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn sound(&self, index: usize) -> Result<Vec<f32>> {
        let mut rng = self.generator(index);
        let sequence = Sequence::draw(&mut rng);
        let mut samples = sequence.tones(self.sample_rate);
        for pair in samples.chunks_mut(2) {
            for (sample, noise) in pair.iter_mut().zip(normal(&mut rng)) {
                *sample = (*sample + sequence.noise * noise).clamp(-1.0, 1.0);
            }
        }
        Ok(samples.into_iter().map(|sample| sample as f32).collect())
    }

    fn target(&self, index: usize) -> Result<Vec<u32>> {
        let keys = Sequence::draw(&mut self.generator(index)).keys;
        let text: String = keys.iter().filter_map(|&key| KEYS.chars().nth(key)).collect();
        let mut tokens = self.tokenizer.encode(&text)?;
        tokens.push(self.end);
        Ok(tokens)
    }

    fn title(&self, index: usize) -> String {
        format!("sequence {index}")
    }

    /// Of what the sequences follow from.
    fn fingerprint(&self, content: &mut Fingerprinter) {
        content.bytes(b"dtmf 2");
        let Tones { part, count, sample_rate, end, .. } = *self;
        [part, count.into(), sample_rate.into(), end.into()]
            .iter()
            .for_each(|&number| content.number(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(index: u64) -> Sequence {
        Sequence::draw(&mut generator(*b"dtmf....", 1, index))
    }

    #[test]
    fn draws_stay_in_their_ranges_and_reach_them() {
        let all: Vec<Sequence> = (0..2_000).map(drawn).collect();
        let within = |values: Vec<f64>, [least, most]: [f64; 2], what: &str| {
            let found = values
                .iter()
                .copied()
                .fold([f64::MAX, f64::MIN], |[low, high], value| [value.min(low), value.max(high)]);
            let edge = (most - least) / 50.0;
            assert!(found[0] >= least - 1e-9 && found[0] < least + edge, "{what}: {found:?}");
            assert!(found[1] <= most + 1e-9 && found[1] > most - edge, "{what}: {found:?}");
        };
        let log = |ratio: f64| 20.0 * ratio.log10();
        let power = |it: &Sequence| it.amplitudes.map(|a| a * a / 2.0).iter().sum::<f64>();
        within(all.iter().map(|it| it.keys.len() as f64).collect(), [1.0, 8.0], "keys");
        within(all.iter().flat_map(|it| it.gaps.clone()).collect(), GAP, "gaps");
        within(all.iter().flat_map(|it| it.durations.clone()).collect(), TONE, "tones");
        within(all.iter().map(|it| log(it.amplitudes.iter().sum())).collect(), LEVEL, "level");
        within(
            all.iter().map(|it| log(it.amplitudes[1] / it.amplitudes[0])).collect(),
            TWIST,
            "twist",
        );
        let noisy: Vec<&Sequence> = all.iter().filter(|it| it.noise > 0.0).collect();
        within(noisy.iter().map(|it| log(power(it).sqrt() / it.noise)).collect(), SNR, "noise");
        assert!((150..250).contains(&(all.len() - noisy.len())), "{}", noisy.len());
        let pairs: Vec<bool> =
            all.iter().flat_map(|it| it.keys.windows(2).map(|pair| pair[0] == pair[1])).collect();
        let share = pairs.iter().filter(|&&same| same).count() as f64 / pairs.len() as f64;
        assert!((share - (0.1 + 0.9 / 16.0)).abs() < 0.02, "{share}");
    }

    #[test]
    fn a_sine_of_two_values_before_it_is_the_sine() {
        let mut found = vec![0.25; 1_200];
        add_sine(&mut found, 0.5, TAU * 1633.0 / 8000.0, 1.0);
        for (at, value) in found.iter().enumerate() {
            let expected = 0.25 + 0.5 * (TAU * 1633.0 / 8000.0 * at as f64 + 1.0).sin();
            assert!((value - expected).abs() < 1e-9, "{at}");
        }
    }

    /// Another sequence would silently change every run that is repeated.
    #[test]
    fn sequences_stay_what_they_were() {
        let keys = |index| -> String {
            drawn(index).keys.iter().map(|&key| KEYS.chars().nth(key).unwrap()).collect()
        };
        assert_eq!([0, 1, 2].map(keys), GOLDEN);
    }
    const GOLDEN: [&str; 3] = ["443A42", "#B6", "4#2D"];
}
