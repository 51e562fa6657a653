//! How the next token is chosen from the logits of all.

use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::error::Result;
use crate::random::Generator;

/// How many of the last tokens a repetition penalty looks at.
const REMEMBERED: usize = 64;

/// How a [`Sampler`] chooses a token.
///
/// The options apply in the order in which they stand here, each to what the one before has left, as in the Python
/// package `transformers`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerOptions {
    /// Divides the positive logits of the last 64 tokens, and multiplies their negative ones (Keskar et al. 2019): above
    /// 1 a token is repeated less often; above 0. 1 changes nothing.
    pub repetition_penalty: f64,
    /// Divides the logits: below 1 what is likely becomes more likely; at least 0. With 0 the token of the largest
    /// logit is taken. 1 samples from the model's own distribution.
    pub temperature: f64,
    /// Only the `k` most likely tokens, and those as likely as the last of them; at least 1.
    pub top_k: Option<usize>,
    /// Only the most likely tokens whose probabilities sum to `p`, as few as that takes (Holtzman et al. 2020); above
    /// 0, at most 1.
    pub top_p: Option<f64>,
    /// Only tokens at least `p` times as likely as the most likely one (Nguyen et al. 2024); above 0, at most 1.
    pub min_p: Option<f64>,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        SamplerOptions {
            repetition_penalty: 1.0,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
        }
    }
}

impl SamplerOptions {
    /// Takes the token of the largest logit.
    pub fn greedy() -> SamplerOptions {
        SamplerOptions { temperature: 0.0, ..SamplerOptions::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let Self { repetition_penalty, temperature, top_k, top_p, min_p } = *self;
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        let expected = "a number above 0; 1 changes nothing";
        check(is_positive(repetition_penalty), "repetition_penalty", repetition_penalty, expected)?;
        let expected = "at least 0; 0 takes the most likely token";
        let fits = temperature == 0.0 || is_positive(temperature);
        check(fits, "temperature", temperature, expected)?;
        let top_k = top_k.unwrap_or(1);
        check(top_k > 0, "top_k", top_k, "at least 1 token")?;
        for (field, share) in [("top_p", top_p), ("min_p", min_p)] {
            let share = share.unwrap_or(1.0);
            check(share > 0.0 && share <= 1.0, field, share, "above 0 and at most 1")?;
        }
        Ok(())
    }
}

/// Chooses tokens by a seed: the same seed and logits give the same tokens.
///
/// ```
/// use fgn_nn::{Sampler, SamplerOptions};
///
/// let options = SamplerOptions { top_k: Some(2), ..SamplerOptions::default() };
/// let mut sampler = Sampler::new(options, 7)?;
/// // Two tokens are left, and 3 to 1 more likely are those of the first.
/// let probabilities = sampler.probabilities(&[3.0_f32.ln(), 0.0, -1.0]);
/// assert!((probabilities[0] - 0.75).abs() < 1e-6 && probabilities[2] == 0.0);
/// assert!(sampler.sample(&[3.0_f32.ln(), 0.0, -1.0]) < 2);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplerOptions,
    generator: Generator,
    /// The last tokens, for the repetition penalty.
    last: Vec<u32>,
}

impl Sampler {
    /// A sampler with these options.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for one that is out of range.
    pub fn new(options: SamplerOptions, seed: u64) -> Result<Sampler> {
        options.validate()?;
        Ok(Sampler { options, generator: Generator::seed_from_u64(seed), last: Vec::new() })
    }

    /// Remembers a token that was not sampled here, of a prompt say, for the repetition penalty.
    pub fn remember(&mut self, token: u32) {
        if self.options.repetition_penalty != 1.0 {
            self.last.push(token);
            let forgotten = self.last.len().saturating_sub(REMEMBERED);
            self.last.drain(..forgotten);
        }
    }

