//! Character error rate: the edit distance of answers and targets, character by character.

use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::Value;

use super::metric::{Direction, Metric, MetricInfo, Unit};
use super::transcripts::{ErrorRate, Transcripts};
use super::values::summed;
use crate::error::Result;

/// The edit distances of predicted sequences from their targets, summed and divided by the summed lengths of the
/// targets. Texts are compared character by character, other sequences token by token. Insertions count, so it may be
/// above 1.
pub(super) struct CharacterErrorRate {
    transcripts: Transcripts,
    errors: ErrorRate,
}

impl CharacterErrorRate {
    pub(super) fn new(target: &TargetSchema) -> Option<CharacterErrorRate> {
        let transcripts = Transcripts::new(target)?;
        Some(CharacterErrorRate { transcripts, errors: ErrorRate::default() })
    }
}

impl Metric for CharacterErrorRate {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("cer", "character error rate", Direction::Lower, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> Result<()> {
        for pair in self.transcripts.of("cer", prediction, target)? {
            match &self.transcripts.tokenizer {
                Some(tokenizer) => {
                    let characters =
                        |tokens: &[u32]| tokenizer.decode(tokens).chars().collect::<Vec<_>>();
                    self.errors.add(&characters(&pair.predicted), &characters(&pair.target));
                }
                None => self.errors.add(&pair.predicted, &pair.target),
            }
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
    fn edits_are_counted_over_batches() {
        let tokens = TargetSchema::Sequence { vocabulary: 4, tokenizer: None };
        for target in [texts(), tokens] {
            let mut metric = CharacterErrorRate::new(&target).unwrap();
            assert!(metric.value().is_nan());
            // "aba" for "aba", and "ab" for "b a": one insertion before, two deletions after.
            metric.update(&alignments(&["aab-a", "a-b"]), &sequences(&["aba-", "b a-"])).unwrap();
            assert_eq!(metric.value(), 3.0 / 6.0);
            let mut other = CharacterErrorRate::new(&target).unwrap();
            other.restore(&metric.save()).unwrap();
            // Nothing for "ab"; then answers that are tokens, "bb" for "b" and something for an empty target.
            other.update(&alignments(&["--"]), &sequences(&["ab-"])).unwrap();
            let answers = Prediction::Tokens(sequences(&["bb-", "a-"]));
            other.update(&answers, &sequences(&["b-", "-"])).unwrap();
            assert_eq!(other.value(), (3.0 + 2.0 + 2.0) / 9.0);
            assert!(refuses_others(&mut other));
        }
        assert!(CharacterErrorRate::new(&TargetSchema::NextToken { vocabulary: 4 }).is_none());
    }
}
