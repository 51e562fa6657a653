//! Prefix beam search: the most probable labels, summed over their alignments.

use super::ngram::NGram;
use super::prefixes::{CtcHypothesis, Prefixes, Scoring};
use crate::check::check;
use crate::error::{Error, Result};

/// Prefix beam search (Hannun, Maas, Jurafsky & Ng 2014): looks for the sequence of labels `l` with the highest
///
/// ```text
/// score(l) = ln P(l | logits) + weight · ln P_model(l) + length_bonus · |l|
/// ```
///
/// where `P(l | logits)` is the sum over all alignments and `P_model` an n-gram model's. After each step it goes on with
/// the `width` best beginnings; a search that is wide enough for all of them is exact.
///
/// ```
/// use fgn_nn::{CtcBeamSearch, ctc_greedy};
///
/// // Two steps; the classes are "a" and the blank. The best path has no label, but three of four paths stand for "a".
/// let logits = [[0.4f32.ln(), 0.6f32.ln()]; 2];
/// assert!(ctc_greedy(&logits, 1).is_empty());
/// let found = CtcBeamSearch::new(4).decode(&logits, 1)?;
/// assert_eq!(found[0].labels[0].label, 0);
/// assert!((found[0].log_probability - 0.64f64.ln()).abs() < 1e-6);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CtcBeamSearch<'a> {
    /// How many beginnings it goes on with, at least 1.
    pub width: usize,
    /// A model of the labels. Its vocabulary is that of the logits, with the blank as its end token.
    pub language_model: Option<&'a NGram>,
    /// What the logarithms of its probabilities are multiplied by.
    pub weight: f64,
    /// What is added to the score for each label: above 0, it makes up for the language model's preference for short
    /// sequences.
    pub length_bonus: f64,
}

impl<'a> CtcBeamSearch<'a> {
    /// A search of that width without a language model.
    pub fn new(width: usize) -> Self {
        Self { width, language_model: None, weight: 0.0, length_bonus: 0.0 }
    }

    /// With a language model, the weight of its log-probabilities, and the bonus for each label.
    pub fn with_language_model(self, model: &'a NGram, weight: f64, length_bonus: f64) -> Self {
        Self { language_model: Some(model), weight, length_bonus, ..self }
    }

    /// The hypotheses for a whole sequence from the logits of each of its steps, the best first: at most `width`, and
    /// at least one. A logit that is NaN counts as a probability of zero.
    ///
    /// # Errors
    /// [`Error::Config`] for a value out of range or a language model that does not fit, [`Error::Shape`] for steps of
    /// different sizes.
    pub fn decode(&self, steps: &[impl AsRef<[f32]>], blank: usize) -> Result<Vec<CtcHypothesis>> {
        let classes = steps.first().map_or(blank + 1, |logits| logits.as_ref().len());
        self.check(classes, blank)?;
        let Self { width, language_model: model, weight, length_bonus } = *self;
        let scoring = Scoring { model, weight, length_bonus };
        let mut prefixes = Prefixes::new(width, blank as u32, scoring);
        for (step, logits) in steps.iter().enumerate() {
            let logits = logits.as_ref();
            if logits.len() != classes {
                let (what, found) = ("logits of a step", vec![logits.len()]);
                let expected = format!("[{classes}], as at the first step");
                return Err(Error::Shape { what, found, expected });
            }
            prefixes.extend(step, &log_softmax(logits));
        }
        Ok(prefixes.finish())
    }

    fn check(&self, classes: usize, blank: usize) -> Result<()> {
        check(self.width >= 1, "width", self.width, "at least 1")?;
        check(blank < classes, "blank", blank, format!("one of {classes} classes"))?;
        for (field, value) in [("weight", self.weight), ("length_bonus", self.length_bonus)] {
            check(value.is_finite(), field, value, "a finite number")?;
        }
        let Some(model) = self.language_model else { return Ok(()) };
        let expected = format!("{classes}, the number of classes");
        check(model.vocabulary() == classes, "language_model", model.vocabulary(), expected)?;
        let expected = format!("{}, the end token of the language model", classes - 1);
        check(blank == classes - 1, "blank", blank, expected)
    }
}

/// The logarithms of the probabilities; -∞ for a NaN.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let differences: Vec<f64> =
        logits.iter().map(|&logit| f64::from(logit) - f64::from(largest)).collect();
    let powers = differences.iter().map(|difference| difference.exp());
    let sum: f64 = powers.filter(|power| !power.is_nan()).sum();
    let logarithm = |difference: f64| match difference - sum.ln() {
        logarithm if logarithm.is_nan() => f64::NEG_INFINITY,
        logarithm => logarithm,
    };
    differences.into_iter().map(logarithm).collect()
}
