//! A text as one long sequence of tokens.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use fgn_schema::{Batch, InputSchema, Padded, Schema, TargetSchema, Tokenizer};

use super::options::TextOptions;
use crate::cut::Cut;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::reader::ReadProgress;
use crate::samples::{Samples, Windows, check_indices};
use crate::spill::{Spill, SpillWriter};
use crate::text::pieces::Source;
use crate::text::tokens::{from_bytes, to_bytes, width_of};

/// A part of a text in windows. Each token but the first is a target.
#[derive(Clone, Debug)]
pub(super) struct Corpus {
    name: String,
    schema: Schema,
    tokens: Arc<Tokens>,
    /// Its steps: step `i` reads token `i` and predicts token `i + 1`.
    cut: Cut,
}

/// All tokens of a text, each in as few bytes as the vocabulary allows.
#[derive(Debug)]
struct Tokens {
    bytes: Spill,
    width: usize,
}

impl Corpus {
    pub(super) fn read(
        name: &str,
        sources: &[Source],
        options: &TextOptions,
        tokenizer: Tokenizer,
        window: usize,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Corpus> {
        let spilled = |source| Error::Spill {
            file: name.to_owned(),
            option: "data.text.memory",
            folder: std::env::temp_dir(),
            source,
        };
        let width = width_of(tokenizer.vocabulary());
        let (mut tokens, mut count) = (SpillWriter::new(options.memory), 0);
        let total: u64 = sources.iter().map(Source::size).sum();
        let mut done = 0;
        for source in sources {
            let mut pieces = source.pieces()?;
            let mut ends_line = true;
            while let Some(piece) = pieces.next().transpose()? {
                ends_line = piece.ends_with('\n');
                count += push(&mut tokens, width, &encode(&tokenizer, source, &piece)?)
                    .map_err(spilled)?;
                progress(ReadProgress::new(name, done + pieces.done(), total));
            }
            // Two files are not one line.
            if !ends_line && sources.len() > 1 {
                count += push(&mut tokens, width, &encode(&tokenizer, source, "\n")?)
                    .map_err(spilled)?;
            }
            done += source.size();
        }
        if count < 2 {
            return Err(Error::Table {
                at: name.to_owned(),
                found: format!("a text of {count} tokens"),
                expected: "two tokens or more: one to read and one to predict".into(),
            });
        }
        let tokens = Arc::new(Tokens { bytes: tokens.finish().map_err(spilled)?, width });
        Ok(Corpus {
            name: name.to_owned(),
            schema: schema(tokenizer),
            tokens,
            cut: Cut::new(name, 0..count - 1, window, options.evaluation_window)?,
        })
    }
}

/// What a sample of a text is: tokens, of which each predicts the next.
fn schema(tokenizer: Tokenizer) -> Schema {
    let vocabulary = tokenizer.vocabulary();
    Schema::new(InputSchema::text(tokenizer), TargetSchema::NextToken { vocabulary })
}

/// The tokens of a piece of a text.
fn encode(tokenizer: &Tokenizer, source: &Source, piece: &str) -> Result<Vec<u32>> {
    tokenizer.encode(piece).map_err(|error| Error::Table {
        at: source.name(),
        found: error.to_string(),
        expected: "a text of the symbols that the model was trained on".into(),
    })
}

/// Appends tokens, and counts them.
fn push(bytes: &mut SpillWriter, width: usize, tokens: &[u32]) -> std::io::Result<u64> {
    bytes.push(&to_bytes(tokens, width))?;
    Ok(tokens.len() as u64)
}

impl Tokens {
    fn read(&self, range: Range<u64>) -> std::io::Result<Vec<u32>> {
        let count = (range.end - range.start) as usize;
        let mut bytes = vec![0; count * self.width];
        self.bytes.read(range.start * self.width as u64, &mut bytes)?;
        Ok(from_bytes(&bytes, self.width))
    }
}

impl Samples for Corpus {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.cut.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The position of the first token.
    fn title(&self, index: u32) -> String {
        format!("token {}", self.cut.range(index).start)
    }

    /// All windows are of one text.
    fn group(&self, _: u32) -> u32 {
        0
    }

    fn windows(&self) -> Option<&dyn Windows> {
        Some(self)
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let ranges: Vec<Range<u64>> = indices.iter().map(|&index| self.cut.range(index)).collect();
        let lengths: Vec<usize> =
            ranges.iter().map(|range| (range.end - range.start) as usize).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let (mut input, mut target) = (Vec::new(), Vec::new());
        for range in ranges {
            let tokens = self.tokens.read(range.start..range.end + 1).map_err(|source| {
                let (file, folder) = (self.name.clone(), std::env::temp_dir());
                Error::Spill { file, option: "data.text.memory", folder, source }
            })?;
            for (side, part) in
                [(&mut input, &tokens[..tokens.len() - 1]), (&mut target, &tokens[1..])]
            {
                side.extend_from_slice(part);
                side.resize(side.len() + steps - part.len(), 0);
            }
        }
        let is_full = lengths.iter().all(|&length| length == steps);
        let padded = |tokens: Vec<u32>| -> Result<Padded> {
            let tensor = Tensor::from_vec(tokens, (indices.len(), steps), device)?;
            Ok(if is_full { tensor.into() } else { Padded::with_lengths(tensor, lengths.clone())? })
        };
        Ok(Batch::new(padded(input)?, padded(target)?))
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.fingerprint(self.tokens.bytes.fingerprint());
        self.cut.fingerprint(&mut content);
        Ok(content.finish())
    }
}

impl Windows for Corpus {
    fn steps(&self) -> u64 {
        self.cut.count()
    }

    fn window(&self) -> usize {
        self.cut.window()
    }

    fn evaluation_window(&self) -> usize {
        self.cut.evaluation_window()
    }

    fn cut(&self, range: Range<u64>, window: usize) -> Result<Arc<dyn Samples>> {
        let cut = self.cut.part(&self.name, range, window)?;
        Ok(Arc::new(Corpus { cut, ..self.clone() }))
    }
}
