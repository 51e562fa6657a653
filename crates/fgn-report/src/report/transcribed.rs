//! Sequences that were predicted by alignment, beside their targets.

use fgn_schema::{Padded, Prediction, TargetSchema, text_of};
use fgn_train::Transcripts;

use super::text::shortened;
use crate::error::Result;

/// Those that are kept.
const WORST: usize = 24;
/// Letters of a sequence that are shown.
const LETTERS: usize = 200;

/// A sequence that was predicted wrongly.
pub(super) struct Transcribed {
    /// Of the sample in the test part.
    pub(super) index: u32,
    /// How many insertions, deletions and replacements make one of the other.
    pub(super) errors: usize,
    /// As people read them.
    pub(super) predicted: String,
    pub(super) target: String,
}

/// Gathers the worst of many.
pub(super) struct WorstTranscribed {
    transcripts: Option<Transcripts>,
    worst: Vec<Transcribed>,
    /// Whether there was any, right or wrong.
    is_any: bool,
}

impl WorstTranscribed {
    pub(super) fn new(target: &TargetSchema) -> WorstTranscribed {
        WorstTranscribed { transcripts: Transcripts::new(target), worst: Vec::new(), is_any: false }
    }

    /// Adds a batch; predictions of other kinds do not count.
    pub(super) fn add(
        &mut self,
        indices: &[u32],
        prediction: &Prediction,
        target: &Padded,
    ) -> Result<()> {
        let (Prediction::Alignments(_), Some(transcripts)) = (prediction, &self.transcripts) else {
            return Ok(());
        };
        self.is_any = true;
        for (&index, found) in indices.iter().zip(transcripts.of("report", prediction, target)?) {
            let errors = found.errors();
            if errors > 0 {
                let tokenizer = transcripts.tokenizer.as_ref();
                let text = |tokens: &[u32]| shortened(&text_of(tokenizer, tokens), LETTERS);
                let (predicted, target) = (text(&found.predicted), text(&found.target));
                self.worst.push(Transcribed { index, errors, predicted, target });
            }
        }
        if self.worst.len() > 64 * WORST {
            self.cut();
        }
        Ok(())
    }

    fn cut(&mut self) {
        self.worst.sort_by_key(|found| (std::cmp::Reverse(found.errors), found.index));
        self.worst.truncate(WORST);
    }

    /// Worst first; `None` where nothing was predicted by alignment.
    pub(super) fn sorted(mut self) -> Option<Vec<Transcribed>> {
        self.cut();
        self.is_any.then_some(self.worst)
    }
}
