//! What the metrics of whole sequences share: the tokens that were predicted beside those of the target.

use fgn_nn::ctc_greedy;
use fgn_schema::{Padded, Prediction, TargetSchema, Tokenizer};
use serde_json::{Value, json};

use super::values::{restored, wrong_prediction};
use crate::error::Result;

/// The sequences that are predicted for samples, beside those of the targets.
pub struct Transcripts {
    /// The end token, which is the blank of alignments.
    end: u32,
    /// What makes texts of tokens, where the targets are texts.
    pub tokenizer: Option<Tokenizer>,
}

/// What was predicted for a sample and its target, both without the end token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The tokens predicted.
    pub predicted: Vec<u32>,
    /// Those of the target.
    pub target: Vec<u32>,
}

impl Transcript {
    /// The edit distance of the two: the smallest number of insertions, deletions and substitutions that makes one of the
    /// other.
    pub fn errors(&self) -> usize {
        distance(&self.predicted, &self.target)
    }
}

impl Transcripts {
    /// `None` where the targets are not sequences.
    pub fn new(target: &TargetSchema) -> Option<Transcripts> {
        let TargetSchema::Sequence { vocabulary, tokenizer } = target else { return None };
        Some(Transcripts { end: *vocabulary as u32 - 1, tokenizer: tokenizer.clone() })
    }

    /// Those of a batch. Alignments are decoded greedily. `metric` is who asks, for errors.
    ///
    /// # Errors
    /// [`Error::MetricPrediction`](crate::Error::MetricPrediction) for predictions that are no sequences, and a target of another
    /// batch.
    pub fn of(
        &self,
        metric: &'static str,
        prediction: &Prediction,
        target: &Padded,
    ) -> Result<Vec<Transcript>> {
        let predicted = match prediction {
            Prediction::Alignments(logits) => self.greedy(logits)?,
            Prediction::Tokens(tokens) => self.tokens(tokens)?,
            _ => return Err(wrong_prediction(metric, "alignments, or the tokens of answers,")),
        };
        let targets = self.tokens(target)?;
        if predicted.len() != targets.len() {
            let found = target.tensor().dims().to_vec();
            let expected = format!("[{}, U]", predicted.len());
            return Err(fgn_schema::Error::Target { found, expected }.into());
        }
        let pairs = predicted.into_iter().zip(targets);
        Ok(pairs.map(|(predicted, target)| Transcript { predicted, target }).collect())
    }

    fn greedy(&self, logits: &Padded) -> Result<Vec<Vec<u32>>> {
        let mut samples = logits.tensor().to_dtype(candle_core::DType::F32)?.to_vec3::<f32>()?;
        for (steps, &length) in samples.iter_mut().zip(logits.lengths().unwrap_or_default()) {
            steps.truncate(length);
        }
        let labels = |steps: &Vec<Vec<f32>>| {
            let found = ctc_greedy(steps, self.end as usize);
            found.into_iter().map(|found| found.label).collect()
        };
        Ok(samples.iter().map(labels).collect())
    }

    /// The tokens of each sample before the first end token.
    fn tokens(&self, tokens: &Padded) -> Result<Vec<Vec<u32>>> {
        let mut samples = tokens.tensor().to_vec2::<u32>()?;
        for (sample, row) in samples.iter_mut().enumerate() {
            let length = tokens.lengths().map_or(row.len(), |lengths| lengths[sample]);
            let end = row[..length].iter().position(|&token| token == self.end);
            row.truncate(end.unwrap_or(length));
        }
        Ok(samples)
    }
}

/// The errors of predicted sequences, and the length of the targets.
#[derive(Default)]
pub(super) struct ErrorRate {
    errors: u64,
    length: u64,
}

impl ErrorRate {
    /// Adds two sequences.
    pub(super) fn add<T: PartialEq>(&mut self, predicted: &[T], target: &[T]) {
        self.errors += distance(predicted, target) as u64;
        self.length += target.len() as u64;
    }

    /// NaN where no target has any length.
    pub(super) fn value(&self) -> f64 {
        match self.length {
            0 => f64::NAN,
            length => self.errors as f64 / length as f64,
        }
    }

    pub(super) fn save(&self) -> Value {
        json!([self.errors, self.length])
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        [self.errors, self.length] = restored(saved)?;
        Ok(())
    }
}

fn distance<T: PartialEq>(predicted: &[T], target: &[T]) -> usize {
    strsim::generic_levenshtein(&Items(predicted), &Items(target))
}

/// A slice whose references iterate over its elements.
struct Items<'a, T>(&'a [T]);

impl<'a, T> IntoIterator for &'a Items<'_, T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Batches of sequences for the tests of metrics.
#[cfg(test)]
pub(super) mod tests {
    use candle_core::{Device, Tensor};
    use fgn_schema::{Padded, Prediction, TargetSchema, Tokenizer};

    use crate::metrics::Metric;

    /// Texts of the letters "a", "b", a space and the end token.
    pub(in crate::metrics) fn texts() -> TargetSchema {
        TargetSchema::text(Tokenizer::characters("ab ", &["<end>"]).unwrap())
    }

    /// The tokens of a text of these letters with the end token, `-`.
    fn tokens(text: &str) -> Vec<u32> {
        text.chars().map(|letter| "ab -".find(letter).unwrap() as u32).collect()
    }

    fn padded(rows: Vec<Vec<u32>>) -> (Vec<Vec<u32>>, Vec<usize>) {
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let longest = lengths.iter().copied().max().unwrap();
        let fill = |mut row: Vec<u32>| {
            row.resize(longest, 1);
            row
        };
        (rows.into_iter().map(fill).collect(), lengths)
    }

    /// Sequences of tokens; each text ends with the end token.
    pub(in crate::metrics) fn sequences(texts: &[&str]) -> Padded {
        let (rows, lengths) = padded(texts.iter().map(|text| tokens(text)).collect());
        Padded::with_lengths(Tensor::new(rows, &Device::Cpu).unwrap(), lengths).unwrap()
    }

    /// Alignments with the largest logit at the class of each letter; `-` is the blank.
    pub(in crate::metrics) fn alignments(paths: &[&str]) -> Prediction {
        let (rows, lengths) = padded(paths.iter().map(|path| tokens(path)).collect());
        let logits = |class: &u32| [0, 1, 2, 3].map(|at| if at == *class { 2f32 } else { -1.0 });
        let logits: Vec<Vec<[f32; 4]>> =
            rows.iter().map(|row| row.iter().map(logits).collect()).collect();
        let shape = (rows.len(), rows[0].len(), 4);
        let logits: Vec<f32> = logits.concat().concat();
        let logits = Tensor::from_vec(logits, shape, &Device::Cpu).unwrap();
        Prediction::Alignments(Padded::with_lengths(logits, lengths).unwrap())
    }

    /// Whether a metric refuses predictions that are no sequences, and targets of another batch.
    pub(in crate::metrics) fn refuses_others(metric: &mut dyn Metric) -> bool {
        let target = sequences(&["a-"]);
        let logits = Tensor::zeros((1, 2, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let logits = Prediction::Logits(logits.into());
        metric.update(&logits, &target).is_err()
            && metric.update(&alignments(&["a-", "b-"]), &target).is_err()
    }
}
