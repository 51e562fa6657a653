//! A language model of short contexts: for the beam search, and as a baseline.

use std::collections::{BTreeMap, HashMap};

use crate::check::{check, size};
use crate::error::{Error, Result};

/// The longest n-gram.
const LONGEST: usize = 32;

/// An n-gram model of tokens, with interpolated Witten-Bell smoothing (Witten & Bell 1991; Chen & Goodman 1999, section
/// 2.4).
///
/// The last token of the vocabulary is the end token. It follows every sequence, and the first token is predicted after
/// it. With `c(h w)` the count of token `w` after a context `h` of up to `order − 1` tokens, `c(h)` the sum of these
/// counts, `N(h)` the number of different tokens after `h`, and `h'` the context without its first token,
///
/// ```text
/// P(w | h) = (c(h w) + N(h) P(w | h')) / (c(h) + N(h))
/// ```
///
/// Below the empty context all tokens are equally likely, so every token has a probability above zero. A context that
/// the training has not seen is as the one without its first token.
///
/// ```
/// use fgn_nn::NGram;
///
/// // The tokens are "a", "b" and the end; the sequences "ab" and "aab".
/// let model = NGram::train(2, 3, &[vec![0, 1], vec![0, 0, 1]])?;
/// // After "a": "b" twice and "a" once; without a context, "a" three times, "b" and the end twice.
/// let below = (2.0 + 3.0 / 3.0) / (7.0 + 3.0);
/// assert_eq!(model.probability(&[0], 1), (2.0 + 2.0 * below) / (3.0 + 2.0));
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NGram {
    order: usize,
    vocabulary: usize,
    contexts: HashMap<Vec<u32>, Context>,
}

/// What follows a context.
#[derive(Clone, Debug, Default, PartialEq)]
struct Context {
    total: u64,
    counts: BTreeMap<u32, u64>,
}

impl NGram {
    /// A model of n-grams of up to `order` tokens, 1 to 32, over a vocabulary of that size, that has counted nothing: all
    /// tokens are equally likely. [`count`](Self::count) trains it token by token, where only some tokens of a sequence
    /// are to be learned.
    ///
    /// # Errors
    /// [`Error::Config`] for an order or a vocabulary out of range.
    pub fn new(order: usize, vocabulary: usize) -> Result<NGram> {
        check((1..=LONGEST).contains(&order), "order", order, format!("1 to {LONGEST}"))?;
        size("vocabulary", vocabulary, 2)?;
        Ok(NGram { order, vocabulary, contexts: HashMap::new() })
    }

    /// A model of n-grams of up to `order` tokens, 1 to 32, over a vocabulary of that size, from sequences without
    /// their end token.
    ///
    /// # Errors
    /// [`Error::Config`] for an order or a vocabulary out of range, [`Error::Token`] for a token that is not in the
    /// vocabulary, or is the end token.
    pub fn train(
        order: usize,
        vocabulary: usize,
        sequences: &[impl AsRef<[u32]>],
    ) -> Result<NGram> {
        let mut model = NGram::new(order, vocabulary)?;
        for sequence in sequences {
            let sequence = sequence.as_ref();
            for (at, &token) in sequence.iter().enumerate() {
                model.count(&sequence[..at], token)?;
            }
            model.add(sequence, model.end());
        }
        Ok(model)
    }

    /// Counts `token` after `history`, all tokens of its sequence before it.
    ///
    /// # Errors
    /// [`Error::Token`] for a token that is not in the vocabulary, or is the end token.
    pub fn count(&mut self, history: &[u32], token: u32) -> Result<()> {
        if token >= self.end() {
            return Err(Error::Token { found: token, last: self.vocabulary - 2 });
        }
        self.add(history, token);
        Ok(())
    }

    fn add(&mut self, history: &[u32], token: u32) {
        let context = self.context(history);
        for begin in 0..=context.len() {
            let context = self.contexts.entry(context[begin..].to_vec()).or_default();
            context.total += 1;
            *context.counts.entry(token).or_default() += 1;
        }
    }

    /// The size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The probability of `token` after `history`, all tokens of the sequence so far; 0 for a token that is not in the
    /// vocabulary.
    pub fn probability(&self, history: &[u32], token: u32) -> f64 {
        if token as usize >= self.vocabulary {
            return 0.0;
        }
        let mut probability = 1.0 / self.vocabulary as f64;
        for Context { total, counts } in self.known(&self.context(history)) {
            let (total, distinct) = (*total as f64, counts.len() as f64);
            let count = counts.get(&token).map_or(0.0, |&count| count as f64);
            probability = (count + distinct * probability) / (total + distinct);
        }
        probability
    }

    /// The probabilities of all tokens after `history`: those of [`probability`](Self::probability), bit for bit,
    /// without a search for each token.
    pub fn probabilities(&self, history: &[u32]) -> Vec<f64> {
        let mut probabilities = vec![1.0 / self.vocabulary as f64; self.vocabulary];
        for Context { total, counts } in self.known(&self.context(history)) {
            let (total, distinct) = (*total as f64, counts.len() as f64);
            probabilities.iter_mut().for_each(|probability| *probability *= distinct);
            for (&token, &count) in counts {
                probabilities[token as usize] += count as f64;
            }
            probabilities.iter_mut().for_each(|probability| *probability /= total + distinct);
        }
        probabilities
    }

    /// The end token.
    fn end(&self) -> u32 {
        self.vocabulary as u32 - 1
    }

    /// The longest context after `history`.
    fn context(&self, history: &[u32]) -> Vec<u32> {
        let begin = history.len().saturating_sub(self.order - 1);
        let starts = (history.len() < self.order - 1).then(|| self.end());
        starts.into_iter().chain(history[begin..].iter().copied()).collect()
    }

    /// What follows a context and those without its first tokens, from the empty one on, as far as they are known: where
    /// one is not, longer ones are not either.
    fn known(&self, context: &[u32]) -> impl Iterator<Item = &Context> {
        (0..=context.len()).rev().map_while(|begin| self.contexts.get(&context[begin..]))
    }

    /// The logarithm of the probability of a whole sequence, given without its end token, which is counted.
    pub fn log_probability(&self, sequence: &[u32]) -> f64 {
        let token = |at: usize| sequence.get(at).copied().unwrap_or(self.end());
        (0..=sequence.len()).map(|at| self.probability(&sequence[..at], token(at)).ln()).sum()
    }
}
