//! A language model of short contexts, for the beam search.

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
        check((1..=LONGEST).contains(&order), "order", order, format!("1 to {LONGEST}"))?;
        size("vocabulary", vocabulary, 2)?;
        let mut contexts: HashMap<Vec<u32>, Context> = HashMap::new();
        let end = vocabulary as u32 - 1;
        for sequence in sequences {
            let sequence = sequence.as_ref();
            if let Some(&found) = sequence.iter().find(|&&token| token >= end) {
                return Err(Error::Token { found, last: vocabulary - 2 });
            }
            let tokens: Vec<u32> = [&[end], sequence, &[end]].concat();
            for at in 1..tokens.len() {
                for begin in at.saturating_sub(order - 1)..=at {
                    let context = contexts.entry(tokens[begin..at].to_vec()).or_default();
                    context.total += 1;
                    *context.counts.entry(tokens[at]).or_default() += 1;
                }
            }
        }
        Ok(NGram { order, vocabulary, contexts })
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
        let begin = history.len().saturating_sub(self.order - 1);
        let mut context = history[begin..].to_vec();
        if history.len() < self.order - 1 {
            context.insert(0, self.vocabulary as u32 - 1);
        }
        let mut probability = 1.0 / self.vocabulary as f64;
        for begin in (0..=context.len()).rev() {
            let Some(Context { total, counts }) = self.contexts.get(&context[begin..]) else {
                // Longer ones are not there either.
                break;
            };
            let (total, distinct) = (*total as f64, counts.len() as f64);
            let count = counts.get(&token).map_or(0.0, |&count| count as f64);
            probability = (count + distinct * probability) / (total + distinct);
        }
        probability
    }

    /// The logarithm of the probability of a whole sequence, given without its end token, which is counted.
    pub fn log_probability(&self, sequence: &[u32]) -> f64 {
        let end = self.vocabulary as u32 - 1;
        let token = |at: usize| sequence.get(at).copied().unwrap_or(end);
        (0..=sequence.len()).map(|at| self.probability(&sequence[..at], token(at)).ln()).sum()
    }
}
