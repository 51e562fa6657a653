//! The beginning of the test part as a language model reads it, with the loss of each token.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};
use fgn_data::Samples;
use fgn_schema::{Batch, IGNORED, Prediction, TargetSchema, Tokenizer};
use fgn_train::{Learner, Pass};

use crate::error::Result;

/// Tokens that are read.
pub(super) const TOKENS: usize = 1500;
/// Logits that may be in memory.
const MOST_LOGITS: usize = 1 << 25;

/// Some texts of the test part.
pub(super) struct HeldOut {
    /// None where tokens are no text.
    pub(super) tokenizer: Option<Tokenizer>,
    /// One, where the test part is one long text.
    pub(super) passages: Vec<Passage>,
}

/// A text that a model read from a state of zeros on.
pub(super) struct Passage {
    /// The one sample, `[1, T]`.
    pub(super) batch: Batch,
    /// What was read and, where it counts, the token after it: `T` or `T + 1`.
    pub(super) tokens: Vec<u32>,
    /// In nats, of each of the tokens; none of the first, and none where a target does not count.
    pub(super) losses: Vec<Option<f64>>,
}

/// A piece of a text that is shown: as a rule a token, or as many as make up a character.
pub(super) struct Piece {
    pub(super) text: String,
    /// Indices of its tokens.
    pub(super) tokens: Range<usize>,
}

/// None unless the model predicts the next token of a text.
///
/// # Errors
/// Samples that cannot be read, or that the model cannot read.
pub(super) fn read<M: Learner>(model: &M, test: &Arc<dyn Samples>) -> Result<Option<HeldOut>> {
    let TargetSchema::NextToken { vocabulary } = test.schema().target else { return Ok(None) };
    let most = (MOST_LOGITS / vocabulary.max(1)).clamp(64, TOKENS);
    let samples = match test.windows() {
        Some(windows) => windows.cut(0..most as u64, most)?,
        None => test.clone(),
    };
    let device = model.parameters().first().map_or(Device::Cpu, |(_, var)| var.device().clone());
    let (mut passages, mut left) = (Vec::new(), most);
    for index in 0..samples.len() as u32 {
        let Some(passage) = passage(model, &samples.batch(&[index], &device)?, left)? else {
            break;
        };
        left -= passage.batch.input().tensor().dim(1)?.min(left);
        passages.push(passage);
    }
    Ok(Some(HeldOut { tokenizer: samples.schema().input.tokenizer().cloned(), passages }))
}

/// None of no step, and of predictions without likelihoods.
fn passage<M: Learner>(model: &M, sample: &Batch, most: usize) -> Result<Option<Passage>> {
    let (input, target) = (sample.input().tensor(), sample.target().tensor());
    let steps = input.dim(1)?.min(most);
    if steps == 0 {
        return Ok(None);
    }
    let batch = Batch::new(input.narrow(1, 0, steps)?, target.narrow(1, 0, steps)?);
    let mut carried = Vec::new();
    let prediction = model.forward(&batch, Pass::evaluation(&mut carried))?.prediction;
    let targets = numbers(batch.target().tensor())?;
    let Some(found) = prediction.map(|found| losses(&found, &targets)).transpose()?.flatten()
    else {
        return Ok(None);
    };
    let mut tokens = numbers(batch.input().tensor())?;
    tokens.extend(targets.last().filter(|&&token| token != IGNORED));
    let counted = |(loss, &target)| Some(loss).filter(|_| target != IGNORED);
    let losses = [None].into_iter().chain(found.into_iter().zip(&targets).map(counted));
    let losses = losses.take(tokens.len()).collect();
    Ok(Some(Passage { batch, tokens, losses }))
}

fn numbers(tokens: &Tensor) -> Result<Vec<u32>> {
    Ok(tokens.flatten_all()?.to_dtype(DType::U32)?.to_vec1()?)
}

/// The negative log-likelihood of each target, in nats; that of one that does not count means nothing.
fn losses(prediction: &Prediction, targets: &[u32]) -> Result<Option<Vec<f64>>> {
    let output = prediction.output().tensor();
    let likelihoods = match prediction {
        Prediction::Logits(_) => {
            let rows = output.squeeze(0)?;
            let within = |&token: &u32| if token == IGNORED { 0 } else { token };
            let targets: Vec<u32> = targets.iter().map(within).collect();
            let targets = Tensor::from_vec(targets, (rows.dim(0)?, 1), rows.device())?;
            (rows.gather(&targets, 1)?.squeeze(1)? - rows.log_sum_exp(D::Minus1)?)?
        }
        Prediction::LogLikelihoods(_) => output.squeeze(0)?,
        _ => return Ok(None),
    };
    Ok(Some(likelihoods.neg()?.to_dtype(DType::F64)?.to_vec1()?))
}

impl HeldOut {
    /// The mean loss, and of how many tokens; none of no token.
    pub(super) fn mean_loss(&self) -> Option<(f64, usize)> {
        let losses: Vec<f64> = self
            .passages
            .iter()
            .flat_map(|passage| passage.losses.iter().flatten().copied())
            .collect();
        let count = losses.len();
        (count > 0).then(|| (losses.iter().sum::<f64>() / count as f64, count))
    }

    /// Tokens as they are shown: texts, names of special tokens, or else numbers.
    pub(super) fn pieces(&self, tokens: &[u32]) -> Vec<Piece> {
        let Some(tokenizer) = &self.tokenizer else {
            let number = |(at, token): (usize, &u32)| Piece {
                text: format!("{token} "),
                tokens: at..at + 1,
            };
            return tokens.iter().enumerate().map(number).collect();
        };
        let (mut pieces, mut stream, mut begin) = (Vec::new(), tokenizer.stream(), 0);
        for (at, &token) in tokens.iter().enumerate() {
            let mut text = stream.push(token);
            if text.is_empty() && tokenizer.decode(&[token]).is_empty() {
                text = tokenizer.name(token);
            } else if text.is_empty() && at + 1 == tokens.len() {
                text = tokenizer.decode(&tokens[begin..]);
            }
            // The beginning of a character is shown with the rest of it.
            if !text.is_empty() {
                pieces.push(Piece { text, tokens: begin..at + 1 });
                begin = at + 1;
            }
        }
        pieces
    }
}