    /// The probability with which each token is chosen. Without a logit that is a number, there is none to choose
    /// from: all are 0.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        let mut logits: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        logits
            .iter_mut()
            .filter(|logit| logit.is_nan())
            .for_each(|logit| *logit = f64::NEG_INFINITY);
        self.penalise(&mut logits);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return vec![0.0; logits.len()];
        }
        if self.options.temperature == 0.0 {
            let first = logits.iter().position(|&logit| logit == largest);
            return (0..logits.len()).map(|at| f64::from(u8::from(Some(at) == first))).collect();
        }
        let power = |logit: &f64| match *logit == largest {
            true => 1.0, // Also of an infinite one.
            false => ((logit - largest) / self.options.temperature).exp(),
        };
        let mut weights: Vec<f64> = logits.iter().map(power).collect();
        self.truncate(&mut weights);
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    fn penalise(&self, logits: &mut [f64]) {
        let penalty = self.options.repetition_penalty;
        let mut seen = self.last.clone();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }

    /// Sets the weights of tokens that are not to be chosen to 0. The largest weight is 1.
    fn truncate(&self, weights: &mut [f64]) {
        let SamplerOptions { top_k, top_p, min_p, .. } = self.options;
        let mut sorted = Vec::new();
        if top_k.is_some() || top_p.is_some() {
            sorted = weights.to_vec();
            sorted.sort_unstable_by(|one, other| other.total_cmp(one));
        }
        let mut least = min_p.unwrap_or(0.0);
        if let Some(k) = top_k {
            sorted.truncate(k);
            least = sorted.last().map_or(least, |&last| last.max(least));
        }
        if let Some(p) = top_p {
            let enough = p * sorted.iter().sum::<f64>();
            let mut sum = 0.0;
            let nucleus = sorted.iter().take_while(|&&weight| {
                let is_needed = sum < enough;
                sum += weight;
                is_needed
            });
            least = nucleus.last().map_or(least, |&last| last.max(least));
        }
        weights.iter_mut().filter(|weight| **weight < least).for_each(|weight| *weight = 0.0);
    }

    /// Chooses a token, and remembers it.
    pub fn sample(&mut self, logits: &[f32]) -> u32 {
        let probabilities = self.probabilities(logits);
        let mut left = self.generator.next_f64();
        let mut chosen = 0;
        for (token, &probability) in (0..).zip(&probabilities) {
            if probability > 0.0 {
                chosen = token;
                if left < probability {
                    break;
                }
                left -= probability;
            }
        }
        self.remember(chosen);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(options: SamplerOptions) -> Sampler {
        Sampler::new(options, 1).unwrap()
    }

    /// The value that chi-square exceeds with a probability of about 1e-4 (Wilson & Hilferty 1931).
    fn critical(freedom: f64) -> f64 {
        let step = 2.0 / (9.0 * freedom);
        freedom * (1.0 - step + 3.719 * step.sqrt()).powi(3)
    }

    /// Against a plain implementation of each option, whatever the logits.
    #[test]
    fn samples_are_distributed_as_the_softmax_that_each_option_leaves() {
        let logits: Vec<f32> =
            (0..23).map(|at| ((at * 37 % 23) as f32 / 5.0).sin() * 3.0).collect();
        let softmax = |temperature: f64, keeps: &dyn Fn(usize, &[f64]) -> bool| {
            let powers: Vec<f64> =
                logits.iter().map(|&l| (f64::from(l) / temperature).exp()).collect();
            let sum: f64 = powers.iter().sum();
            let all: Vec<f64> = powers.iter().map(|power| power / sum).collect();
            let kept: Vec<f64> =
                (0..all.len()).map(|at| if keeps(at, &all) { all[at] } else { 0.0 }).collect();
            let sum: f64 = kept.iter().sum();
            kept.iter().map(|p| p / sum).collect::<Vec<f64>>()
        };
        let more_likely = |at: usize, all: &[f64]| all.iter().filter(|&&p| p > all[at]).count();
        let mass_above = |at: usize, all: &[f64]| all.iter().filter(|&&p| p > all[at]).sum::<f64>();
        let most = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
        let plain = SamplerOptions::default();
        for (options, expected) in [
            (plain, softmax(1.0, &|_, _| true)),
            (SamplerOptions { temperature: 0.6, ..plain }, softmax(0.6, &|_, _| true)),
            (SamplerOptions { temperature: 2.5, ..plain }, softmax(2.5, &|_, _| true)),
            (
                SamplerOptions { top_k: Some(5), ..plain },
                softmax(1.0, &|at, all| more_likely(at, all) < 5),
            ),
            (
                SamplerOptions { top_p: Some(0.8), ..plain },
                softmax(1.0, &|at, all| mass_above(at, all) < 0.8),
            ),
            (
                SamplerOptions { min_p: Some(0.1), ..plain },
                softmax(1.0, &|at, all| all[at] >= 0.1 * most(all)),
            ),
        ] {
            let mut sampler = sampler(options);
            for (found, expected) in sampler.probabilities(&logits).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{options:?}: {found}, not {expected}");
            }
            const DRAWN: usize = 50_000;
            let mut counts = vec![0.0; logits.len()];
            (0..DRAWN).for_each(|_| counts[sampler.sample(&logits) as usize] += 1.0);
            let (mut statistic, mut freedom) = (0.0, -1.0);
            for (count, p) in counts.iter().zip(&expected) {
                let mean = p * DRAWN as f64;
                match mean > 0.0 {
                    true => {
                        statistic += (count - mean).powi(2) / mean;
                        freedom += 1.0;
                    }
                    false => assert_eq!(*count, 0.0, "{options:?}"),
                }
            }
            assert!(statistic < critical(freedom), "{options:?}: chi-square {statistic}");
        }
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let mut sampler = sampler(SamplerOptions::greedy());
        assert_eq!(sampler.sample(&[0.0, 2.0, 2.0, f32::NAN]), 1);
        assert_eq!(sampler.probabilities(&[f32::NAN, f32::NEG_INFINITY]), [0.0, 0.0]);
        assert_eq!(sampler.sample(&[f32::NAN]), 0);
        let infinite = Sampler::new(SamplerOptions::default(), 1).unwrap();
        assert_eq!(infinite.probabilities(&[f32::INFINITY, 0.0]), [1.0, 0.0]);
    }

    #[test]
    fn repeated_tokens_become_less_likely() {
        let options = SamplerOptions { repetition_penalty: 2.0, ..SamplerOptions::greedy() };
        let mut sampler = sampler(options);
        let chosen: Vec<u32> = (0..4).map(|_| sampler.sample(&[3.0, 2.0, 1.4, -1.0])).collect();
        assert_eq!(chosen, [0, 1, 0, 0]);
        sampler.remember(3);
        assert_eq!(sampler.sample(&[-3.0, -3.0, -2.5, -1.0]), 3, "-1 became -2");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let plain = SamplerOptions::default();
        for (options, expected) in [
            (
                SamplerOptions { temperature: -1.0, ..plain },
                "`temperature` is -1, expected at least 0",
            ),
            (SamplerOptions { temperature: f64::NAN, ..plain }, "`temperature` is NaN"),
            (SamplerOptions { top_k: Some(0), ..plain }, "`top_k` is 0, expected at least 1"),
            (SamplerOptions { top_p: Some(0.0), ..plain }, "`top_p` is 0, expected above 0"),
            (SamplerOptions { min_p: Some(1.5), ..plain }, "`min_p` is 1.5, expected above 0"),
            (SamplerOptions { repetition_penalty: 0.0, ..plain }, "`repetition_penalty` is 0"),
        ] {
            let error = Sampler::new(options, 1).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
