//! Word error rate: the edit distance of answers and targets, word by word.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::transcripts::{ErrorRate, Transcripts};
use super::values::summed;
use crate::error::Result;

/// The edit distances of predicted texts from their targets, summed and divided by the summed lengths of the targets,
/// all in words: what is between white space. Insertions count, so it may be above 1.
pub(super) struct WordErrorRate {
    transcripts: Transcripts,
    errors: ErrorRate,
}

impl WordErrorRate {
    pub(super) fn new(target: &TargetSchema) -> Option<WordErrorRate> {
        let transcripts = Transcripts::new(target)?;
        transcripts.tokenizer.as_ref()?;
        Some(WordErrorRate { transcripts, errors: ErrorRate::default() })
    }
}

impl Metric for WordErrorRate {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("wer", "word error rate", Direction::Lower, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        let pairs = self.transcripts.of("wer", prediction, target)?;
        let Some(tokenizer) = &self.transcripts.tokenizer else { return Ok(()) };
        for pair in pairs {
            let words = |tokens: &[u32]| -> Vec<String> {
                tokenizer.decode(tokens).split_whitespace().map(str::to_owned).collect()
            };
            self.errors.add(&words(&pair.predicted), &words(&pair.target));
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.errors.value()
    }

    fn save(&self) -> Value {
        self.errors.save()
    }

    fn merge(&mut self, saved: &Value) -> Result<()> {
        self.restore(&summed(&self.save(), saved)?)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        self.errors.restore(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcripts::tests::{alignments, refuses_others, sequences, texts};
    use super::*;

    #[test]
    fn words_are_counted_over_batches() {
        let mut metric = WordErrorRate::new(&texts()).unwrap();
        assert!(metric.value().is_nan());
        // "ab a b" for "ab b": one insertion. "a b" for "ab": two edits.
        let paths = ["a-b a -b", "a  b"];
        metric.update(&alignments(&paths), &sequences(&["ab b-", "ab-"])).unwrap();
        assert_eq!(metric.value(), 3.0 / 3.0);
        let mut other = WordErrorRate::new(&texts()).unwrap();
        other.restore(&metric.save()).unwrap();
        let answers = Prediction::Tokens(sequences(&[" a  a -"]));
        other.update(&answers, &sequences(&["a a-"])).unwrap();
        assert_eq!(other.value(), 3.0 / 5.0);
        assert!(refuses_others(&mut other));
        let tokens = TargetSchema::Sequence { vocabulary: 4, tokenizer: None };
        assert!(WordErrorRate::new(&tokens).is_none());
    }
}
