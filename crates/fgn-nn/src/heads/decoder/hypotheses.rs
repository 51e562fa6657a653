//! The answers to one sample that beam search has found so far.

use std::cmp::Ordering;

use super::config::Decoder;

/// The answers to one sample that beam search has found so far.
pub(super) struct Hypotheses {
    /// The sample's index in the batch.
    pub(super) sample: usize,
    /// The unfinished ones, at least one until the search ends, all of the same length; the most likely first.
    pub(super) live: Vec<Hypothesis>,
    /// The best finished one, and its score.
    best: Option<(f64, Vec<u32>)>,
    /// How many are finished.
    finished: usize,
}

/// An answer, or the beginning of one.
pub(super) struct Hypothesis {
    pub(super) tokens: Vec<u32>,
    /// The logarithm of its probability.
    logarithm: f64,
    /// The index of the one that it continues among those of the step before.
    pub(super) parent: usize,
}

/// A hypothesis that may be.
#[derive(Clone, Copy)]
struct Candidate {
    logarithm: f64,
    token: u32,
    parent: usize,
}

impl Candidate {
    /// The more likely first; of equals the one with the smaller token, then that of the more likely parent.
    fn order(&self, other: &Self) -> Ordering {
        let by_logarithm = other.logarithm.total_cmp(&self.logarithm);
        by_logarithm.then((self.token, self.parent).cmp(&(other.token, other.parent)))
    }
}

impl Hypotheses {
    /// The beginning.
    pub(super) fn new(sample: usize) -> Self {
        let empty = Hypothesis { tokens: Vec::new(), logarithm: 0.0, parent: 0 };
        Self { sample, live: vec![empty], best: None, finished: 0 }
    }

    /// Goes on by a token, from the logits after each unfinished one. Returns whether the search ends.
    pub(super) fn extend(&mut self, logits: &[Vec<f64>], config: &Decoder) -> bool {
        let (width, end) = (config.beam_size, config.vocabulary as u32 - 1);
        let mut candidates: Vec<Candidate> = Vec::new();
        for (parent, (hypothesis, logits)) in self.live.iter().zip(logits).enumerate() {
            candidates.extend(likeliest(logits, hypothesis.logarithm, parent, width));
        }
        candidates.sort_unstable_by(Candidate::order);
        candidates.truncate(width);
        let mut live = Vec::new();
        for Candidate { logarithm, token, parent } in candidates {
            let tokens = [&self.live[parent].tokens[..], &[token]].concat();
            match token == end {
                true => self.finish(tokens, logarithm, config.length_penalty),
                false => live.push(Hypothesis { tokens, logarithm, parent }),
            }
        }
        let is_full = live.first().is_some_and(|first| first.tokens.len() == config.max_length);
        self.live = live;
        self.live.is_empty() || is_full || self.finished >= width
    }

    fn finish(&mut self, tokens: Vec<u32>, logarithm: f64, length_penalty: f64) {
        self.finished += 1;
        let score = logarithm / (tokens.len() as f64).powf(length_penalty);
        if self.best.as_ref().is_none_or(|(best, _)| score > *best) {
            self.best = Some((score, tokens));
        }
    }

    /// The best finished answer; if none is, the most likely one.
    pub(super) fn answer(&self) -> &[u32] {
        match &self.best {
            Some((_, tokens)) => tokens,
            None => self.live.first().map_or(&[], |first| &first.tokens),
        }
    }
}

/// The `count` most likely continuations of a hypothesis.
fn likeliest(logits: &[f64], before: f64, parent: usize, count: usize) -> Vec<Candidate> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let normaliser = largest + sum.ln();
    let candidate = |(token, logit): (u32, &f64)| {
        let logarithm = before + (logit - normaliser);
        // A NaN is never likely.
        let logarithm = if logarithm.is_nan() { f64::NEG_INFINITY } else { logarithm };
        Candidate { logarithm, token, parent }
    };
    let mut all: Vec<Candidate> = (0..).zip(logits).map(candidate).collect();
    if count < all.len() {
        all.select_nth_unstable_by(count - 1, Candidate::order);
        all.truncate(count);
    }
    all
}
